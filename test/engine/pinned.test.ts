import { describe, expect, test } from 'vitest';
import { InvalidArgument } from '../../shared/core/errors.ts';
import { abnormal, finished, running } from '../../shared/core/result.ts';
import { MINUTE_MS } from '../support/decide.ts';
import { createTestEngine, executionOf, fakeExecutor, start } from '../support/engine.ts';

const DONE = finished({ data: { answer: 42 } });

describe('a distributors file that changed', () => {
  const script = { run: start, getStatus: async () => running(), handleNotification: async () => DONE };
  const FILE = { echo: { type: 'fake', config: { site: 'old' } } };

  test('does not change the distributor that an execution was created with', async () => {
    const world = createTestEngine({ script, distributors: FILE });
    const id = await world.submit();
    await world.settle();
    world.restart({ distributors: { echo: { type: 'fake', config: { site: 'new' } } } });
    await world.elapse(10 * MINUTE_MS);
    expect(world.executor.calls.at(-1)).toMatchObject({ operation: 'getStatus', config: { site: 'old' } });
    world.restart({ distributors: {} });
    await world.notify(executionOf(id), {});
    expect(world.executor.calls.at(-1)).toMatchObject({ operation: 'handleNotification', config: { site: 'old' } });
    expect(await world.attempt(id)).toMatchObject({ state: 'FINISHED' });
  });

  test('is met by the next execution', async () => {
    const world = createTestEngine({ script, distributors: FILE });
    const id = await world.submit({ meta: { retry: { failed: 1 } } });
    await world.settle();
    world.executor.script.handleNotification = async () => finished(abnormal('FAILED', 'exit code 1'));
    world.restart({ distributors: { echo: { type: 'fake', config: { site: 'new' } } } });
    await world.notify(executionOf(id), {});
    await world.settle();
    expect(world.executor.calls.at(-1)).toMatchObject({ operation: 'run', config: { site: 'new' } });
  });

  test.each<[string, Record<string, unknown>, string]>([
    ['lacks the name', {}, 'distributorConfigName: unknown distributor "echo"'],
    ['gives it a type that refuses the quest', { echo: { type: 'picky' } }, 'parameters: not here'],
  ])('and %s ends an attempt that was accepted before as REJECTED', async (_, distributors, reason) => {
    const world = createTestEngine({ script });
    const id = await world.submit();
    const picky = fakeExecutor({}, 'picky');
    picky.script.validate = () => {
      throw new InvalidArgument('parameters', 'not here');
    };
    world.restart({ executors: [world.executor, picky], distributors });
    await world.settle();
    expect(await world.attempt(id)).toMatchObject({ result: abnormal('REJECTED', reason), executions: 1 });
    expect(await world.execution(id)).toMatchObject({ result: abnormal('REJECTED', reason) });
    expect(world.store.wakeTimes()).toEqual({});
  });

  test('and a type that is not deployed any more ends a running execution as REJECTED at the next poll', async () => {
    const world = createTestEngine({ script });
    const id = await world.submit();
    await world.settle();
    world.restart({ executors: [fakeExecutor({}, 'another')], distributors: {} });
    await world.elapse(10 * MINUTE_MS);
    expect(await world.attempt(id)).toMatchObject({
      result: abnormal('REJECTED', 'distributor type "fake" is not deployed'),
    });
    // Its job may be alive: it is stopped when the type is back.
    const cancelled: unknown[] = [];
    world.executor.script.cancel = async handle => void cancelled.push(handle);
    world.executor.script.getStatus = async () => DONE;
    world.restart();
    await world.elapse(10 * MINUTE_MS);
    await world.elapse(10 * MINUTE_MS);
    expect(cancelled).toEqual([{ executionId: executionOf(id), token: 'job-1' }]);
    expect(world.store.wakeTimes()).toEqual({});
  });
});
