import { expect, test } from 'vitest';
import { ATTEMPT_STATES, type Attempt, attemptSchema, isAttemptOver } from '../../shared/core/attempt.ts';
import type { CallError } from '../../shared/core/calls.ts';
import { decideCancelAttempt } from '../../shared/core/decide/cancel.ts';
import type { Context, Decision, Docs } from '../../shared/core/decide/decision.ts';
import { decideEnsure } from '../../shared/core/decide/ensure.ts';
import { decideActivate, decideFinish } from '../../shared/core/decide/job.ts';
import { decideLaunch } from '../../shared/core/decide/launch.ts';
import { decideKeep, decidePoke } from '../../shared/core/decide/notify.ts';
import { decideRelease } from '../../shared/core/decide/release.ts';
import { decidePollRecorded, decideReport } from '../../shared/core/decide/report.ts';
import { decideRunRecorded } from '../../shared/core/decide/run.ts';
import { decideCancelRecorded, decideConfirmRecorded } from '../../shared/core/decide/stop.ts';
import { decideWake } from '../../shared/core/decide/wake.ts';
import { type Claim, EXECUTION_STATES, type Execution, type ExecutionState } from '../../shared/core/execution.ts';
import { type QuestDesc, RETRY_CLASSES } from '../../shared/core/quest.ts';
import { ABNORMAL_STATUSES, abnormal, finished, pending, running, type TaskStatus } from '../../shared/core/result.ts';
import { attemptIn, CREATED_AT, executionIn, questFixture } from '../support/documents.ts';
import { brokenRules } from '../support/rules.ts';

const NOW = CREATED_AT + 60 * 60_000;
const CONTEXT: Context = { now: NOW, random: 0.5 };
const TOKEN_HASH = 'T'.repeat(43);

const TRANSIENT: CallError = { transient: true, message: 'busy', retryAfterMs: 90_000 };
const FINAL: CallError = { transient: false, message: 'no such job' };
const GONE: CallError = { transient: false, message: 'type gone', notAsked: true };
const NEEDS_TOKEN: CallError = { transient: false, message: 'token required', tokenRequired: true };
const STATUSES: Record<string, TaskStatus> = {
  pending: pending(),
  running: running(),
  'finished with data': finished({ data: { answer: 42 } }),
  'finished FAILED': finished(abnormal('FAILED', 'exit code 1')),
};
const POLL_OUTCOMES: Record<string, TaskStatus | { error: CallError }> = {
  ...STATUSES,
  'a transient error': { error: TRANSIENT },
  'a final error': { error: FINAL },
  'the type is gone': { error: GONE },
};
const LAUNCH = { token: 'job-1', status: pending(), timeoutsMs: {}, tasks: [] };
const RUN_OUTCOMES: Record<string, Parameters<typeof decideRunRecorded>[1]['outcome']> = {
  'a token': LAUNCH,
  'another token': { ...LAUNCH, token: 'job-2' },
  'a token and tasks': { ...LAUNCH, tasks: [{ payload: { step: 1 } }] },
  'a token and time-outs': { ...LAUNCH, timeoutsMs: { start: 1, run: 2, stop: 3 }, pollAfterMs: 4 },
  'a running job': { ...LAUNCH, status: running() },
  'a finished job': { ...LAUNCH, status: finished({ data: {} }) },
  'a failed job': { ...LAUNCH, status: finished(abnormal('FAILED', 'exit code 1')) },
  'a transient error': { error: TRANSIENT },
  'a final error': { error: FINAL },
  'the type is gone': { error: GONE },
};
const CANCEL_OUTCOMES: Record<string, 'cancelled' | { error: CallError }> = {
  success: 'cancelled',
  'a transient error': { error: TRANSIENT },
  'a final error': { error: FINAL },
  'the type is gone': { error: GONE },
  'the token is required': { error: NEEDS_TOKEN },
};

interface Event {
  decide(docs: Docs): Decision<unknown>;
  /** The call whose outcome this is. */
  records?: Claim['call'] | 'any';
}

/** An outcome belongs to the claim that lives, if it is of that call; else to one that has been forgotten. */
function claimOf({ execution }: Docs, call: Claim['call']): Claim {
  return execution.claim?.call === call ? execution.claim : { call, at: CREATED_AT, untilAt: CREATED_AT + 31_000 };
}

