import { describe, expect, test } from 'vitest';
import { TransientError } from '../../shared/core/errors.ts';
import type { AttemptId } from '../../shared/core/ids.ts';
import { finished, running } from '../../shared/core/result.ts';
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../support/decide.ts';
import { createTestEngine, executionOf, start, type TestEngine } from '../support/engine.ts';

const DONE = finished({ data: { answer: 42 } });
const SCRIPT = { run: start, getStatus: async () => DONE, cancel: async () => {} };

describe('the sweep', () => {
  test('finds everything that tasks lost: no attempt is left behind', async () => {
    const world = createTestEngine({ script: SCRIPT });
    const ids = await Promise.all([1, 2, 3].map(n => world.submit({ parameters: { n } })));
    for (let minutes = 0; minutes < 12; minutes++) {
      world.tasks.splice(0);
      world.clock.advance(MINUTE_MS);
      await world.engine.sweep();
      // One wake-up leads to one step; those that the step enqueues are lost again.
      for (const task of world.tasks.splice(0)) await world.deliver(task);
    }
    expect(await Promise.all(ids.map(async id => (await world.attempt(id)).state))).toEqual(ids.map(() => 'FINISHED'));
  });

  test('writes nothing, and enqueues a due document once per revision in ten minutes', async () => {
    const world = createTestEngine({ script: SCRIPT });
    const id = await world.submit();
    world.tasks.splice(0);
    const before = await world.store.get('attempt', id);
    expect(await world.engine.sweep()).toEqual({ due: 1, complete: true });
    expect(await world.engine.sweep()).toEqual({ due: 1, complete: true });
    expect(world.tasks).toHaveLength(1);
    expect(world.tasks[0]!.name).toMatch(/^[A-Za-z0-9_-]+$/);
    expect(await world.store.get('attempt', id)).toEqual(before);
    world.clock.advance(10 * MINUTE_MS);
    await world.engine.sweep();
    expect(world.tasks).toHaveLength(2);
  });

  test('leaves alone what is not due, and what a live claim holds', async () => {
    const world = createTestEngine({ script: { run: () => new Promise(() => {}) } });
    await world.submit();
    void world.deliver(world.tasks.shift());
    await expect.poll(() => world.executor.calls).toHaveLength(1);
    world.tasks.splice(0);
    world.clock.advance(50 * SECOND_MS);
    expect(await world.engine.sweep()).toEqual({ due: 0, complete: true });
  });

  test('goes on past a shard that cannot be read', async () => {
    const world = createTestEngine({ script: SCRIPT });
    await Promise.all(Array.from({ length: 40 }, (_, n) => world.submit({ parameters: { n } })));
    const { due } = world.store;
    world.store.due = async (kind, shard, ...rest) =>
      shard === 3 ? Promise.reject(new TransientError('unavailable')) : due(kind, shard, ...rest);
    const swept = await world.engine.sweep();
    expect(swept.complete).toBe(false);
    expect(swept.due).toBeGreaterThan(30);
  });

  test('passes over a document whose name is no id, and names it', async () => {
    const world = createTestEngine({ script: SCRIPT });
    await world.submit();
    world.tasks.splice(0);
    const { due } = world.store;
    world.store.due = async (kind, shard, ...rest) => {
      const page = await due(kind, shard, ...rest);
      return shard === 3 ? { items: [{ kind, id: 'a copy', revision: 1, wakeAt: 0 }, ...page.items] } : page;
    };
    expect(await world.engine.sweep()).toMatchObject({ complete: true });
    expect(world.tasks).toHaveLength(1);
    expect(world.log.lines.map(({ fields }) => fields)).toContainEqual({ id: 'a copy' });
  });

  test('goes on by cursor through more than a page', async () => {
    const world = createTestEngine({ script: SCRIPT });
    const attempts = Array.from({ length: 1000 }, (_, i) => i + 1);
    for (let n = 0; n < 6; n++) {
      await world.engine.ensureGraph({
        quests: [{ desc: { distributorConfigName: 'echo', parameters: { n } }, attempts }],
      });
    }
    world.tasks.splice(0);
    expect(await world.engine.sweep()).toEqual({ due: 6000, complete: true });
    expect(world.tasks).toHaveLength(6000);
  });
});

describe('a document that cannot be processed', () => {
  async function swept(break_: (world: TestEngine, id: AttemptId) => void) {
    const world = createTestEngine({ script: SCRIPT });
    const id = await world.submit({ parameters: { broken: true } });
    const healthy = await world.submit({ parameters: { broken: false } });
    break_(world, id);
    await world.settle();
    await world.elapse(0);
    return { ...world, id, healthy };
  }

  test('is put off for an hour with a log line, and blocks nobody', async () => {
    const { id, healthy, store, clock, log, attempt } = await swept((world, broken) =>
      world.store.corrupt('attempt', broken),
    );
    expect(store.wakeTimes()[id]).toBe(clock.now() + HOUR_MS);
    expect(log.lines).toContainEqual(
      expect.objectContaining({ severity: 'error', fields: expect.objectContaining({ attempt: id }) }),
    );
    expect(await attempt(healthy)).toMatchObject({ state: 'EXECUTING' });
  });

  test('because its quest is gone is put off too', async () => {
    const { id, store, clock } = await swept((world, broken) => {
      world.store.remove('quest', broken.split('|')[0]!);
      world.restart();
    });
    expect(store.wakeTimes()[id]).toBe(clock.now() + HOUR_MS);
  });

  test.each<[string, (world: TestEngine, id: AttemptId) => void]>([
    ['is an execution', (world, id) => world.store.corrupt('execution', executionOf(id))],
    ['is the attempt of an execution', (world, id) => world.store.corrupt('attempt', id)],
    ['is missing: the attempt of an execution', (world, id) => world.store.remove('attempt', id)],
  ])('%s', async (_, break_) => {
    const world = createTestEngine({ script: SCRIPT });
    const id = await world.submit();
    await world.settle();
    break_(world, id);
    await world.elapse(10 * MINUTE_MS);
    expect(world.store.wakeTimes()[executionOf(id)]).toBe(world.clock.now() + HOUR_MS);
  });

  test('for the moment only is not put off: the delivery is repeated', async () => {
    const world = createTestEngine({ script: { ...SCRIPT, getStatus: async () => running() } });
    const id = await world.submit();
    world.store.beforeGet('attempt', () => Promise.reject(new TransientError('unavailable')));
    await expect(world.deliver(world.tasks[0])).rejects.toThrow('unavailable');
    await world.settle();
    expect(await world.attempt(id)).toMatchObject({ state: 'EXECUTING' });
  });
});
