import { describe, expect, test } from 'vitest';
import { decideEnsure } from '../../shared/core/decide/ensure.ts';
import { decideLaunch, type Resolution } from '../../shared/core/decide/launch.ts';
import { decideRunRecorded } from '../../shared/core/decide/run.ts';
import type { Claim, LiveExecution } from '../../shared/core/execution.ts';
import { pending, running } from '../../shared/core/result.ts';
import {
  at,
  BUSY,
  claim,
  committed,
  docsOf,
  HOUR_MS,
  MINUTE_MS,
  SECOND_MS,
  TYPE_GONE,
  UNKNOWN,
} from '../support/decide.ts';
import { attemptIn, CREATED_AT, executionIn, questFixture } from '../support/documents.ts';

const RESOLUTION: Resolution = {
  distributor: { name: 'echo', type: 'echo', version: 'v1', config: {} },
  mode: 'unattended',
  timeoutsMs: { start: HOUR_MS, run: 2 * HOUR_MS, stop: MINUTE_MS },
  pollIntervalMs: 10 * MINUTE_MS,
};
const EVENT = { revision: 1, resolution: RESOLUTION, nonce: 'nonce', keyId: 'key-1' };
const LAUNCHED = { token: 'job-1', status: pending(), timeoutsMs: {}, tasks: [] };

/** An execution whose `run` is under way for the n-th time. */
function running_(overrides: Partial<LiveExecution> = {}, tries = 1) {
  const claimed: Claim = { call: 'run', at: CREATED_AT, untilAt: CREATED_AT + 61_000 };
  const launch = { state: 'owed', tries, nextAt: claimed.untilAt } as const;
  const poll = { intervalMs: 10 * MINUTE_MS, fruitless: 0 };
  return { claimed, execution: executionIn('SCHEDULING', { claim: claimed, launch, poll, ...overrides } as never) };
}

describe('ensuring an attempt', () => {
  const quest = questFixture();
  const event = { id: quest.id, desc: quest.desc, attempt: 3 };

  test('creates it, due at once, and its quest when that is new', () => {
    const { attempt, quest: stored } = committed(
      decideEnsure({ quest: undefined, attempt: undefined }, event, 'client', at(5)),
    );
    expect(attempt).toMatchObject({ state: 'SCHEDULING', attempt: 3, executions: 0, wakeAt: CREATED_AT + 5 });
    expect(stored).toEqual({ ...quest, createdAt: CREATED_AT + 5 });
  });

  test('does not write a quest that is there already', () => {
    expect(committed(decideEnsure({ quest, attempt: undefined }, event, 'client', at(0))).quest).toBeUndefined();
  });

  test('leaves an attempt that exists as it is, whatever its state', () => {
    const attempt = attemptIn('ABNORMAL_FINISHED');
    expect(decideEnsure({ quest, attempt }, event, 'client', at(0)).kind).toBe('ignored');
  });
});

describe('launching', () => {
  const attempt = attemptIn('SCHEDULING');

  test('creates the execution and claims its run in one commit', () => {
    const {
      execution,
      attempt: next,
      answer,
    } = committed(decideLaunch({ attempt, previous: undefined }, EVENT, at(0)));
    expect(next).toMatchObject({ state: 'EXECUTING', executions: 1 });
    expect(next).not.toHaveProperty('wakeAt', expect.anything());
    expect(execution).toMatchObject({
      state: 'SCHEDULING',
      execution: 1,
      claim: answer.claim,
      launch: { state: 'owed', tries: 1 },
      deadlineAt: CREATED_AT + HOUR_MS,
      auth: { nonce: 'nonce', issuedAt: CREATED_AT, keyId: 'key-1' },
      wakeAt: answer.claim!.untilAt,
    });
  });

  test('with an unlimited start has no deadline, and run is owed all the same', () => {
    const unlimited = { ...RESOLUTION, timeoutsMs: { start: 0, run: 0, stop: MINUTE_MS } };
    const { execution } = committed(
      decideLaunch({ attempt, previous: undefined }, { ...EVENT, resolution: unlimited }, at(0)),
    );
    expect(execution).toMatchObject({ deadlineAt: undefined, wakeAt: CREATED_AT + 61_000 });
  });

  test('what the distributors file refuses by now ends as REJECTED with the reason, with an execution that says so', () => {
    const rejected = { ...EVENT, resolution: { ...RESOLUTION, rejected: 'distributorConfigName: unknown' } };
    const { execution, attempt: next } = committed(decideLaunch({ attempt, previous: undefined }, rejected, at(0)));
    const result = { abnormalFinish: { status: 'REJECTED', reason: 'distributorConfigName: unknown' } };
    expect(next).toMatchObject({ state: 'ABNORMAL_FINISHED', executions: 1, result });
    expect(execution).toMatchObject({ state: 'ABNORMAL_FINISHED', result, launch: { state: 'none' } });
    expect(execution?.wakeAt).toBeUndefined();
  });

  test.each([
    ['a stale wake-up', { ...EVENT, revision: 7 }, at(0)],
    ['a wake-up before the backoff is over', EVENT, at(-1)],
  ])('%s is ignored', (_, event, context) => {
    expect(decideLaunch({ attempt, previous: undefined }, event, context).kind).toBe('ignored');
  });
});