function outcomes<Outcome>(
  call: Claim['call'],
  decide: (docs: Docs, event: { claim: Claim; outcome: Outcome }, context: Context) => Decision<unknown>,
  table: Record<string, Outcome>,
): [string, Event][] {
  return Object.entries(table).map(([name, outcome]) => [
    `${call} brought ${name}`,
    { records: call, decide: docs => decide(docs, { claim: claimOf(docs, call), outcome }, CONTEXT) },
  ]);
}

const FINISH = { tokenHash: TOKEN_HASH, callHash: 'C'.repeat(43), result: { data: { answer: 42 } } };
const MESSAGE = { data: '{"state":"running"}', attributes: { from: 'executor' } };

const EVENTS: Record<string, Event> = Object.fromEntries<Event>([
  ['wake', { decide: docs => decideWake(docs, { revision: docs.execution.revision }, CONTEXT) }],
  ['stale wake', { decide: docs => decideWake(docs, { revision: docs.execution.revision - 1 }, CONTEXT) }],
  ...[...Object.values(STATUSES), ...ABNORMAL_STATUSES.map(status => finished(abnormal(status, 'because')))].map(
    (status): [string, Event] => [
      `report of ${JSON.stringify(status)}`,
      { decide: docs => decideReport(docs, { status }, CONTEXT) },
    ],
  ),
  ...outcomes('run', decideRunRecorded, RUN_OUTCOMES),
  ...outcomes('poll', decidePollRecorded, POLL_OUTCOMES),
  ...outcomes('cancel', decideCancelRecorded, CANCEL_OUTCOMES),
  ...outcomes('confirm', decideConfirmRecorded, POLL_OUTCOMES),
  ['activate', { decide: docs => decideActivate(docs, { tokenHash: TOKEN_HASH }, CONTEXT) }],
  ['activate by another', { decide: docs => decideActivate(docs, { tokenHash: 'X'.repeat(43) }, CONTEXT) }],
  ['finish', { decide: docs => decideFinish(docs, FINISH, CONTEXT) }],
  ['finish by another', { decide: docs => decideFinish(docs, { ...FINISH, tokenHash: 'X' }, CONTEXT) }],
  ['early notification', { decide: docs => decideKeep(docs, { message: MESSAGE }, CONTEXT) }],
  ['unreadable notification', { decide: docs => decidePoke(docs, CONTEXT) }],
  // The process that held the claims is dead.
  ['release', { decide: docs => decideRelease(docs, CONTEXT), records: 'any' }],
  ['cancel of the attempt', { decide: docs => decideCancelAttempt(docs, { reason: 'unwanted' }, CONTEXT) }],
]);

type Fields = Partial<Execution> & { deadlineAt?: number | undefined; asked?: number; reported?: boolean };

const LAUNCHES: Record<'owed' | 'launched' | 'outbox' | 'none', Fields> = {
  owed: { launch: { state: 'owed', tries: 2, nextAt: NOW - 1 }, poll: { intervalMs: 600_000, fruitless: 0 } },
  launched: { launch: { state: 'launched', token: 'job-1', at: CREATED_AT } },
  outbox: {
    launch: {
      state: 'launched',
      token: 'job-1',
      at: NOW - 1000,
      outbox: { tasks: [{ payload: {} }], nextAt: NOW + 59_000 },
    },
  },
  none: { launch: { state: 'none' } },
};

/** What may stand in a document: no call under way, one that is, or one whose claim has lapsed. */
const CLAIMS: (Claim | undefined)[] = [
  undefined,
  { call: 'run', at: NOW - 40_000, untilAt: NOW + 1000 },
  { call: 'run', at: NOW - 90_000, untilAt: NOW },
  { call: 'poll', at: NOW - 10_000, untilAt: NOW + 1000 },
  { call: 'poll', at: NOW - 60_000, untilAt: NOW },
  { call: 'cancel', at: NOW - 10_000, untilAt: NOW + 1000, token: 'stray' },
  { call: 'confirm', at: NOW - 10_000, untilAt: NOW + 1000, token: 'stray' },
];

