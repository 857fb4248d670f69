import { describe, expect, test } from 'vitest';
import type { Distributor } from '../../shared/adapters/contract.ts';
import { abnormal, finished } from '../../shared/core/result.ts';
import { MINUTE_MS } from '../support/decide.ts';
import { createTestEngine, executionOf, start } from '../support/engine.ts';

const DONE = finished({ data: { answer: 42 } });

describe('an adapter that throws what is not an Error, at once,', () => {
  const thrower = (): never => {
    throw 'broken'; // oxlint-disable-line no-throw-literal
  };
  const operations: Record<string, Partial<Distributor>> = {
    getStatus: { getStatus: thrower, cancel: async () => {} },
    cancel: { cancel: thrower, getStatus: async () => finished(abnormal('CANCELLED', 'gone')) },
    handleNotification: { handleNotification: thrower, getStatus: async () => DONE },
    handleTaskQueueTask: { handleTaskQueueTask: thrower, getStatus: async () => DONE },
  };

  test('in getStatus: the job is MISSING', async () => {
    const world = createTestEngine({ script: { run: start, ...operations.getStatus } });
    const id = await world.submit();
    await world.settle();
    await world.elapse(10 * MINUTE_MS);
    expect(await world.attempt(id)).toMatchObject({
      result: abnormal('MISSING', 'the executor does not know it: broken'),
    });
  });

  test('in getStatus, an answer that is no status at all: it is asked again, and nothing ends', async () => {
    const world = createTestEngine({ script: { run: start, getStatus: async () => ({ state: 'paused' }) as never } });
    const id = await world.submit();
    await world.settle();
    await world.elapse(10 * MINUTE_MS);
    expect((await world.attempt(id)).state).toBe('EXECUTING');
    world.executor.script.getStatus = async () => DONE;
    await world.elapse(20 * MINUTE_MS);
    expect(await world.attempt(id)).toMatchObject({ state: 'FINISHED' });
  });

  test('in cancel: it is called again, with backoff', async () => {
    const world = createTestEngine({ script: { run: start, ...operations.cancel } });
    const id = await world.submit();
    await world.settle();
    await world.engine.cancelAttempt(id, 'unwanted');
    await world.settle();
    for (let i = 0; i < 3; i++) await world.elapse(MINUTE_MS);
    expect(world.executor.calls.filter(({ operation }) => operation === 'cancel').length).toBeGreaterThan(2);
  });

  test('in handleNotification: the executor is asked', async () => {
    const world = createTestEngine({ script: { run: start, ...operations.handleNotification } });
    const id = await world.submit();
    await world.settle();
    expect(await world.notify(executionOf(id))).toBe('unreadable: polls instead');
    await world.settle();
    expect(await world.attempt(id)).toMatchObject({ state: 'FINISHED' });
  });

  test('in handleTaskQueueTask: the task is acknowledged, and the executor asked', async () => {
    const world = createTestEngine({ script: { run: start, ...operations.handleTaskQueueTask } });
    const id = await world.submit();
    await world.settle();
    await world.executor.services().enqueueTask({ executionId: executionOf(id), payload: {} });
    await world.settle();
    expect(await world.attempt(id)).toMatchObject({ state: 'FINISHED' });
  });

  test('in infoUrl: the execution is shown without', async () => {
    const world = createTestEngine({ script: { run: start, infoUrl: thrower } });
    const id = await world.submit();
    await world.settle();
    expect((await world.engine.getAttempt(id)).executions).toMatchObject([{ infoUrl: undefined }]);
  });

  test('in validate: the quest is refused with what it said', async () => {
    const world = createTestEngine({ script: { validate: thrower } });
    await expect(world.submit()).rejects.toThrow('quests[0].desc: refused by "echo": broken');
  });
});