describe('the outcome of run', () => {
  const { claimed, execution } = running_();

  test('its token is recorded, and the first poll is due after the interval', () => {
    const next = committed(decideRunRecorded(docsOf(execution), { claim: claimed, outcome: LAUNCHED }, at(500)));
    expect(next.execution).toMatchObject({
      state: 'SCHEDULING',
      launch: { state: 'launched', token: 'job-1', at: CREATED_AT + 500 },
      poll: { nextAt: CREATED_AT + 500 + 10 * MINUTE_MS },
      deadlineAt: CREATED_AT + HOUR_MS,
    });
    expect(next.execution?.claim).toBeUndefined();
  });

  test("durations in run's answer replace the quest's own, counted from the start of the phase", () => {
    const outcome = { ...LAUNCHED, timeoutsMs: { start: 5 * MINUTE_MS, run: 7 * MINUTE_MS }, pollAfterMs: 1000 };
    const { execution: next } = committed(decideRunRecorded(docsOf(execution), { claim: claimed, outcome }, at(500)));
    expect(next).toMatchObject({
      timeoutsMs: { start: 5 * MINUTE_MS, run: 7 * MINUTE_MS, stop: 5 * MINUTE_MS },
      deadlineAt: CREATED_AT + 5 * MINUTE_MS,
      poll: { intervalMs: 1000, nextAt: CREATED_AT + 1500 },
    });
  });

  test('a job that runs at once is RUNNING, its time-out counted from now', () => {
    const outcome = { ...LAUNCHED, status: running(), timeoutsMs: { run: 7 * MINUTE_MS } };
    const { execution: next } = committed(decideRunRecorded(docsOf(execution), { claim: claimed, outcome }, at(500)));
    expect(next).toMatchObject({ state: 'RUNNING', deadlineAt: CREATED_AT + 500 + 7 * MINUTE_MS, revision: 2 });
  });

  test('tasks of run are recorded with its token, and answered to be enqueued now', () => {
    const outcome = { ...LAUNCHED, tasks: [{ payload: { step: 1 } }] };
    const next = committed(decideRunRecorded(docsOf(execution), { claim: claimed, outcome }, at(0)));
    expect(next.execution).toMatchObject({
      launch: { outbox: { tasks: outcome.tasks } },
      wakeAt: CREATED_AT + MINUTE_MS,
    });
    expect(next.answer.tasks).toEqual(outcome.tasks);
  });

  test.each([pending(), running()])('after early notifications, a poll is due in 30 s when it says %j', status => {
    const early = running_({ kept: [{ data: 'early', attributes: {} }] });
    const next = committed(
      decideRunRecorded(docsOf(early.execution), { claim: claimed, outcome: { ...LAUNCHED, status } }, at(0)),
    );
    expect(next.answer.notifications).toEqual([{ data: 'early', attributes: {} }]);
    expect(next.execution).toMatchObject({ poll: { nextAt: CREATED_AT + 30 * SECOND_MS } });
  });

  test('a job that finished its attempt before its token was known is polled in 30 s if it also sent notifications', () => {
    const early = executionIn('STOPPING', {
      mode: 'interactive',
      launch: execution.launch,
      claim: claimed,
      kept: [{ data: 'early', attributes: {} }],
    });
    const next = committed(decideRunRecorded(docsOf(early), { claim: claimed, outcome: LAUNCHED }, at(0)));
    expect(next.execution).toMatchObject({ state: 'STOPPING', poll: { nextAt: CREATED_AT + 30 * SECOND_MS } });
  });

  test('a transient error is retried with backoff, at least as long as the executor asked for', () => {
    const failed = (error: typeof BUSY, tries: number) => {
      const again = running_({}, tries);
      return committed(decideRunRecorded(docsOf(again.execution), { claim: claimed, outcome: { error } }, at(0)));
    };
    expect(failed(BUSY, 1).execution?.wakeAt).toBe(CREATED_AT + 750);
    expect(failed(BUSY, 4).execution?.wakeAt).toBe(CREATED_AT + 6000);
    expect(failed(BUSY, 40).execution?.wakeAt).toBe(CREATED_AT + 225_000);
    expect(failed({ ...BUSY, retryAfterMs: 20_000 }, 1).execution?.wakeAt).toBe(CREATED_AT + 20_000);
  });

  test('a final error ends the execution as REJECTED with the message, and there is no job to stop', () => {
    const next = committed(
      decideRunRecorded(docsOf(execution), { claim: claimed, outcome: { error: UNKNOWN } }, at(0)),
    );
    expect(next.execution).toMatchObject({
      state: 'ABNORMAL_FINISHED',
      result: { abnormalFinish: { status: 'REJECTED', reason: 'no such job' } },
    });
    expect(next.execution?.unwanted).toBeUndefined();
    expect(next.attempt?.state).toBe('ABNORMAL_FINISHED');
  });

  test('a final error after the job has activated does not prove that there is none: it is to be stopped', () => {
    const activated = executionIn('RUNNING', { mode: 'interactive', launch: execution.launch, claim: claimed });
    const next = committed(
      decideRunRecorded(docsOf(activated), { claim: claimed, outcome: { error: UNKNOWN } }, at(0)),
    );
    expect(next.execution).toMatchObject({ state: 'ABNORMAL_FINISHED', unwanted: [{ need: 'cancel' }] });
  });

  test('a type that is gone ends it as REJECTED; a job that an earlier try may have begun is still to be stopped', () => {
    const outcome = { error: TYPE_GONE };
    const once = committed(decideRunRecorded(docsOf(execution), { claim: claimed, outcome }, at(0)));
    const twice = committed(decideRunRecorded(docsOf(running_({}, 2).execution), { claim: claimed, outcome }, at(0)));
    expect(once.execution?.unwanted).toBeUndefined();
    expect(twice.execution).toMatchObject({
      result: { abnormalFinish: { status: 'REJECTED' } },
      unwanted: [{ need: 'cancel', nextAt: CREATED_AT }],
    });
  });

  test('when its claim has lapsed, an error is ignored and a token is recorded all the same', () => {
    const lapsed = { ...claimed, at: CREATED_AT - 70_000 };
    expect(decideRunRecorded(docsOf(execution), { claim: lapsed, outcome: { error: UNKNOWN } }, at(0)).kind).toBe(
      'ignored',
    );
    const next = committed(decideRunRecorded(docsOf(execution), { claim: lapsed, outcome: LAUNCHED }, at(0)));
    expect(next.execution).toMatchObject({ launch: { token: 'job-1' }, claim: claimed });
  });

  test('when it fails although another try was recorded, its claim is given back', () => {
    const launched = executionIn('SCHEDULING', { claim: claimed });
    const next = committed(decideRunRecorded(docsOf(launched), { claim: claimed, outcome: { error: BUSY } }, at(0)));
    expect(next.execution).toMatchObject({ launch: { token: 'job-1' } });
    expect(next.execution?.claim).toBeUndefined();
  });

  test('is owed again once the claim has lapsed, and counted', () => {
    const { docs } = claim(docsOf(execution), 'run', at(61_000));
    expect(docs.execution.launch).toMatchObject({ state: 'owed', tries: 2 });
  });
});

