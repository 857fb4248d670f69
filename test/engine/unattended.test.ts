import { describe, expect, test } from 'vitest';
import { TransientError } from '../../shared/core/errors.ts';
import { executionId, parseAttemptId } from '../../shared/core/ids.ts';
import { abnormal, finished, pending, running, type TaskStatus } from '../../shared/core/result.ts';
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../support/decide.ts';
import { createTestEngine, executionOf, start } from '../support/engine.ts';

const DATA = { data: { answer: 42 } };
const read = (data: string): TaskStatus => JSON.parse(data) as TaskStatus;
const SCRIPT = {
  run: start,
  handleNotification: async ({ data }: { data: string }) => read(data),
};

describe('an unattended quest', () => {
  test('is run, reported running, reported finished: its result is the attempt’s, and nothing is owed any more', async () => {
    const world = createTestEngine({ script: SCRIPT });
    const id = await world.submit();
    expect(await world.attempt(id)).toMatchObject({ state: 'SCHEDULING' });
    await world.settle();
    expect(await world.attempt(id)).toMatchObject({ state: 'EXECUTING', executions: 1 });
    expect(await world.execution(id)).toMatchObject({ state: 'SCHEDULING', launch: { token: 'job-1' } });

    expect(await world.notify(executionOf(id), running())).toBe('running');
    expect(await world.execution(id)).toMatchObject({ state: 'RUNNING' });
    expect(await world.notify(executionOf(id), finished(DATA))).toBe('finished');
    expect(await world.attempt(id)).toMatchObject({ state: 'FINISHED', result: DATA });
    expect(world.store.wakeTimes()).toEqual({});
  });

  test('that is finished when run returns needs nothing else', async () => {
    const run = async () => ({ token: 'job-1', status: finished(DATA) });
    const world = createTestEngine({ script: { run } });
    const id = await world.submit();
    await world.settle();
    expect(await world.attempt(id)).toMatchObject({ state: 'FINISHED', result: DATA });
    expect(world.store.wakeTimes()).toEqual({});
  });

  test('whose executor never says anything is found by polls', async () => {
    const statuses: TaskStatus[] = [pending(), running(), finished(DATA)];
    const world = createTestEngine({ script: { run: start, getStatus: async () => statuses.shift()! } });
    const id = await world.submit();
    await world.settle();
    await world.elapse(10 * MINUTE_MS);
    expect(await world.execution(id)).toMatchObject({ state: 'SCHEDULING' });
    await world.elapse(20 * MINUTE_MS);
    expect(await world.execution(id)).toMatchObject({ state: 'RUNNING' });
    await world.elapse(10 * MINUTE_MS);
    expect(await world.attempt(id)).toMatchObject({ state: 'FINISHED', result: DATA });
  });

  test('is polled as often as its run asked for', async () => {
    let polls = 0;
    const getStatus = async () => (++polls < 2 ? pending() : finished(DATA));
    const run = async () => ({ token: 'job-1', pollAfterMs: 5 * SECOND_MS });
    const world = createTestEngine({ script: { run, getStatus } });
    const id = await world.submit();
    await world.settle();
    await world.elapse(5 * SECOND_MS);
    await world.elapse(10 * SECOND_MS);
    expect(await world.attempt(id)).toMatchObject({ state: 'FINISHED' });
  });

  test.each([{ status: 401 }, { status: 403 }, { code: 7 }, { code: 16 }])(
    'whose executor refuses our credentials (%j) is not MISSING: they may be good again',
    async refusal => {
      const world = createTestEngine({ script: { run: start, getStatus: async () => Promise.reject(refusal) } });
      const id = await world.submit();
      await world.settle();
      await world.elapse(10 * MINUTE_MS);
      expect(await world.execution(id)).toMatchObject({ state: 'SCHEDULING', poll: { fruitless: 1 } });
      world.executor.script.getStatus = async () => finished(DATA);
      await world.elapse(20 * MINUTE_MS);
      expect(await world.attempt(id)).toMatchObject({ state: 'FINISHED' });
    },
  );

  test('that overruns is asked once more, TIMED_OUT, and its job cancelled until it is gone', async () => {
    const answers = [running(), running(), running(), finished(abnormal('CANCELLED', 'on request'))];
    const getStatus = async () => answers.shift()!;
    const run = async () => ({ token: 'job-1', status: running(), timeToRunMs: MINUTE_MS, pollAfterMs: HOUR_MS });
    const world = createTestEngine({ script: { run, getStatus, cancel: async () => {} } });
    const id = await world.submit();
    await world.settle();
    await world.elapse(MINUTE_MS);
    expect(await world.attempt(id)).toMatchObject({ result: { abnormalFinish: { status: 'TIMED_OUT' } } });
    await world.elapse(MINUTE_MS);
    await world.elapse(MINUTE_MS);
    await world.elapse(MINUTE_MS);
    expect(world.executor.calls.map(({ operation }) => operation)).toEqual([
      ...['run', 'getStatus', 'cancel', 'getStatus', 'getStatus', 'getStatus'],
    ]);
    expect(await world.execution(id)).toMatchObject({ lateOutcome: { abnormalFinish: { status: 'CANCELLED' } } });
    expect(world.store.wakeTimes()).toEqual({});
  });
});

