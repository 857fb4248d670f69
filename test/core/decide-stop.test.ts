import { describe, expect, test } from 'vitest';
import type { CallError } from '../../shared/core/calls.ts';
import type { Docs } from '../../shared/core/decide/decision.ts';
import { decideLaunch } from '../../shared/core/decide/launch.ts';
import { decideRunRecorded } from '../../shared/core/decide/run.ts';
import { decideCancelRecorded, decideConfirmRecorded } from '../../shared/core/decide/stop.ts';
import type { UnwantedJob } from '../../shared/core/execution.ts';
import { abnormal, finished, pending, running, type TaskStatus } from '../../shared/core/result.ts';
import {
  apply,
  at,
  BUSY,
  claim,
  committed,
  docsOf,
  HOUR_MS,
  SECOND_MS,
  TYPE_GONE,
  UNKNOWN,
  wake,
} from '../support/decide.ts';
import { attemptIn, CREATED_AT, executionIn } from '../support/documents.ts';

const DAY_MS = 24 * HOUR_MS;
const NEEDS_TOKEN: CallError = { transient: false, message: 'token required', tokenRequired: true };
const JOB: UnwantedJob = {
  token: 'job-1',
  need: 'cancel',
  tries: 0,
  failedCancels: 0,
  since: CREATED_AT,
  nextAt: CREATED_AT,
};

/** An execution that timed out, its job perhaps alive, and an attempt that retries after it. */
function timedOut(job: Partial<UnwantedJob> = {}, fields: Partial<Docs['execution']> = {}): Docs {
  const execution = executionIn('ABNORMAL_FINISHED', {
    reported: false,
    result: abnormal('TIMED_OUT', 'still running after 60 s'),
    unwanted: [{ ...JOB, ...job }],
    wakeAt: CREATED_AT,
    ...fields,
  } as never);
  return docsOf(execution, { attempt: attemptIn('SCHEDULING', { executions: 1, after: 1, notBefore: CREATED_AT }) });
}

function due(docs: Docs) {
  return { now: docs.execution.wakeAt!, random: 0.5 };
}

function cancel(docs: Docs, outcome: 'cancelled' | { error: CallError }): Docs {
  const context = due(docs);
  const claimed = claim(docs, 'cancel', context);
  return apply(claimed.docs, decideCancelRecorded(claimed.docs, { claim: claimed.claim, outcome }, context));
}

function confirm(docs: Docs, outcome: TaskStatus | { error: CallError }): Docs {
  const context = due(docs);
  const claimed = claim(docs, 'confirm', context);
  return apply(claimed.docs, decideConfirmRecorded(claimed.docs, { claim: claimed.claim, outcome }, context));
}

function isReleased({ attempt }: Docs): boolean {
  return attempt.state === 'SCHEDULING' && attempt.after === undefined;
}

describe('a job that nobody wants any more', () => {
  test('is cancelled, then looked at until it is gone; only then may the attempt retry', () => {
    const cancelled = cancel(timedOut(), 'cancelled');
    expect(cancelled.execution.unwanted).toMatchObject([{ need: 'confirm' }]);
    const alive = confirm(cancelled, running());
    expect(isReleased(alive)).toBe(false);
    const gone = confirm(alive, finished(abnormal('CANCELLED', 'by request')));
    expect(gone.execution.unwanted).toBeUndefined();
    expect(gone.execution.wakeAt).toBeUndefined();
    expect(isReleased(gone)).toBe(true);
    expect(gone.attempt.wakeAt).toBe(CREATED_AT);
  });

  test('leaves its outcome as evidence when it ends', () => {
    const gone = confirm(timedOut({ need: 'confirm' }), finished({ data: { answer: 42 } }));
    expect(gone.execution).toMatchObject({
      lateOutcome: { data: { answer: 42 } },
      result: { abnormalFinish: { status: 'TIMED_OUT' } },
    });
  });

  test('is gone when its executor does not know it, but not because its type is not deployed', () => {
    const settled = { nextAt: CREATED_AT + 30 * SECOND_MS, need: 'confirm' } as const;
    const wakeAt = settled.nextAt;
    expect(isReleased(confirm(timedOut(settled, { wakeAt }), { error: UNKNOWN }))).toBe(true);
    expect(isReleased(confirm(timedOut(settled, { wakeAt }), { error: BUSY }))).toBe(false);
    expect(isReleased(confirm(timedOut(settled, { wakeAt }), { error: TYPE_GONE }))).toBe(false);
  });

  test('is cancelled again when it still lives after four looks', () => {
    let docs = cancel(timedOut(), 'cancelled');
    for (let looks = 0; looks < 4; looks++) docs = confirm(docs, running());
    expect(docs.execution.unwanted).toMatchObject([{ need: 'cancel' }]);
  });

  test('is retried with a backoff that grows to an hour, at least as long as the executor asked for', () => {
    const delays = [];
    let docs = timedOut();
    for (let tries = 0; tries < 14; tries++) {
      const { now } = due(docs);
      docs = cancel(docs, { error: UNKNOWN });
      delays.push(docs.execution.wakeAt! - now);
    }
    expect(delays.slice(0, 4)).toEqual([750, 1500, 3000, 6000]);
    expect(delays.at(-1)).toBe(0.75 * HOUR_MS);
    const asked = cancel(timedOut(), { error: { ...BUSY, retryAfterMs: 20_000 } });
    expect(asked.execution.wakeAt).toBe(CREATED_AT + 20_000);
  });

  test('lets the attempt retry when its cancel has failed ten times, and is cancelled further', () => {
    let docs = timedOut();
    for (let failed = 1; failed <= 10; failed++) {
      expect(isReleased(docs)).toBe(false);
      docs = cancel(docs, { error: failed % 2 === 0 ? BUSY : UNKNOWN });
    }
    expect(isReleased(docs)).toBe(true);
    expect(docs.execution.wakeAt).toBeDefined();
  });

  test('is given up on after seven days, and that releases too', () => {
    const { docs, answer } = wake(timedOut(), at(7 * DAY_MS));
    expect(answer.abandoned).toBe('job-1');
    expect(docs.execution.unwanted).toMatchObject([{ abandoned: true }]);
    expect(docs.execution.wakeAt).toBeUndefined();
    expect(isReleased(docs)).toBe(true);
    expect(wake(timedOut(), at(7 * DAY_MS - 1)).answer.call?.call).toBe('cancel');
  });

  test('does not keep another that is due from being stopped', () => {
    const two = timedOut({}, { unwanted: [JOB, { ...JOB, token: 'job-2' }] });
    const once = cancel(two, { error: BUSY });
    expect(claim(once, 'cancel', at(0)).claim.token).toBe('job-2');
  });
});

