import { expect, test } from 'vitest';
import { finished, running } from '../../shared/core/result.ts';
import { MINUTE_MS } from '../support/decide.ts';
import { createTestEngine, executionOf, start } from '../support/engine.ts';

const DONE = finished({ data: { answer: 42 } });

test('what a process was in the middle of when it died is due at once when it starts again', async () => {
  const world = createTestEngine({ script: { run: () => new Promise(() => {}) } });
  const id = await world.submit();
  void world.deliver(world.tasks.shift());
  await expect.poll(() => world.executor.argsOf('run')).toHaveLength(1);
  world.executor.script.run = start;
  world.restart();
  await world.elapse(0);
  expect(world.executor.argsOf('run')).toHaveLength(1);
  await world.engine.recover();
  await world.settle();
  expect(world.executor.argsOf('run')).toHaveLength(2);
  expect(await world.execution(id)).toMatchObject({ launch: { state: 'launched', token: 'job-1' } });
});

test('a job of the earlier life that its type finds is made known by a notification', async () => {
  const world = createTestEngine({ script: { run: start, handleNotification: async () => DONE } });
  const id = await world.submit();
  await world.settle();
  world.executor.type.recover = async () => [{ executionId: executionOf(id), data: '', attributes: {} }];
  world.restart();
  await world.engine.recover();
  await world.settle();
  expect(await world.attempt(id)).toMatchObject({ state: 'FINISHED' });
});

test('one document that cannot be read does not keep the others from being released', async () => {
  const world = createTestEngine({ script: { run: start, getStatus: async () => running() } });
  const ids = await Promise.all([1, 2].map(n => world.submit({ parameters: { n } })));
  await world.settle();
  world.store.corrupt('execution', executionOf(ids[0]!));
  world.clock.advance(10 * MINUTE_MS);
  await world.engine.recover();
  expect(world.log.lines.filter(({ severity }) => severity === 'warn')).toMatchObject([
    { fields: { execution: executionOf(ids[0]!) } },
  ]);
});
