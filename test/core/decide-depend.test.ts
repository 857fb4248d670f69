import { describe, expect, test } from 'vitest';
import { ATTEMPT_STATES, type Attempt, type Wait, waitOf } from '../../shared/core/attempt.ts';
import { type Beneath, decideAsk, decideHalt, decideRank, MUST_BE_ORDERED } from '../../shared/core/decide/depend.ts';
import type { Decision, Docs } from '../../shared/core/decide/decision.ts';
import type { JobCall } from '../../shared/core/decide/job.ts';
import { decideReport } from '../../shared/core/decide/report.ts';
import { EXECUTION_STATES, type Execution } from '../../shared/core/execution.ts';
import { executionId, waitId } from '../../shared/core/ids.ts';
import { abnormal, finished, type TaskResult } from '../../shared/core/result.ts';
import { apply, at, committed, docsOf, HOUR_MS, MINUTE_MS } from '../support/decide.ts';
import { attemptIn, CREATED_AT, executionIn, questFixture } from '../support/documents.ts';

const [MINE, OTHER] = ['M'.repeat(43), 'O'.repeat(43)];
const CALL: JobCall = { tokenHash: MINE, callHash: 'call-1' };

function statusOf(decision: Decision<unknown>): string {
  if (decision.kind === 'refused') return decision.error.status;
  return decision.kind === 'ignored' ? decision.reason : decision.kind;
}

const running = docsOf(executionIn('RUNNING', { mode: 'interactive', tokenHash: MINE }));
const asking = apply(running, decideAsk(running, CALL, at(5)));
const HALT = { ...CALL, ask: 1, spare: 2, rank: 0 };
const halted = apply(asking, decideHalt(asking, HALT, at(10)));

describe('asking', () => {
  test('is recorded in the execution, which stays as it is otherwise', () => {
    const { execution, attempt } = committed(decideAsk(running, CALL, at(5)));
    expect(execution).toEqual({
      ...running.execution,
      asking: { ask: 1, callHash: 'call-1' },
      revision: 2,
      updatedAt: CREATED_AT + 5,
    });
    expect(attempt).toBeUndefined();
  });

  test('the same again is the same ask', () => {
    expect(statusOf(decideAsk(asking, CALL, at(6)))).toBe('asked already');
  });

  test('for something else is the next ask, which takes the place of the last, also of one like it before', () => {
    const second = apply(asking, decideAsk(asking, { ...CALL, callHash: 'call-2' }, at(6)));
    expect(second.execution).toMatchObject({ asking: { ask: 2, callHash: 'call-2' } });
    const third = apply(second, decideAsk(second, CALL, at(7)));
    expect(third.execution).toMatchObject({ asking: { ask: 3, callHash: 'call-1' } });
  });

  test('is answered the same again once it has halted the execution, also when that has ended', () => {
    const over = apply(halted, decideReport(halted, { status: finished({ data: {} }) }, at(20)));
    for (const docs of [halted, over]) {
      expect(statusOf(decideAsk(docs, CALL, at(30)))).toBe('repeated');
      expect(statusOf(decideAsk(docs, { ...CALL, callHash: 'call-2' }, at(30)))).toBe('UNAUTHENTICATED');
      expect(statusOf(decideAsk(docs, { ...CALL, tokenHash: OTHER }, at(30)))).toBe('UNAUTHENTICATED');
    }
  });

  const OTHERS = EXECUTION_STATES.filter(state => state !== 'RUNNING');
  test.each<[string, Execution, string]>([
    ['with another token', running.execution, OTHER],
    ['with none', running.execution, ''],
    ['as a job that knows nothing of us', executionIn('RUNNING'), MINE],
    ...OTHERS.map((state): [string, Execution, string] => [
      `an execution that is ${state}`,
      executionIn(state, { mode: 'interactive' }),
      MINE,
    ]),
  ])('%s is refused', (_, execution, tokenHash) => {
    expect(statusOf(decideAsk({ execution }, { ...CALL, tokenHash }, at(0)))).toBe('UNAUTHENTICATED');
  });
});

describe('halting to wait', () => {
  test('stops the execution and says what the attempt waits for, in one commit', () => {
    const { execution, attempt } = halted;
    expect(execution).toMatchObject({
      state: 'STOPPING',
      halt: CALL,
      enteredAt: CREATED_AT + 10,
      deadlineAt: CREATED_AT + 10 + 5 * MINUTE_MS,
      wakeAt: CREATED_AT + 10 + 5 * MINUTE_MS,
    });
    for (const gone of ['finish', 'tokenHash', 'asking']) expect(execution).not.toHaveProperty(gone);
    expect(attempt).toEqual({
      ...asking.attempt,
      wait: { execution: 1, ask: 1, spare: 2 },
      revision: 2,
      updatedAt: CREATED_AT + 10,
      wakeAt: undefined,
    });
    expect(waitOf(attempt)?.id).toBe(waitId(executionId(attempt.quest, 1, 1), 1));
  });

  const ranked = { ...asking, attempt: attemptIn('EXECUTING', { rank: 3 }) };
  const second = apply(asking, decideAsk(asking, { ...CALL, callHash: 'call-2' }, at(6)));
  test.each<[string, Docs, Partial<typeof HALT>, string]>([
    ['by the call that did it', halted, {}, 'repeated'],
    ['by another call', halted, { callHash: 'call-2' }, 'UNAUTHENTICATED'],
    ['with another token', asking, { tokenHash: OTHER }, 'UNAUTHENTICATED'],
    ['without having asked', running, {}, 'ABORTED'],
    ['by an ask that a later one has superseded', second, {}, 'ABORTED'],
    ['by the later one', second, { callHash: 'call-2', ask: 2 }, 'commit'],
    ['when dependencies were ordered after its rank', ranked, { rank: 3 }, 'commit'],
    ['when they were ordered after the rank that it had', ranked, { rank: 2 }, MUST_BE_ORDERED],
    ['when they were ordered before it had any', ranked, { rank: 0 }, MUST_BE_ORDERED],
    ['an execution that has ended', docsOf(executionIn('FINISHED', { mode: 'interactive' })), {}, 'UNAUTHENTICATED'],
  ])('%s', (_, docs, event, outcome) => {
    expect(statusOf(decideHalt(docs, { ...HALT, ...event }, at(20)))).toBe(outcome);
  });
});