const STRAY = { token: 'stray', tries: 3, since: CREATED_AT };
const UNWANTED: Fields[] = [
  {},
  { unwanted: [{ ...STRAY, need: 'cancel', failedCancels: 9, nextAt: NOW - 1 }] },
  { unwanted: [{ ...STRAY, need: 'confirm', failedCancels: 10, nextAt: NOW - 1 }] },
  { unwanted: [{ ...STRAY, need: 'cancel', failedCancels: 0 }] },
];
const UNWANTED_AFTER_END: Fields[] = [
  ...UNWANTED.slice(0, 3),
  { unwanted: [{ ...STRAY, token: 'job-1', need: 'confirm', failedCancels: 0, nextAt: NOW - 1 }] },
  { unwanted: [{ tries: 0, need: 'learn', failedCancels: 0, since: CREATED_AT, nextAt: NOW - 1 }] },
  { unwanted: [{ ...STRAY, need: 'cancel', failedCancels: 3, since: NOW - 8 * 86_400_000, nextAt: NOW - 1 }] },
];

const UNLIMITED = { deadlineAt: undefined, asked: 0 };
const PHASES: Partial<Record<ExecutionState, Fields[]>> = {
  SCHEDULING: [UNLIMITED, { deadlineAt: NOW + 1 }, { deadlineAt: NOW }, { deadlineAt: NOW, asked: 1 }],
  RUNNING: [UNLIMITED, { deadlineAt: NOW + 1 }, { deadlineAt: NOW }, { deadlineAt: NOW, asked: 1 }],
  STOPPING: [{ deadlineAt: NOW + 1 }, { deadlineAt: NOW, asked: 3 }, { deadlineAt: NOW, asked: 4 }],
  FINISHED: [{ reported: true }, { reported: false }],
  ABNORMAL_FINISHED: [{ reported: true }, { reported: false }],
};

function executionsIn(state: ExecutionState): Execution[] {
  const ended = state === 'FINISHED' || state === 'ABNORMAL_FINISHED';
  const launches = Object.entries(LAUNCHES).filter(([name]) => ended || name !== 'none');
  const phases = PHASES[state] ?? [];
  return launches.flatMap(([, launch]) =>
    CLAIMS.flatMap(claim =>
      (ended ? UNWANTED_AFTER_END : UNWANTED).flatMap(unwanted =>
        phases.flatMap(phase =>
          (['interactive', 'unattended'] as const).map(mode => {
            const token = state === 'RUNNING' && mode === 'interactive' ? { tokenHash: TOKEN_HASH } : {};
            const fields = { ...launch, ...unwanted, ...phase, ...token, mode, ...(claim && { claim }) };
            return executionIn(state, fields as Parameters<typeof executionIn<ExecutionState>>[1]);
          }),
        ),
      ),
    ),
  );
}

const WITH_BUDGET: QuestDesc['meta'] = { retry: Object.fromEntries(RETRY_CLASSES.map(name => [name, 2])) };
const QUESTS = { plain: questFixture(), retried: questFixture({ meta: WITH_BUDGET }) };

/** The attempts that may stand around an execution; those with retries have used up the budget of one class. */
function attemptsAround(execution: Execution): Attempt[] {
  const blocking = execution.unwanted?.some(job => job.failedCancels < 10) === true;
  switch (execution.state) {
    case 'SCHEDULING':
    case 'RUNNING':
    case 'STOPPING':
      return [attemptIn('EXECUTING'), attemptIn('EXECUTING', { retries: { failed: 2, expired: 1 } })];
    case 'FINISHED':
      return [attemptIn('FINISHED')];
    case 'ABNORMAL_FINISHED':
      return [
        attemptIn('ABNORMAL_FINISHED'),
        attemptIn('SCHEDULING', { executions: 1, notBefore: NOW + 5000, after: blocking ? 1 : undefined }),
        attemptIn('EXECUTING', { executions: 2 }),
      ];
  }
}

function docsIn(state: ExecutionState): Docs[] {
  return executionsIn(state).flatMap(execution =>
    attemptsAround(execution).map(attempt => ({
      quest: attempt.retries.failed === undefined ? QUESTS.plain : QUESTS.retried,
      attempt,
      execution,
    })),
  );
}

const DOCS = new Map(EXECUTION_STATES.map(state => [state, freeze(docsIn(state))]));

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(freeze);
  return value;
}