describe('deliveries that are repeated, late or out of order', () => {
  test('every task and notification twice: each job is started once, with the same result', async () => {
    const world = createTestEngine({ script: SCRIPT });
    const id = await world.submit();
    for (let task = world.tasks.shift(); task !== undefined; task = world.tasks.shift()) {
      await world.deliver(task);
      await world.deliver(task);
    }
    for (const status of [running(), finished(DATA), finished(abnormal('FAILED', 'a lie'))]) {
      await world.notify(executionOf(id), status);
      await world.notify(executionOf(id), status);
    }
    expect(world.executor.calls.filter(({ operation }) => operation === 'run')).toHaveLength(1);
    expect(await world.attempt(id)).toMatchObject({ state: 'FINISHED', result: DATA });
    const { quest } = parseAttemptId(id);
    expect(await world.store.get('execution', executionId(quest, 1, 2))).toBeUndefined();
  });

  test('two deliveries of one task at the same time start one job', async () => {
    const world = createTestEngine({ script: SCRIPT });
    const id = await world.submit();
    const task = world.tasks.shift();
    const outcomes = await Promise.all([world.deliver(task), world.deliver(task), world.deliver(task)]);
    expect(outcomes.toSorted()).toEqual(['attempt is EXECUTING', 'attempt is EXECUTING', 'launched']);
    expect(world.executor.calls).toHaveLength(1);
    expect(await world.execution(id)).toMatchObject({ launch: { state: 'launched' } });
  });

  test('two notifications of the end at the same time end it once, and neither is an error', async () => {
    const world = createTestEngine({ script: SCRIPT });
    const id = await world.submit();
    await world.settle();
    const ended = [finished(DATA), finished(DATA), finished(DATA)].map(s => world.notify(executionOf(id), s));
    expect((await Promise.all(ended)).toSorted()).toEqual([
      'execution is FINISHED',
      'execution is FINISHED',
      'finished',
    ]);
    expect(await world.attempt(id)).toMatchObject({ state: 'FINISHED', revision: 3 });
  });

  test('one whose documents are read half before and half after another one ended it', async () => {
    const world = createTestEngine({ script: SCRIPT });
    const id = await world.submit();
    await world.settle();
    const first = Promise.withResolvers<string>();
    world.store.beforeGet('attempt', async () => {
      first.resolve(await world.notify(executionOf(id), finished(DATA)));
    });
    expect(await world.notify(executionOf(id), finished(DATA))).toMatch(/ended already|execution is FINISHED/);
    expect(await first.promise).toBe('finished');
  });

  test('a wake-up whose documents are read half before and half after a client cancelled is stale, not poison', async () => {
    const run = async () => Promise.reject(new TransientError('no quota'));
    const world = createTestEngine({ script: { run } });
    const id = await world.submit({ meta: { timeouts: { start: '60s' } } });
    await world.settle();
    world.tasks.splice(0);
    world.clock.advance(HOUR_MS);
    await world.engine.sweep();
    world.store.beforeGet('attempt', () => world.engine.cancelAttempt(id, 'unwanted'));
    expect(await world.deliver(world.tasks[0])).toBe('stale wake-up');
    expect(await world.attempt(id)).toMatchObject({ result: { abnormalFinish: { status: 'CANCELLED' } } });
  });

  test('running after finished changes nothing', async () => {
    const world = createTestEngine({ script: SCRIPT });
    const id = await world.submit();
    await world.settle();
    await world.notify(executionOf(id), finished(DATA));
    expect(await world.notify(executionOf(id), running())).toBe('ended already');
    expect(await world.execution(id)).toMatchObject({ state: 'FINISHED' });
  });

  test('a poll for a revision that is over is ignored', async () => {
    const world = createTestEngine({ script: SCRIPT });
    const id = await world.submit();
    await world.settle();
    const { revision } = await world.execution(id);
    await world.notify(executionOf(id), running());
    world.clock.advance(HOUR_MS);
    const late = { path: 'poll', body: { id: executionOf(id), revision }, shard: 0 } as const;
    expect(await world.deliver(late)).toBe('stale wake-up');
  });

  test.each(['', 'x', 'a|b', `${'A'.repeat(43)}|1`, `${'A'.repeat(43)}|1|1`])(
    'a wake-up of %j, which does not exist, is acknowledged',
    async id => {
      const world = createTestEngine();
      await expect(world.deliver({ path: 'wake', body: { id, revision: 1 }, shard: 0 })).resolves.toBeTypeOf('string');
    },
  );
});

describe('retries', () => {
  const RETRIED = { meta: { retry: { failed: 1, timedOut: 1 } } };

  test('run the next execution at once when the executor reported the end of the last', async () => {
    const world = createTestEngine({ script: SCRIPT });
    const id = await world.submit(RETRIED);
    await world.settle();
    await world.notify(executionOf(id), finished(abnormal('FAILED', 'exit code 1')));
    await world.settle();
    expect(await world.attempt(id)).toMatchObject({ state: 'EXECUTING', executions: 2, retries: { failed: 1 } });
    await world.notify(executionOf(id, 2), finished(DATA));
    expect(await world.attempt(id)).toMatchObject({ state: 'FINISHED', result: DATA });
    expect(await world.execution(id, 1)).toMatchObject({ result: { abnormalFinish: { status: 'FAILED' } } });
  });

  test('wait until the last execution’s job is gone', async () => {
    let alive = true;
    const world = createTestEngine({
      script: {
        run: async ({ executionId: e }) => ({
          token: e,
          status: running(),
          timeToRunMs: MINUTE_MS,
          pollAfterMs: HOUR_MS,
        }),
        getStatus: async () => (alive ? running() : finished(abnormal('CANCELLED', 'on request'))),
        cancel: async () => {},
      },
    });
    const id = await world.submit(RETRIED);
    await world.settle();
    await world.elapse(MINUTE_MS);
    await world.elapse(MINUTE_MS);
    expect(await world.attempt(id)).toMatchObject({ state: 'SCHEDULING', after: 1, executions: 1 });
    alive = false;
    await world.elapse(MINUTE_MS);
    expect(await world.attempt(id)).toMatchObject({ state: 'EXECUTING', executions: 2, retries: { timedOut: 1 } });
  });
});
