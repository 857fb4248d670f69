import { describe, expect, test } from 'vitest';
import { decideCancelAttempt } from '../../shared/core/decide/cancel.ts';
import { decideKeep, decidePoke } from '../../shared/core/decide/notify.ts';
import { decidePollRecorded, decideReport } from '../../shared/core/decide/report.ts';
import { EXECUTION_STATES, type ExecutionState } from '../../shared/core/execution.ts';
import { abnormal, finished, pending, running } from '../../shared/core/result.ts';
import { apply, at, claim, committed, docsOf, HOUR_MS, MINUTE_MS, SECOND_MS } from '../support/decide.ts';
import { attemptIn, CREATED_AT, executionIn } from '../support/documents.ts';

const DATA = { data: { answer: 42 } };

describe('what the executor of an unattended job says', () => {
  test.each(['SCHEDULING', 'RUNNING'] as const)(
    'of its success while %s is the result of execution and attempt',
    state => {
      const { execution, attempt } = committed(
        decideReport(docsOf(executionIn(state)), { status: finished(DATA) }, at(5)),
      );
      expect(execution).toMatchObject({ state: 'FINISHED', result: DATA, endedAt: CREATED_AT + 5, reported: true });
      expect(attempt).toMatchObject({ state: 'FINISHED', result: DATA, endedAt: CREATED_AT + 5 });
      expect(execution?.wakeAt).toBeUndefined();
    },
  );

  test('of its failure is the result too, and there is no job to stop', () => {
    const result = abnormal('FAILED', 'exit code 1');
    const { execution, attempt } = committed(
      decideReport(docsOf(executionIn('RUNNING')), { status: finished(result) }, at(0)),
    );
    expect(execution).toMatchObject({ state: 'ABNORMAL_FINISHED', result });
    expect(execution?.unwanted).toBeUndefined();
    expect(attempt).toMatchObject({ state: 'ABNORMAL_FINISHED', result });
  });

  test('running: it is RUNNING, and the time to run begins', () => {
    const { execution } = committed(decideReport(docsOf(executionIn('SCHEDULING')), { status: running() }, at(5)));
    expect(execution).toMatchObject({
      state: 'RUNNING',
      enteredAt: CREATED_AT + 5,
      deadlineAt: CREATED_AT + 5 + 24 * HOUR_MS,
    });
  });

  test.each([
    ['SCHEDULING', pending()],
    ['RUNNING', pending()],
    ['RUNNING', running()],
  ] as const)('to one that is %s: %j changes nothing', (state, status) => {
    expect(decideReport(docsOf(executionIn(state)), { status }, at(0)).kind).toBe('ignored');
  });
});

describe('what the executor of an interactive job says', () => {
  test.each(['SCHEDULING', 'RUNNING'] as const)(
    'of a success while %s is FAILED: it had not finished its attempt',
    state => {
      const docs = docsOf(executionIn(state, { mode: 'interactive' }));
      const { execution, attempt } = committed(decideReport(docs, { status: finished(DATA) }, at(0)));
      const result = abnormal('FAILED', `distributor finished execution while it was ${state}`);
      expect(execution).toMatchObject({ result, reported: true });
      expect(attempt).toMatchObject({ state: 'ABNORMAL_FINISHED', result });
    },
  );

  test('of a success when it is STOPPING is its persistent state; its attempt has the result that it finished with', () => {
    const docs = docsOf(executionIn('STOPPING', { mode: 'interactive', finish: { data: { from: 'job' } } }));
    const { execution, attempt } = committed(decideReport(docs, { status: finished({ data: { left: 1 } }) }, at(0)));
    expect(execution).toMatchObject({ state: 'FINISHED', result: { data: { left: 1 } } });
    expect(attempt).toMatchObject({ state: 'FINISHED', result: { data: { from: 'job' } } });
  });

  test('running: it stays SCHEDULING until it activates', () => {
    const docs = docsOf(executionIn('SCHEDULING', { mode: 'interactive' }));
    expect(decideReport(docs, { status: running() }, at(0)).kind).toBe('ignored');
  });
});

