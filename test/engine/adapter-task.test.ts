import { describe, expect, test } from 'vitest';
import type { TaskDescription, TaskQueueRequest } from '../../shared/adapters/contract.ts';
import { InvalidArgument, TransientError } from '../../shared/core/errors.ts';
import type { ExecutionId } from '../../shared/core/ids.ts';
import type { JsonObject } from '../../shared/core/json.ts';
import { finished, type TaskStatus } from '../../shared/core/result.ts';
import { MINUTE_MS } from '../support/decide.ts';
import { createTestEngine, executionOf, start } from '../support/engine.ts';

const DONE = finished({ data: { answer: 42 } });

async function launched() {
  const world = createTestEngine({
    script: {
      run: start,
      getStatus: async () => DONE,
      handleTaskQueueTask: async () => [],
      handleNotification: async ({ data }) => JSON.parse(data) as TaskStatus,
    },
    distributors: { echo: { type: 'fake', config: { site: 'old' } }, other: { type: 'fake' } },
  });
  const id = await world.submit();
  await world.settle();
  return {
    ...world,
    id,
    e: executionOf(id),
    enqueue: (payload: JsonObject, executionId?: ExecutionId, delayMs?: number) =>
      world.executor.services().enqueueTask({
        payload,
        ...(executionId && { executionId }),
        ...(delayMs !== undefined && { delayMs }),
      }),
  };
}

describe('work that an adapter enqueued for itself', () => {
  test('arrives with its payload, and with its execution’s description and token while that has not ended', async () => {
    const { id, e, engine, executor, enqueue, settle } = await launched();
    await enqueue({ step: 1 }, e);
    await settle();
    const [first] = executor.argsOf('handleTaskQueueTask') as TaskQueueRequest[];
    expect(first).toMatchObject({ executionId: e, payload: { step: 1 }, retryCount: 0, token: 'job-1' });
    const { executionAuth, quest } = executor.argsOf('run')[0] as TaskDescription;
    expect(first?.task).toMatchObject({ executionAuth, quest });

    executor.script.cancel = async () => {};
    await engine.cancelAttempt(id, 'unwanted');
    await enqueue({ step: 2 }, e);
    await settle();
    const second = executor.argsOf('handleTaskQueueTask')[1];
    expect(second).toEqual({ executionId: e, payload: { step: 2 }, retryCount: 0, token: 'job-1' });
  });

  test('may be about no execution', async () => {
    const { executor, enqueue, settle } = await launched();
    await enqueue({ sweep: true });
    await settle();
    expect(executor.argsOf('handleTaskQueueTask')).toEqual([{ payload: { sweep: true }, retryCount: 0 }]);
  });

  test('is delivered when it is due, and not before', async () => {
    const { executor, enqueue, settle, elapse } = await launched();
    await enqueue({ step: 1 }, undefined, MINUTE_MS);
    await settle();
    expect(executor.argsOf('handleTaskQueueTask')).toEqual([]);
    await elapse(MINUTE_MS);
    expect(executor.argsOf('handleTaskQueueTask')).toHaveLength(1);
  });

  test('pins type and config, whatever is deployed meanwhile', async () => {
    const { restart, executor, tasks, enqueue, deliver } = await launched();
    await enqueue({ step: 1 });
    restart({ distributors: { echo: { type: 'fake', config: { site: 'new' } } } });
    const task = tasks.shift()!;
    await deliver(task);
    expect(executor.calls.at(-1)).toMatchObject({ operation: 'handleTaskQueueTask', config: { site: 'old' } });
  });

  test('of more than 16 KiB is refused when it is enqueued', async () => {
    const { enqueue } = await launched();
    await expect(enqueue({ text: 'x'.repeat(16 * 1024) })).rejects.toThrow(InvalidArgument);
  });

  test('whose type is not deployed any more is acknowledged and logged', async () => {
    const world = await launched();
    await world.enqueue({ step: 1 });
    const task = world.tasks.shift()!;
    world.restart({ executors: [], distributors: {} });
    expect(await world.deliver(task)).toBe('failed');
    expect(world.log.lines.at(-1)).toMatchObject({ severity: 'error' });
  });

  test('that fails for the moment comes again, counted', async () => {
    const { executor, tasks, deliver, enqueue } = await launched();
    executor.script.handleTaskQueueTask = async () => Promise.reject(new TransientError('busy'));
    await enqueue({ step: 1 });
    await expect(deliver(tasks[0])).rejects.toThrow('busy');
    executor.script.handleTaskQueueTask = async () => [];
    expect(await deliver(tasks[0], 1)).toBe('done');
    expect(executor.argsOf('handleTaskQueueTask')).toMatchObject([{ retryCount: 0 }, { retryCount: 1 }]);
  });

  test('that fails for good is acknowledged, and its execution’s executor is asked', async () => {
    const { id, e, executor, enqueue, settle, attempt } = await launched();
    executor.script.handleTaskQueueTask = async () => Promise.reject(new Error('broken'));
    await enqueue({ step: 1 }, e);
    await settle();
    expect(await attempt(id)).toMatchObject({ state: 'FINISHED' });
  });

  test.each(['', 'x', 'a|1|1'])('about the execution %j, which is none, is acknowledged', async executionId => {
    const { tasks, deliver, enqueue } = await launched();
    await enqueue({ step: 1 }, executionId as ExecutionId);
    await expect(deliver(tasks[0])).resolves.toBeTypeOf('string');
  });
});

describe('notifications that it returns', () => {
  test('go through the topic, never inline, and end any execution of this distributor', async () => {
    const world = await launched();
    const second = await world.submit({ parameters: { n: 2 } });
    await world.settle();
    world.executor.script.handleTaskQueueTask = async () =>
      [world.e, executionOf(second)].map(executionId => ({ executionId, data: JSON.stringify(DONE), attributes: {} }));
    await world.enqueue({ step: 1 });
    await world.deliver(world.tasks.shift());
    expect(world.messages).toHaveLength(2);
    expect(await world.attempt(world.id)).toMatchObject({ state: 'EXECUTING' });
    await world.settle();
    expect(await world.attempt(world.id)).toMatchObject({ state: 'FINISHED' });
    expect(await world.attempt(second)).toMatchObject({ state: 'FINISHED' });
  });

  test('are dropped when they name another distributor’s execution', async () => {
    const world = await launched();
    const foreign = await world.submit({ distributorConfigName: 'other' });
    await world.settle();
    world.executor.script.handleTaskQueueTask = async () => [
      { executionId: executionOf(foreign), data: JSON.stringify(DONE), attributes: {} },
    ];
    await world.deliver({
      path: 'distributor/echo',
      body: { type: 'fake', version: 'v', config: {}, payload: {} },
      shard: 0,
    });
    await world.settle();
    expect(await world.attempt(foreign)).toMatchObject({ state: 'EXECUTING' });
    expect(world.log.lines.at(-1)).toMatchObject({ fields: { reason: 'another distributor' } });
  });
});
