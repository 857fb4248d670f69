import { describe, expect, test } from 'vitest';
import type { CallError } from '../../shared/core/calls.ts';
import type { Docs } from '../../shared/core/decide/decision.ts';
import { decidePollRecorded, decideReport } from '../../shared/core/decide/report.ts';
import type { Execution } from '../../shared/core/execution.ts';
import { abnormal, finished, pending, running, type TaskStatus } from '../../shared/core/result.ts';
import {
  apply,
  at,
  BUSY,
  claim,
  docsOf,
  HOUR_MS,
  MINUTE_MS,
  SECOND_MS,
  TYPE_GONE,
  UNKNOWN,
  wake,
} from '../support/decide.ts';
import { CREATED_AT, executionIn } from '../support/documents.ts';

type Outcome = TaskStatus | { error: CallError };

/** Claims the poll that is due and records what it brought, one second later. */
function poll(docs: Docs, sinceCreationMs: number, outcome: Outcome): Docs {
  const claimed = claim(docs, 'poll', at(sinceCreationMs));
  const event = { claim: claimed.claim, outcome };
  return apply(claimed.docs, decidePollRecorded(claimed.docs, event, at(sinceCreationMs + SECOND_MS)));
}

const NO_TOKEN = { state: 'owed', tries: 3, nextAt: CREATED_AT + 9 * HOUR_MS } as const;
const UNANSWERED = { intervalMs: 10 * MINUTE_MS, fruitless: 0 };

describe('at the deadline', () => {
  const scheduling = executionIn('SCHEDULING', { deadlineAt: CREATED_AT + MINUTE_MS });
  const started = executionIn('RUNNING', { deadlineAt: CREATED_AT + MINUTE_MS });

  test.each([
    ['SCHEDULING', 'EXPIRED', scheduling, pending()],
    ['SCHEDULING', 'EXPIRED', scheduling, { error: BUSY }],
    ['RUNNING', 'TIMED_OUT', started, running()],
    ['RUNNING', 'TIMED_OUT', started, { error: BUSY }],
  ] as const)(
    'an execution that is %s is asked once more, then %s, and its job is cancelled',
    (_, status, execution, outcome) => {
      const { execution: next } = poll(docsOf(execution), MINUTE_MS, outcome);
      expect(next).toMatchObject({
        state: 'ABNORMAL_FINISHED',
        result: { abnormalFinish: { status } },
        unwanted: [{ token: 'job-1', need: 'cancel' }],
      });
    },
  );

  test('a report that ends the phase wins: finished', () => {
    const { execution, attempt } = poll(docsOf(started), MINUTE_MS, finished({ data: { answer: 1 } }));
    expect([execution.state, attempt.state]).toEqual(['FINISHED', 'FINISHED']);
    expect(execution).not.toHaveProperty('unwanted', expect.anything());
  });

  test('a report that ends the phase wins: started', () => {
    const { execution } = poll(docsOf(scheduling), MINUTE_MS, running());
    expect(execution).toMatchObject({ state: 'RUNNING', asked: 0, deadlineAt: CREATED_AT + 61_000 + 24 * HOUR_MS });
  });

  test('an interactive execution has not started because its executor says so', () => {
    const interactive = { ...scheduling, mode: 'interactive' } as const;
    expect(poll(docsOf(interactive), MINUTE_MS, running()).execution).toMatchObject({
      result: { abnormalFinish: { status: 'EXPIRED' } },
    });
  });

  test('nobody can be asked without a token: the execution ends and its job is looked for by the execution id', () => {
    const waiting = { ...scheduling, launch: NO_TOKEN, poll: UNANSWERED };
    const { execution } = wake(docsOf(waiting), at(MINUTE_MS)).docs;
    expect(execution).toMatchObject({ result: { abnormalFinish: { status: 'EXPIRED' } } });
    expect(execution.unwanted).toMatchObject([{ need: 'cancel' }]);
    expect(execution.unwanted?.[0]?.token).toBeUndefined();
  });

  test('a run that hangs does not hold it back, and the job is cancelled when that call is over', () => {
    const hanging = { call: 'run', at: CREATED_AT, untilAt: CREATED_AT + 2 * MINUTE_MS } as const;
    const { execution } = wake(
      docsOf({ ...scheduling, launch: NO_TOKEN, poll: UNANSWERED, claim: hanging }),
      at(MINUTE_MS),
    ).docs;
    expect(execution).toMatchObject({ state: 'ABNORMAL_FINISHED', claim: hanging, wakeAt: hanging.untilAt });
  });

  test('a poll under way holds it back', () => {
    const asking = { call: 'poll', at: CREATED_AT, untilAt: CREATED_AT + 2 * MINUTE_MS } as const;
    expect(() => wake(docsOf({ ...started, claim: asking }), at(MINUTE_MS))).toThrow('a call is under way');
  });

  test('an unlimited phase has none', () => {
    expect(() => wake(docsOf(executionIn('RUNNING', { deadlineAt: undefined })), at(9 * MINUTE_MS))).toThrow(
      'nothing is due',
    );
  });
});