describe('an outcome that comes too late', () => {
  const timedOut = executionIn('ABNORMAL_FINISHED', {
    reported: false,
    result: abnormal('TIMED_OUT', 'still running after 60 s'),
    unwanted: [{ token: 'job-1', need: 'cancel', tries: 1, failedCancels: 1, since: CREATED_AT, nextAt: CREATED_AT }],
  });
  const docs = docsOf(timedOut, { attempt: attemptIn('ABNORMAL_FINISHED') });

  test('is kept beside the result, which does not change, and its job need not be stopped any more', () => {
    const { execution, attempt } = committed(decideReport(docs, { status: finished(DATA) }, at(0)));
    expect(execution).toMatchObject({ state: 'ABNORMAL_FINISHED', result: timedOut.result, lateOutcome: DATA });
    expect(execution?.unwanted).toBeUndefined();
    expect(execution?.wakeAt).toBeUndefined();
    expect(attempt).toBeUndefined();
  });

  test('is not replaced by a later one', () => {
    const first = apply(docs, decideReport(docs, { status: finished(DATA) }, at(0)));
    expect(decideReport(first, { status: finished({ data: {} }) }, at(0)).kind).toBe('ignored');
  });

  test('may come by a poll that was under way when the execution ended', () => {
    const polled = claim(docsOf(executionIn('RUNNING')), 'poll', at(10 * MINUTE_MS));
    const cancelled = apply(polled.docs, decideCancelAttempt(polled.docs, { reason: 'unwanted' }, at(10 * MINUTE_MS)));
    const event = { claim: polled.claim, outcome: finished(DATA) };
    expect(committed(decidePollRecorded(cancelled, event, at(10 * MINUTE_MS))).execution).toMatchObject({
      result: { abnormalFinish: { status: 'CANCELLED' } },
      lateOutcome: DATA,
    });
  });

  test('is no news when the executor itself had reported the end', () => {
    const over = docsOf(executionIn('FINISHED'), { attempt: attemptIn('FINISHED') });
    expect(decideReport(over, { status: finished(DATA) }, at(0)).kind).toBe('ignored');
  });
});

describe('a client cancels', () => {
  const reason = 'not needed';
  const live: ExecutionState[] = ['SCHEDULING', 'RUNNING'];

  test.each(live)('an attempt whose execution is %s: both end at once, and its job is stopped', state => {
    const { execution, attempt } = committed(decideCancelAttempt(docsOf(executionIn(state)), { reason }, at(5)));
    expect(execution).toMatchObject({
      state: 'ABNORMAL_FINISHED',
      result: abnormal('CANCELLED', reason),
      unwanted: [{ token: 'job-1', need: 'cancel', nextAt: CREATED_AT + 5 }],
      wakeAt: CREATED_AT + 5,
    });
    expect(attempt).toMatchObject({ state: 'ABNORMAL_FINISHED', result: abnormal('CANCELLED', reason) });
  });

  test('one that is STOPPING: the accepted finish wins', () => {
    expect(decideCancelAttempt(docsOf(executionIn('STOPPING')), { reason }, at(0)).kind).toBe('ignored');
  });

  test.each(['SCHEDULING', 'WAITING'] as const)('an attempt that is %s: it ends', state => {
    const docs = docsOf(executionIn('ABNORMAL_FINISHED'), { attempt: attemptIn(state) });
    const { execution, attempt } = committed(decideCancelAttempt(docs, { reason }, at(0)));
    expect(attempt).toMatchObject({ state: 'ABNORMAL_FINISHED', result: abnormal('CANCELLED', reason) });
    expect(execution).toBeUndefined();
  });

  test.each(['FINISHED', 'ABNORMAL_FINISHED'] as const)('one that is %s: nothing changes', state => {
    const docs = docsOf(executionIn('FINISHED'), { attempt: attemptIn(state) });
    expect(decideCancelAttempt(docs, { reason }, at(0)).kind).toBe('ignored');
  });
});