describe('when a halted execution ends', () => {
  const reported = (result: TaskResult, docs = halted) =>
    committed(decideReport(docs, { status: finished(result) }, at(HOUR_MS, 0)));
  const withBudget = { ...halted, quest: questFixture({ meta: { retry: { crashed: 1 } } }) };

  test('well, its attempt waits and has to count, and has its failures forgiven', () => {
    const failedBefore = { ...halted, attempt: { ...halted.attempt, retries: { crashed: 1 } } as Attempt };
    const { attempt, execution } = reported({ data: { stage: 1 } }, failedBefore);
    expect(execution).toMatchObject({ state: 'FINISHED', halt: CALL, result: { data: { stage: 1 } } });
    expect(attempt).toMatchObject({
      state: 'WAITING',
      wait: { execution: 1, ask: 1, spare: 2 },
      uncounted: true,
      stateFrom: 1,
      retries: {},
      wakeAt: CREATED_AT + HOUR_MS,
    });
  });

  test('badly, what it left is lost: it is tried again where it may be, and waits for nothing', () => {
    const { attempt } = reported(abnormal('CRASHED', 'gone'), withBudget);
    expect(attempt).toMatchObject({ state: 'SCHEDULING', retries: { crashed: 1 } });
    expect(attempt).not.toHaveProperty('wait');
    expect(attempt).not.toHaveProperty('stateFrom');
  });

  test('badly and for good, those who wait for its attempt are told', () => {
    const result = abnormal('CRASHED', 'gone');
    expect(reported(result).attempt).toMatchObject({ state: 'ABNORMAL_FINISHED', result });
    expect(reported(result).attempt).not.toHaveProperty('owes');
    const awaited = { ...halted, attempt: { ...halted.attempt, awaited: true } as Attempt };
    expect(reported(result, awaited).attempt).toMatchObject({
      state: 'ABNORMAL_FINISHED',
      owes: { tell: {}, nextAt: CREATED_AT + HOUR_MS },
      wakeAt: CREATED_AT + HOUR_MS,
    });
  });
});

describe('a rank', () => {
  const wait: Wait = { execution: 1, ask: 2, spare: 0 };
  const id = waitId(executionId(questFixture().id, 1, 1), 2);
  const another = waitId(executionId(questFixture().id, 1, 1), 1);
  const WAITING_ONES = [attemptIn('EXECUTING', { wait, rank: 2 }), attemptIn('WAITING', { wait, rank: 2 })];
  const OTHERS = [
    attemptIn('SCHEDULING', { rank: 2 }),
    attemptIn('EXECUTING', { rank: 2 }),
    // As they were before there were dependencies.
    attemptIn('WAITING', { rank: 2 }),
  ];

  function ranked(attempt: Attempt, rank: number, beneath?: Beneath): string {
    const decision = decideRank({ attempt }, { rank, beneath }, at(7));
    if (decision.kind !== 'commit') return statusOf(decision);
    const { updatedAt } = decision.writes.attempt!;
    expect(decision.writes).toEqual({
      attempt: { ...attempt, rank, revision: 2, updatedAt, wakeAt: attempt.wakeAt },
    });
    return `raised to ${decision.writes.attempt?.rank}`;
  }

  test.each(OTHERS)('of an attempt that is $state and waits for nothing is raised', attempt => {
    expect(ranked(attempt, 5)).toBe('raised to 5');
    expect(ranked({ ...attempt, rank: undefined }, 1)).toBe('raised to 1');
  });

  test.each([...OTHERS, ...WAITING_ONES])('of an attempt that is $state never falls', attempt => {
    for (const rank of [0, 1, 2]) expect(ranked(attempt, rank, { wait: id, rank: 9 })).toBe('ranks high enough');
  });

  test.each(WAITING_ONES)('of an attempt that is $state and waits follows what it waits for', attempt => {
    expect(ranked(attempt, 5)).toBe(MUST_BE_ORDERED);
    expect(ranked(attempt, 5, { wait: id, rank: 5 })).toBe(MUST_BE_ORDERED);
    expect(ranked(attempt, 5, { wait: another, rank: 9 })).toBe(MUST_BE_ORDERED);
    expect(ranked(attempt, 5, { wait: id, rank: 6 })).toBe('raised to 5');
  });

  test.each(ATTEMPT_STATES.filter(state => /FINISHED/.test(state)))(
    'of an attempt that is %s matters no more',
    state => {
      expect(ranked(attemptIn(state), 5)).toBe(`attempt is ${state}`);
    },
  );
});