describe('an executor that does not know the job', () => {
  const launchedAt = (sinceCreationMs: number) =>
    executionIn('RUNNING', {
      launch: { state: 'launched', token: 'job-1', at: CREATED_AT + sinceCreationMs },
      poll: { ...UNANSWERED, nextAt: CREATED_AT + 10 * MINUTE_MS },
    });

  test('means MISSING from 30 s after the token was recorded', () => {
    const { execution } = poll(docsOf(launchedAt(9.5 * MINUTE_MS)), 10 * MINUTE_MS, { error: UNKNOWN });
    expect(execution).toMatchObject({
      result: { abnormalFinish: { status: 'MISSING', reason: expect.stringContaining('no such job') } },
      unwanted: [{ token: 'job-1' }],
    });
  });

  test('means nothing before that', () => {
    const { execution } = poll(docsOf(launchedAt(9.75 * MINUTE_MS)), 10 * MINUTE_MS, { error: UNKNOWN });
    expect(execution).toMatchObject({ state: 'RUNNING', poll: { fruitless: 1 } });
  });

  test('is told from a type that is gone, which is REJECTED at once', () => {
    const { execution } = poll(docsOf(launchedAt(9.9 * MINUTE_MS)), 10 * MINUTE_MS, { error: TYPE_GONE });
    expect(execution).toMatchObject({ result: { abnormalFinish: { status: 'REJECTED', reason: 'type gone' } } });
  });
});

describe('polls', () => {
  test('double with each that brings nothing, up to an hour', () => {
    let docs = docsOf(executionIn('RUNNING', { deadlineAt: undefined }));
    const delays = [];
    for (const outcome of [running(), running(), { error: BUSY }, running()]) {
      const due = docs.execution.wakeAt! - CREATED_AT;
      docs = poll(docs, due, outcome);
      delays.push(docs.execution.wakeAt! - CREATED_AT - due - SECOND_MS);
    }
    expect(delays).toEqual([20 * MINUTE_MS, 40 * MINUTE_MS, HOUR_MS, HOUR_MS]);
  });

  test('of an interval longer than an hour keep it', () => {
    const slow = { intervalMs: 3 * HOUR_MS, fruitless: 0, nextAt: CREATED_AT + 3 * HOUR_MS };
    const { execution } = poll(docsOf(executionIn('RUNNING', { poll: slow })), 3 * HOUR_MS, running());
    expect(execution).toMatchObject({ poll: { nextAt: CREATED_AT + 6 * HOUR_MS + SECOND_MS } });
  });

  test('begin anew when the job starts', () => {
    const tired = { intervalMs: 10 * MINUTE_MS, fruitless: 5, nextAt: CREATED_AT };
    const docs = docsOf(executionIn('SCHEDULING', { poll: tired }));
    expect(apply(docs, decideReport(docs, { status: running() }, at(0))).execution).toMatchObject({
      poll: { fruitless: 0, nextAt: CREATED_AT + 10 * MINUTE_MS },
    });
  });

  test('are not repeated while one is under way, and are when its claim has lapsed', () => {
    const { docs, claim: first } = claim(docsOf(executionIn('RUNNING')), 'poll', at(10 * MINUTE_MS));
    expect(docs.execution.wakeAt).toBe(first.untilAt);
    expect(() => wake(docs, at(10 * MINUTE_MS + 30 * SECOND_MS))).toThrow('a call is under way');
    claim(docs, 'poll', { now: first.untilAt, random: 0 });
  });
});