describe('a job whose token is not known', () => {
  const NO_TOKEN = { launch: { state: 'owed', tries: 1, nextAt: CREATED_AT } } as const;
  const lost = () => timedOut({ token: undefined }, NO_TOKEN);
  const learn = () => cancel(lost(), { error: NEEDS_TOKEN });

  function runAgain(docs: Docs, outcome: Parameters<typeof decideRunRecorded>[1]['outcome']): Docs {
    const context = due(docs);
    const claimed = claim(docs, 'run', context);
    return apply(claimed.docs, decideRunRecorded(claimed.docs, { claim: claimed.claim, outcome }, context));
  }
  const launched = (status: TaskStatus) => ({ token: 'job-9', status, timeoutsMs: {}, tasks: [{ payload: {} }] });

  test('is cancelled by the execution id, and with that it is gone', () => {
    expect(isReleased(cancel(lost(), 'cancelled'))).toBe(true);
  });

  test('is run again with the same id where the adapter needs the token, only to learn it, and then cancelled', () => {
    const known = runAgain(learn(), launched(pending()));
    expect(known.execution).toMatchObject({
      state: 'ABNORMAL_FINISHED',
      launch: { state: 'launched', token: 'job-9' },
    });
    expect(claim(known, 'cancel', due(known)).claim.token).toBe('job-9');
  });

  test('starts no tasks of that run', () => {
    const docs = learn();
    const claimed = claim(docs, 'run', due(docs));
    const event = { claim: claimed.claim, outcome: launched(pending()) };
    expect(committed(decideRunRecorded(claimed.docs, event, due(docs))).answer).toEqual({
      tasks: [],
      notifications: [],
    });
  });

  test('is gone when that run says that it has finished, or that there is none', () => {
    expect(isReleased(runAgain(learn(), launched(finished({ data: {} }))))).toBe(true);
    expect(isReleased(runAgain(learn(), { error: UNKNOWN }))).toBe(true);
    expect(isReleased(runAgain(learn(), { error: TYPE_GONE }))).toBe(false);
  });

  test('is tried again with a backoff that grows, and releases after ten failures too', () => {
    let docs = learn();
    const delays = [];
    for (let failed = 1; failed <= 10; failed++) {
      expect(isReleased(docs)).toBe(false);
      const { now } = due(docs);
      docs = runAgain(docs, { error: BUSY });
      delays.push(docs.execution.wakeAt! - now);
    }
    expect(delays.slice(0, 4)).toEqual([750, 1500, 3000, 6000]);
    expect(isReleased(docs)).toBe(true);
  });

  test('is learnt from a run that was under way when the execution ended', () => {
    const underWay = { call: 'run', at: CREATED_AT, untilAt: CREATED_AT + 61_000 } as const;
    const docs = timedOut({ token: undefined }, { ...NO_TOKEN, claim: underWay, wakeAt: underWay.untilAt });
    const event = { claim: underWay, outcome: launched(running()) };
    const next = apply(docs, decideRunRecorded(docs, event, at(500)));
    expect(next.execution.unwanted).toMatchObject([{ token: 'job-9', need: 'cancel', nextAt: CREATED_AT + 500 }]);
  });
});

describe('the next execution', () => {
  const event = {
    revision: 1,
    resolution: {
      distributor: { name: 'echo', type: 'echo', version: 'v1', config: {} },
      mode: 'unattended',
      timeoutsMs: { start: 1, run: 1, stop: 1 },
      pollIntervalMs: 1000,
    },
    nonce: 'nonce',
    keyId: 'key-1',
  } as const;

  test('is not launched while a job of the last one is in the way; that is looked at again in an hour', () => {
    const { attempt, execution: previous } = timedOut();
    const next = committed(decideLaunch({ attempt, previous }, event, at(0)));
    expect(next.attempt).toMatchObject({ state: 'SCHEDULING', after: 1, wakeAt: CREATED_AT + HOUR_MS });
    expect(next.execution).toBeUndefined();
  });

  test('is launched by that look when the release was lost', () => {
    const { attempt } = timedOut();
    const previous = executionIn('ABNORMAL_FINISHED', { reported: false });
    expect(committed(decideLaunch({ attempt, previous }, event, at(0))).execution).toMatchObject({ execution: 2 });
  });
});
