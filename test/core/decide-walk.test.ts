import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Attempt, idOfAttempt, isAttemptOver } from '../../shared/core/attempt.ts';
import type { CallError } from '../../shared/core/calls.ts';
import { decideCancelAttempt } from '../../shared/core/decide/cancel.ts';
import type { Decision, Docs } from '../../shared/core/decide/decision.ts';
import { decideEnsure } from '../../shared/core/decide/ensure.ts';
import { decideActivate, decideFinish } from '../../shared/core/decide/job.ts';
import { decideLaunch } from '../../shared/core/decide/launch.ts';
import { decideKeep, decidePoke } from '../../shared/core/decide/notify.ts';
import { decidePollRecorded, decideReport } from '../../shared/core/decide/report.ts';
import { decideRunRecorded } from '../../shared/core/decide/run.ts';
import { decideCancelRecorded, decideConfirmRecorded } from '../../shared/core/decide/stop.ts';
import { decideWake } from '../../shared/core/decide/wake.ts';
import { type Claim, type Execution, isLive } from '../../shared/core/execution.ts';
import type { Mode } from '../../shared/core/quest.ts';
import { abnormal, finished, pending, running, type TaskStatus } from '../../shared/core/result.ts';
import { BUSY, HOUR_MS, MINUTE_MS, SECOND_MS, TYPE_GONE, UNKNOWN } from '../support/decide.ts';
import { CREATED_AT, questFixture } from '../support/documents.ts';
import { brokenRules } from '../support/rules.ts';

const STATUSES: TaskStatus[] = [
  pending(),
  running(),
  finished({ data: { answer: 42 } }),
  finished(abnormal('FAILED', 'exit code 1')),
  finished(abnormal('CANCELLED', 'by the executor')),
];
const ERRORS: CallError[] = [BUSY, UNKNOWN, TYPE_GONE, { ...UNKNOWN, tokenRequired: true }];
const STEPS_MS = [0, SECOND_MS, 35 * SECOND_MS, 2 * MINUTE_MS, 11 * MINUTE_MS, 2 * HOUR_MS, 25 * HOUR_MS];

const commands = [
  ...['advance', 'wake', 'wake', 'wake', 'answer', 'answer', 'crash', 'answer again'],
  ...['report', 'activate', 'finish', 'keep', 'poke', 'cancel'],
] as const;
type Command = (typeof commands)[number];

const commandArbitrary = fc.record({ command: fc.constantFrom(...commands), choice: fc.nat(1000) });

interface Call {
  claim: Claim;
  execution: number;
}

const META = { retry: { failed: 2, crashed: 1, expired: 1, timedOut: 1 }, backoff: { initial: '10s' } };