describe('an execution that is STOPPING', () => {
  const stopping = executionIn('STOPPING', {
    mode: 'interactive',
    deadlineAt: CREATED_AT + MINUTE_MS,
    wakeAt: CREATED_AT + MINUTE_MS,
  });

  function askFourTimes(execution: Execution, outcomes: [Outcome, Outcome, Outcome, Outcome]) {
    let docs = docsOf(execution);
    const askedAt = [];
    for (const outcome of outcomes) {
      expect(docs.execution.state).toBe('STOPPING');
      askedAt.push(docs.execution.wakeAt! - CREATED_AT);
      docs = poll(docs, docs.execution.wakeAt! - CREATED_AT, outcome);
    }
    return { ...docs, askedAt };
  }

  test('is asked at timeToStop and three times more, 30 s apart; then it is EXPIRED, its job cancelled', () => {
    const { execution, attempt, askedAt } = askFourTimes(stopping, [
      running(),
      { error: UNKNOWN },
      running(),
      { error: BUSY },
    ]);
    expect(askedAt.map(ms => ms / SECOND_MS)).toEqual([60, 90, 120, 150]);
    expect(execution).toMatchObject({
      result: { abnormalFinish: { status: 'EXPIRED' } },
      unwanted: [{ token: 'job-1', need: 'cancel' }],
    });
    expect(attempt).toMatchObject({ state: 'FINISHED', result: { data: { answer: 42 } } });
  });

  test('is MISSING when the last error was final', () => {
    const { execution, attempt } = askFourTimes(stopping, [{ error: BUSY }, running(), running(), { error: UNKNOWN }]);
    expect(execution).toMatchObject({ result: { abnormalFinish: { status: 'MISSING' } } });
    expect(attempt.state).toBe('FINISHED');
  });

  test('ends as soon as its executor reports it, by a poll', () => {
    const { execution } = poll(docsOf(stopping), MINUTE_MS, finished({ data: { state: 'kept' } }));
    expect(execution).toMatchObject({ state: 'FINISHED', result: { data: { state: 'kept' } } });
  });

  test('is not polled before', () => {
    expect(stopping.poll.nextAt).toBeUndefined();
    expect(() => wake(docsOf(stopping), at(59 * SECOND_MS))).toThrow('nothing is due');
  });

  test('without a token it ends after as many looks that nobody could be asked', () => {
    let docs = docsOf({ ...stopping, launch: NO_TOKEN });
    for (let looks = 0; looks < 5; looks++) {
      expect(docs.execution.state).toBe('STOPPING');
      docs = wake(docs, { now: docs.execution.wakeAt ?? Math.max(CREATED_AT + MINUTE_MS), random: 0 }).docs;
    }
    expect(docs.execution).toMatchObject({ result: { abnormalFinish: { status: 'EXPIRED' } } });
  });
});

describe('the accepted finish wins', () => {
  const stopping = executionIn('STOPPING', { mode: 'interactive' });

  test('over an abnormal report', () => {
    const docs = docsOf(stopping);
    const next = apply(docs, decideReport(docs, { status: finished(abnormal('CRASHED', 'exit 137')) }, at(0)));
    expect(next.execution).toMatchObject({ result: { abnormalFinish: { status: 'CRASHED' } } });
    expect(next.attempt).toMatchObject({ state: 'FINISHED', result: stopping.finish });
  });
});
