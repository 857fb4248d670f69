import { describe, expect, test } from 'vitest';
import { running } from '../../shared/core/result.ts';
import { MINUTE_MS } from '../support/decide.ts';
import { createTestEngine, executionOf, start } from '../support/engine.ts';

const NEVER = new Promise<never>(() => {});

describe('tasks that an adapter enqueues within run', () => {
  function withTask() {
    const world = createTestEngine();
    world.executor.script.run = async task => {
      const { executionId } = task;
      await world.executor.services().enqueueTask({ executionId, payload: { step: 1 } });
      expect(world.tasks.filter(({ path }) => path.startsWith('distributor/'))).toEqual([]);
      return start(task);
    };
    world.executor.script.handleTaskQueueTask = async () => [];
    return world;
  }

  test('are enqueued after its token is recorded, and pin type and config', async () => {
    const world = withTask();
    const id = await world.submit();
    await world.deliver(world.tasks.shift());
    expect(await world.execution(id)).toMatchObject({ launch: { state: 'launched' } });
    expect(world.tasks).toMatchObject([
      {
        path: 'distributor/echo',
        body: { type: 'fake', config: {}, payload: { step: 1 }, executionId: executionOf(id) },
      },
    ]);
  });

  test('are enqueued later when the process died right after the token was recorded', async () => {
    const world = withTask();
    const id = await world.submit();
    // The second commit is the record of the token; nothing happens after it.
    world.store.onCommit(apply => apply());
    world.store.onCommit(async apply => {
      await apply();
      return NEVER;
    });
    void world.deliver(world.tasks.shift());
    await expect.poll(async () => (await world.execution(id)).launch.state).toBe('launched');
    world.restart();
    await world.elapse(MINUTE_MS);
    expect(world.executor.calls.at(-1)).toMatchObject({
      operation: 'handleTaskQueueTask',
      args: [{ payload: { step: 1 } }],
    });
    await world.elapse(5 * MINUTE_MS);
    expect(world.executor.calls.filter(({ operation }) => operation === 'handleTaskQueueTask')).toHaveLength(1);
  });

  test('do not take the sweep from a poll that waits for it, too', async () => {
    const world = createTestEngine({ script: { getStatuses: async () => [], getStatus: async () => running() } });
    world.executor.script.run = async ({ executionId }) => {
      await world.executor.services().enqueueTask({ executionId, payload: {} });
      return { token: 'job', pollAfterMs: 1.5 * MINUTE_MS };
    };
    world.executor.script.handleTaskQueueTask = async () => [];
    const id = await world.submit();
    await world.settle();
    await world.elapse(2 * MINUTE_MS);
    expect((await world.execution(id)).state).toBe('RUNNING');
    expect(world.executor.argsOf('handleTaskQueueTask')).toHaveLength(2);
  });

  test('are not forgotten when they fall due between two looks at the clock', async () => {
    const world = withTask();
    const id = await world.submit();
    await world.deliver(world.tasks.shift());
    world.tasks.splice(0);
    const { launch, revision } = await world.execution(id);
    if (launch.state !== 'launched') throw new Error(`is ${launch.state}`);
    world.clock.advance(launch.outbox!.nextAt - world.clock.now() - 2);
    const { now } = world.clock;
    world.clock.now = () => {
      world.clock.advance(1);
      return now();
    };
    world.restart();
    await world.engine.wake({ id: executionOf(id), revision });
    const after = await world.execution(id);
    const isKept = after.launch.state === 'launched' && after.launch.outbox !== undefined;
    const isEnqueued = world.tasks.some(({ path }) => path.startsWith('distributor/'));
    expect(isKept || isEnqueued).toBe(true);
  });

  test('are recorded as they were when they were enqueued, however odd', async () => {
    const world = withTask();
    world.executor.script.run = async task => {
      const payload = { step: 1, none: undefined as never };
      await world.executor.services().enqueueTask({ executionId: task.executionId, payload, delayMs: 0.5 });
      payload.step = 2;
      return start(task);
    };
    const id = await world.submit();
    await world.deliver(world.tasks.shift());
    expect(await world.execution(id)).toMatchObject({
      launch: { outbox: { tasks: [{ payload: { step: 1 }, delayMs: 1 }] } },
    });
    expect(world.tasks).toMatchObject([{ at: world.clock.now() + 1, body: { payload: { step: 1 } } }]);
  });

  test('are not enqueued when the execution has ended meanwhile', async () => {
    const world = withTask();
    const { run } = world.executor.script;
    world.executor.script.run = async task => {
      await world.engine.cancelAttempt(id, 'unwanted');
      return run!(task);
    };
    world.executor.script.cancel = async () => {};
    const id = await world.submit();
    await world.deliver(world.tasks.shift());
    expect(world.tasks.filter(({ path }) => path.startsWith('distributor/'))).toEqual([]);
  });
});