/** One attempt among clients, jobs and executors that do anything at any time. */
function createWorld(mode: Mode) {
  const quest = questFixture({ meta: META });
  const executions = new Map<number, Execution>();
  const calls: Call[] = [];
  let settled: Call | undefined;
  let attempt: Attempt | undefined;
  let now = CREATED_AT;
  const context = () => ({ now, random: 0.7 });

  function commit<Answer>(decision: Decision<Answer>): Answer | undefined {
    if (decision.kind !== 'commit') return undefined;
    const { writes } = decision;
    if (writes.attempt) attempt = writes.attempt;
    if (writes.execution) executions.set(writes.execution.execution, writes.execution);
    return decision.answer;
  }

  function launch(current: Attempt) {
    const previous = executions.get(current.executions);
    const answer = commit(
      decideLaunch(
        { attempt: current, previous },
        {
          revision: current.revision,
          resolution: {
            distributor: { name: 'echo', type: 'echo', version: 'v1', config: {} },
            mode,
            timeoutsMs: { start: HOUR_MS, run: HOUR_MS, stop: MINUTE_MS },
            pollIntervalMs: 10 * MINUTE_MS,
          },
          nonce: 'nonce',
          keyId: 'key-1',
        },
        context(),
      ),
    );
    if (answer?.claim) calls.push({ claim: answer.claim, execution: attempt!.executions });
  }

  function decideOn(number: number, decide: (docs: Docs) => Decision<unknown>, settles?: Claim) {
    const execution = executions.get(number);
    if (execution === undefined || attempt === undefined) return undefined;
    const docs = { quest, attempt, execution };
    const decision = decide(docs);
    const settlesClaim = settles !== undefined && settles.at === execution.claim?.at;
    expect(brokenRules(docs, decision, context(), { settlesClaim })).toEqual([]);
    return commit(decision);
  }

  function wakeExecution(number: number) {
    const answer = decideOn(number, docs => decideWake(docs, { revision: docs.execution.revision }, context())) as
      | { call?: Claim }
      | undefined;
    if (answer?.call === undefined) return;
    const others = calls.filter(({ execution, claim }) => execution === number && claim.untilAt > now);
    // A `run` that hangs holds up no last question at a deadline; a poll that nobody needs any more holds up no cancel.
    const harmless = isLive(executions.get(number)!) ? 'run' : 'poll';
    expect(others.filter(({ claim }) => claim.call !== harmless || claim.call === answer.call?.call)).toEqual([]);
    calls.push({ claim: answer.call, execution: number });
  }

  function record({ claim, execution }: Call, status: TaskStatus | { error: CallError }, token: string) {
    const failed = 'error' in status;
    decideOn(
      execution,
      docs => {
        if (claim.call === 'run') {
          const outcome = failed ? status : { token, status, timeoutsMs: {}, tasks: [] };
          return decideRunRecorded(docs, { claim, outcome }, context());
        }
        if (claim.call === 'cancel')
          return decideCancelRecorded(docs, { claim, outcome: failed ? status : 'cancelled' }, context());
        const recordStatus = claim.call === 'poll' ? decidePollRecorded : decideConfirmRecorded;
        return recordStatus(docs, { claim, outcome: status }, context());
      },
      claim,
    );
  }

  function takeCall(choice: number): Call | undefined {
    if (calls.length === 0) return undefined;
    settled = calls.splice(choice % calls.length, 1)[0];
    return settled;
  }

  function outcomeOf(choice: number): TaskStatus | { error: CallError } {
    const outcomes = [...STATUSES, ...ERRORS.map(error => ({ error }))];
    return outcomes[choice % outcomes.length]!;
  }

  const act: Record<Command, (choice: number) => void> = {
    advance: choice => (now += STEPS_MS[choice % STEPS_MS.length]!),
    wake(choice) {
      if (attempt?.state === 'SCHEDULING') launch(attempt);
      if (executions.size > 0) wakeExecution(1 + (choice % executions.size));
    },
    answer(choice) {
      const call = takeCall(choice);
      if (call) record(call, outcomeOf(choice), choice % 5 === 0 ? 'job-2' : 'job-1');
    },
    crash: choice => void takeCall(choice),
    'answer again': choice => settled && record(settled, outcomeOf(choice), 'job-1'),
    report: choice =>
      decideOn(1 + (choice % Math.max(1, executions.size)), docs =>
        // Before its token is known an execution's notifications are kept, not read.
        docs.execution.launch.state === 'owed' && 'enteredAt' in docs.execution
          ? decideKeep(docs, { message: { data: String(choice), attributes: {} } }, context())
          : decideReport(docs, { status: STATUSES[choice % STATUSES.length]! }, context()),
      ),
    activate: choice =>
      decideOn(executions.size, docs => decideActivate(docs, { tokenHash: `hash-${choice % 2}` }, context())),
    finish: choice =>
      decideOn(executions.size, docs => {
        const event = { tokenHash: `hash-${choice % 2}`, callHash: 'call', result: { data: { choice } } };
        return decideFinish(docs, event, context());
      }),
    keep: choice =>
      decideOn(executions.size, docs =>
        decideKeep(docs, { message: { data: `${choice}`, attributes: {} } }, context()),
      ),
    poke: () => decideOn(executions.size, docs => decidePoke(docs, context())),
    cancel(choice) {
      // Clients cancel now and then only, or hardly any walk would get further.
      if (choice % 4 > 0 || attempt === undefined) return;
      const execution = executions.get(attempt.executions);
      commit(decideCancelAttempt({ quest, attempt, execution }, { reason: 'unwanted' }, context()));
    },
  };

  commit(
    decideEnsure(
      { quest: undefined, attempt: undefined },
      { id: quest.id, desc: quest.desc, attempt: 1 },
      'client',
      context(),
    ),
  );
  return {
    act,
    documents: () => [attempt!, ...executions.values()],
    /** From now on nothing happens but what the system owes, and every executor answers well. Returns the attempt. */
    comeToRest(): Attempt {
      for (const call of calls.splice(0)) record(call, { error: BUSY }, 'job-1');
      for (let steps = 0; steps < 400; steps++) {
        const due = [attempt!, ...executions.values()]
          .filter(({ wakeAt }) => wakeAt !== undefined)
          .toSorted((a, b) => a.wakeAt! - b.wakeAt!)[0];
        if (due === undefined) return attempt!;
        now = Math.max(now, due.wakeAt!);
        if ('execution' in due) wakeExecution(due.execution);
        else launch(due);
        for (const call of calls.splice(0)) record(call, finished({ data: {} }), 'job-1');
      }
      throw new Error(`${idOfAttempt(attempt!)} does not come to rest`);
    },
  };
}

const WALK = fc.array(commandArbitrary, { maxLength: 60 });

test.each(['interactive', 'unattended'] as const)(
  'whatever happens to an %s attempt, no rule is broken and in the end nothing is owed',
  mode => {
    fc.assert(
      fc.property(WALK, walk => {
        const world = createWorld(mode);
        for (const { command, choice } of walk) world.act[command](choice);
        expect(isAttemptOver(world.comeToRest())).toBe(true);
        expect(world.documents().filter(({ wakeAt }) => wakeAt !== undefined)).toEqual([]);
      }),
      { numRuns: 1500 },
    );
  },
);