test.each(EXECUTION_STATES.flatMap(state => Object.keys(EVENTS).map(event => [state, event] as const)))(
  '%s × %s: every combination is decided by the rules, and a second time nothing more comes of it',
  (state, name) => {
    const { decide, records } = EVENTS[name]!;
    for (const docs of DOCS.get(state)!) {
      const settlesClaim = records === 'any' || (records !== undefined && records === docs.execution.claim?.call);
      const decision = decide(docs);
      const broken = brokenRules(docs, decision, CONTEXT, { settlesClaim });
      const again = decision.kind === 'commit' ? decide({ ...docs, ...decision.writes }) : undefined;
      if (again && !changesNothing(again, decision, name)) broken.push('the same event again changes nothing');
      if (broken.length > 0) expect.fail(JSON.stringify({ broken, docs, decision, again }, undefined, 1));
    }
  },
);

/** What a commit whose answer was lost leads to when the same event is decided on what it wrote. */
function changesNothing(again: Decision<unknown>, first: Decision<unknown>, event: string): boolean {
  if (again.kind !== 'commit') return true;
  // Only a wake-up means something else on other documents; the engine never hands it the new revision.
  if (event === 'wake') return true;
  const written = first.kind === 'commit' ? first.writes : {};
  const content = ({ execution, attempt }: typeof written) => {
    const { revision: _, updatedAt: __, ...rest } = execution ?? {};
    return JSON.stringify([rest, attempt && { ...attempt, revision: 0 }]);
  };
  return content({ attempt: written.attempt, ...again.writes } as typeof written) === content(written);
}

const ATTEMPTS: Record<string, Attempt[]> = {
  SCHEDULING: [
    attemptIn('SCHEDULING', { notBefore: NOW }),
    attemptIn('SCHEDULING', { notBefore: NOW + 1 }),
    attemptIn('SCHEDULING', { executions: 1, after: 1, retries: { failed: 1 } }),
  ],
  EXECUTING: [attemptIn('EXECUTING')],
  WAITING: [attemptIn('WAITING')],
  FINISHED: [attemptIn('FINISHED')],
  ABNORMAL_FINISHED: [attemptIn('ABNORMAL_FINISHED')],
};
const RESOLUTION = {
  distributor: { name: 'echo', type: 'echo', version: 'v1', config: {} },
  mode: 'unattended',
  timeoutsMs: { start: 1000, run: 2000, stop: 3000 },
  pollIntervalMs: 1000,
} as const;
const PREVIOUS = [
  undefined,
  executionIn('ABNORMAL_FINISHED'),
  executionIn('ABNORMAL_FINISHED', {
    unwanted: [{ ...STRAY, need: 'cancel', failedCancels: 0, nextAt: NOW }],
  }),
];

test.each(ATTEMPT_STATES.flatMap(state => ['ensure', 'launch', 'rejected launch', 'cancel'].map(e => [state, e])))(
  'attempt %s × %s is decided by the rules',
  (state, event) => {
    for (const attempt of ATTEMPTS[state]!) {
      for (const previous of PREVIOUS) {
        const docs = freeze({ quest: questFixture(), attempt, previous });
        const launch = {
          revision: attempt.revision,
          resolution: event === 'launch' ? RESOLUTION : { ...RESOLUTION, rejected: 'unknown distributor' },
          nonce: 'nonce',
          keyId: 'key-1',
        };
        const decision: Decision<unknown> =
          event === 'ensure'
            ? decideEnsure(
                docs,
                { id: attempt.quest, desc: docs.quest.desc, attempt: attempt.attempt },
                'client',
                CONTEXT,
              )
            : event === 'cancel'
              ? decideCancelAttempt({ ...docs, execution: executionIn('RUNNING') }, { reason: 'unwanted' }, CONTEXT)
              : decideLaunch(docs, launch, CONTEXT);
        if (decision.kind !== 'commit') continue;
        expect(isAttemptOver(attempt)).toBe(false);
        const { attempt: next } = decision.writes;
        expect(attemptSchema.safeParse(next).success).toBe(true);
        expect(next).toMatchObject({ revision: attempt.revision + 1, updatedAt: NOW });
        expect(next!.executions - attempt.executions).toBe(decision.writes.execution && event !== 'cancel' ? 1 : 0);
      }
    }
  },
);