describe('a notification that comes before the token', () => {
  const early = executionIn('SCHEDULING', {
    launch: { state: 'owed', tries: 1, nextAt: CREATED_AT },
    poll: { intervalMs: 1000, fruitless: 0 },
  });
  const keep = (...texts: string[]) =>
    texts.reduce(
      (docs, data) => apply(docs, decideKeep(docs, { message: { data, attributes: {} } }, at(0))),
      docsOf(early),
    ).execution;
  const dataOf = (execution: ReturnType<typeof keep>) =>
    'kept' in execution ? execution.kept?.map(({ data }) => data) : undefined;

  test('is kept, the newest two', () => {
    expect(dataOf(keep('1', '2', '3'))).toEqual(['2', '3']);
  });

  test('is kept once, however often it is delivered', () => {
    const kept = keep('1', '2');
    const again = decideKeep({ execution: kept }, { message: { data: '2', attributes: {} } }, at(SECOND_MS));
    expect(again).toEqual({ kind: 'ignored', reason: 'kept already' });
    expect(dataOf(kept)).toEqual(['1', '2']);
  });

  test('drops older ones that are more than 300 KiB together with it', () => {
    const [first, second] = ['x'.repeat(200 * 1024), 'y'.repeat(200 * 1024)];
    expect(dataOf(keep(first, second))).toEqual([second]);
  });

  test('is kept without its content when it is larger than that alone', () => {
    expect(dataOf(keep('z'.repeat(301 * 1024)))).toEqual(['']);
  });

  test.each(EXECUTION_STATES)('is not kept once the token is known: %s', state => {
    const message = { data: '1', attributes: {} };
    expect(decideKeep(docsOf(executionIn(state)), { message }, at(0)).kind).toBe('ignored');
  });
});

describe('a notification that cannot be read becomes a poll', () => {
  const running_ = docsOf(executionIn('RUNNING'));

  test('at once', () => {
    expect(committed(decidePoke(running_, at(5))).execution).toMatchObject({ wakeAt: CREATED_AT + 5 });
  });

  test('at most once in 30 s', () => {
    const asked = claim(apply(running_, decidePoke(running_, at(5))), 'poll', at(5));
    const event = { claim: asked.claim, outcome: running() };
    const answered = apply(asked.docs, decidePollRecorded(asked.docs, event, at(6)));
    const poked = apply(answered, decidePoke(answered, at(7)));
    expect(poked.execution.wakeAt).toBe(CREATED_AT + 5 + 30 * SECOND_MS);
    expect(decidePoke(poked, at(8)).kind).toBe('ignored');
  });

  test('also when one is under way, which may have asked too early', () => {
    const asked = claim(running_, 'poll', at(10 * MINUTE_MS));
    const poked = apply(asked.docs, decidePoke(asked.docs, at(10 * MINUTE_MS + SECOND_MS)));
    const event = { claim: asked.claim, outcome: running() };
    const answered = apply(poked, decidePollRecorded(poked, event, at(10 * MINUTE_MS + 2 * SECOND_MS)));
    expect(answered.execution.wakeAt).toBe(CREATED_AT + 10 * MINUTE_MS + 30 * SECOND_MS);
  });

  test('also for one that is STOPPING', () => {
    const stopping = docsOf(executionIn('STOPPING'));
    expect(committed(decidePoke(stopping, at(5))).execution).toMatchObject({ wakeAt: CREATED_AT + 5 });
  });

  test.each(['FINISHED', 'ABNORMAL_FINISHED'] as const)('but not for one that is %s', state => {
    expect(decidePoke(docsOf(executionIn(state)), at(0)).kind).toBe('ignored');
  });
});