describe('two tokens for one execution: the first stands and the other is a stray,', () => {
  const lapsed: Claim = { call: 'run', at: CREATED_AT - 70_000, untilAt: CREATED_AT - 1000 };
  const outcome = { ...LAUNCHED, token: 'job-2' };
  const record = (execution: LiveExecution) =>
    committed(decideRunRecorded(docsOf(execution), { claim: lapsed, outcome }, at(0))).execution;

  test('cancelled at once when it is unattended', () => {
    expect(record(executionIn('RUNNING'))).toMatchObject({
      launch: { token: 'job-1' },
      unwanted: [{ token: 'job-2', need: 'cancel', nextAt: CREATED_AT }],
      wakeAt: CREATED_AT,
    });
  });

  test('left alone until the execution ends when it is interactive, since it cannot activate', () => {
    const stray = record(executionIn('RUNNING', { mode: 'interactive' }));
    expect(stray?.unwanted).toMatchObject([{ token: 'job-2', need: 'cancel' }]);
    expect(stray?.unwanted?.[0]?.nextAt).toBeUndefined();
  });

  test('the same token again is no stray', () => {
    const event = { claim: lapsed, outcome: LAUNCHED };
    expect(decideRunRecorded(docsOf(executionIn('RUNNING')), event, at(0)).kind).toBe('ignored');
  });
});
