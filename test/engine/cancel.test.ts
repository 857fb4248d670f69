import { describe, expect, test } from 'vitest';
import { TokenRequired } from '../../shared/adapters/contract.ts';
import { TransientError } from '../../shared/core/errors.ts';
import { attemptId, questId } from '../../shared/core/ids.ts';
import { abnormal, finished, running } from '../../shared/core/result.ts';
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../support/decide.ts';
import { createTestEngine, executionOf, start } from '../support/engine.ts';

const GONE = finished(abnormal('CANCELLED', 'on request'));
const CANCELLED = { state: 'ABNORMAL_FINISHED', result: abnormal('CANCELLED', 'unwanted') };

async function launched(script: NonNullable<Parameters<typeof createTestEngine>[0]>['script'] = {}) {
  const world = createTestEngine({ script: { run: start, ...script } });
  const id = await world.submit({ meta: { retry: { failed: 5 } } });
  await world.settle();
  return { ...world, id };
}

describe('cancelling an attempt', () => {
  test('that is not launched yet ends it, and no job is ever started', async () => {
    const world = createTestEngine();
    const id = await world.submit();
    await world.engine.cancelAttempt(id, 'unwanted');
    await world.settle();
    expect(await world.attempt(id)).toMatchObject({ ...CANCELLED, executions: 0 });
    expect(world.store.wakeTimes()).toEqual({});
  });

  test('ends it at once, whatever its retry budget, and then stops its job until that is gone', async () => {
    const statuses = [running(), GONE];
    const world = await launched({ cancel: async () => {}, getStatus: async () => statuses.shift()! });
    await world.engine.cancelAttempt(world.id, 'unwanted');
    expect(await world.attempt(world.id)).toMatchObject(CANCELLED);
    expect(world.executor.argsOf('cancel')).toEqual([]);
    await world.settle();
    for (let i = 0; i < 3; i++) await world.elapse(5 * SECOND_MS);
    expect(world.executor.argsOf('cancel')).toEqual([{ executionId: executionOf(world.id), token: 'job-1' }]);
    expect(world.store.wakeTimes()).toEqual({});
  });

  test('again changes nothing, and one that has finished keeps its result', async () => {
    const world = await launched({ handleNotification: async () => finished({ data: {} }) });
    await world.notify(executionOf(world.id));
    await world.engine.cancelAttempt(world.id, 'unwanted');
    expect(await world.attempt(world.id)).toMatchObject({ state: 'FINISHED' });
  });

  test('that does not exist is NOT_FOUND', async () => {
    const world = createTestEngine();
    const id = attemptId(questId('A'.repeat(43)), 1);
    await expect(world.engine.cancelAttempt(id, 'unwanted')).rejects.toMatchObject({ status: 'NOT_FOUND' });
  });

  test.each([new TransientError('busy'), new Error('refused'), 'no Error', { status: 404 }])(
    'whose cancel fails with %j is tried again for seven days, then given up on with an error in the log',
    async error => {
      const world = await launched({
        cancel: async () => Promise.reject(error),
        getStatus: async () => running(),
      });
      await world.engine.cancelAttempt(world.id, 'unwanted');
      await world.settle();
      for (let hours = 0; hours < 7 * 24 + 1; hours++) await world.elapse(HOUR_MS);
      expect(world.executor.argsOf('cancel').length).toBeGreaterThan(100);
      expect(await world.execution(world.id)).toMatchObject({ unwanted: [{ token: 'job-1', abandoned: true }] });
      expect(world.log.lines.filter(({ severity }) => severity === 'error')).toMatchObject([
        { fields: { execution: executionOf(world.id), token: 'job-1' } },
      ]);
      expect(world.store.wakeTimes()).toEqual({});
    },
  );

  test('whose cancel hangs is tried again after its time', async () => {
    const world = await launched({ cancel: () => new Promise(() => {}), getStatus: async () => GONE });
    await world.engine.cancelAttempt(world.id, 'unwanted');
    const delivery = world.settle();
    await expect.poll(() => world.executor.argsOf('cancel')).toHaveLength(1);
    world.clock.advance(30 * SECOND_MS);
    await delivery;
    world.executor.script.cancel = async () => {};
    await world.elapse(SECOND_MS);
    await world.elapse(SECOND_MS);
    expect(world.store.wakeTimes()).toEqual({});
  });
});

describe('a job whose token was lost', () => {
  test('is cancelled by the execution id', async () => {
    const world = createTestEngine({ script: { run: () => new Promise(() => {}), cancel: async () => {} } });
    const id = await world.submit();
    void world.deliver(world.tasks.shift());
    await expect.poll(() => world.executor.calls).toHaveLength(1);
    world.restart();
    await world.engine.cancelAttempt(id, 'unwanted');
    await world.elapse(2 * MINUTE_MS);
    expect(world.executor.argsOf('cancel')).toEqual([{ executionId: executionOf(id) }]);
    expect(world.store.wakeTimes()).toEqual({});
  });

  test('is run again to learn its token where the adapter needs it, with identical bytes, and then cancelled', async () => {
    const world = createTestEngine({
      script: {
        run: () => new Promise(() => {}),
        getStatus: async () => GONE,
        cancel: async ({ token }) => {
          if (token === undefined) throw new TokenRequired('needs the token');
        },
      },
    });
    const id = await world.submit();
    void world.deliver(world.tasks.shift());
    await expect.poll(() => world.executor.calls).toHaveLength(1);
    world.restart();
    await world.engine.cancelAttempt(id, 'unwanted');
    world.executor.script.run = start;
    for (let i = 0; i < 3; i++) await world.elapse(2 * MINUTE_MS);
    const [first, again] = world.executor.argsOf('run');
    expect(JSON.stringify(again)).toBe(JSON.stringify(first));
    expect(world.executor.argsOf('cancel').at(-1)).toEqual({ executionId: executionOf(id), token: 'job-1' });
    expect(world.store.wakeTimes()).toEqual({});
  });
});

test('an attempt retries after ten failed cancels, and the old job is cancelled further', async () => {
  const world = createTestEngine({
    script: {
      run: async ({ executionId }) => ({ token: executionId, status: running(), timeToRunMs: MINUTE_MS }),
      getStatus: async () => running(),
      cancel: async () => Promise.reject(new TransientError('down')),
    },
  });
  const id = await world.submit({ meta: { retry: { timedOut: 1 } } });
  await world.settle();
  await world.elapse(MINUTE_MS);
  for (let i = 0; (await world.attempt(id)).executions === 1; i++) {
    expect(i).toBeLessThan(20);
    expect(world.executor.argsOf('cancel').length).toBeLessThan(10);
    await world.elapse(10 * MINUTE_MS);
  }
  expect(await world.execution(id, 1)).toMatchObject({ unwanted: [{ failedCancels: 10 }] });
  expect(world.store.wakeTimes()[executionOf(id, 1)]).toBeDefined();
});
