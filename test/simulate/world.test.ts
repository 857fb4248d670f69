import { isDeepStrictEqual } from 'node:util';
import { expect, test } from 'vitest';
import { createFaults, FAULT_KINDS, noFaults, oneFault } from '../../simulate/faults.ts';
import { cellsOf, tryCell } from '../../simulate/matrix/matrix.ts';
import { STORIES } from '../../simulate/matrix/scenarios.ts';
import { createScheduler } from '../../simulate/scheduler.ts';
import { INTERESTING } from '../../simulate/seeds.ts';
import { PLAIN_SHAPE } from '../../simulate/shape.ts';
import { type Scenario, scenarioOf, simulate, simulateSeed } from '../../simulate/world.ts';

test('the same seed gives the same trace, another one another', async () => {
  const [first, again, other] = [
    await simulateSeed(11, undefined, true),
    await simulateSeed(11),
    await simulateSeed(12),
  ];
  expect(again.hash).toBe(first.hash);
  expect(other.hash).not.toBe(first.hash);
  expect(first.trace.length).toBeGreaterThan(100);
  // Keeping the text changes nothing.
  expect(again.trace).toEqual([]);
});

test('over many seeds every kind of fault happens', async () => {
  const missing = new Set<string>(FAULT_KINDS);
  for (let seed = 1; seed <= 300 && missing.size > 0; seed++) {
    for (const kind of (await simulateSeed(seed)).injected.values()) missing.delete(kind);
  }
  expect([...missing]).toEqual([]);
}, 60_000);

test('over many seeds jobs halt, go on, are refused, are superseded and come too late', async () => {
  const seen = new Set<string>();
  const expected = ['200', '400', '401', '404', '409', 'WAITING'];
  for (let seed = 1; seed <= 200 && seen.size < expected.length; seed++) {
    for (const line of (await simulateSeed(seed, undefined, true)).trace) {
      const status = /ensureGraphData {2}(\d+)$/.exec(line)?.[1];
      if (status !== undefined && expected.includes(status)) seen.add(status);
      if (line.includes('attempt WAITING')) seen.add('WAITING');
    }
  }
  expect([...seen].toSorted()).toEqual(expected);
}, 60_000);

test('in a plain world nobody needs others, and whatever is drawn for it is the same', () => {
  const faults = noFaults();
  const worlds = Array.from({ length: 30 }, (_, seed) => [
    scenarioOf(seed, faults, { unlimited: true }),
    scenarioOf(seed, faults, { plain: true }),
  ]);
  const same = worlds.filter(([world, plain]) => isDeepStrictEqual(world, plain));
  expect(same.length).toBeGreaterThan(10);
  expect(same.length).toBeLessThan(25);
  expect(JSON.stringify(worlds.map(([, plain]) => plain))).not.toContain('"asks"');
});

test('a world that is not limited differs in its distributors, and in which of them its quests are of', () => {
  const faults = noFaults();
  const worlds = Array.from({ length: 60 }, (_, seed) => scenarioOf(seed, faults));
  const bare = worlds.map(({ seed }) => scenarioOf(seed, faults, { unlimited: true }));
  const isLimited = ({ shape }: Scenario) => Object.keys(shape?.limits ?? {}).length > 0;
  expect(worlds.filter(isLimited).length).toBeGreaterThan(10);
  expect(worlds.filter(({ shape }) => shape?.grouped.length).length).toBeGreaterThan(10);
  expect(worlds.filter(({ shape }) => shape?.ownTopic).length).toBeGreaterThan(5);
  expect(bare.map(({ shape }) => shape)).toEqual(bare.map(() => PLAIN_SHAPE));
  for (const [n, world] of worlds.entries()) {
    const { quests, shape: _, ...rest } = world;
    expect(bare[n]).toMatchObject(rest);
    if (!isLimited(world)) expect(bare[n]!.quests).toEqual(quests);
  }
});

test('over many seeds attempts stand in line, are asked about together and told of on a topic of their own', async () => {
  const seen = new Set<string>();
  const expected = [/ is done {2}waits/, / is done {2}started/, / polled [2-9] of /, / hint .* asks the executor/];
  for (let seed = 1; seed <= 100 && seen.size < expected.length; seed++) {
    for (const line of (await simulateSeed(seed, undefined, true)).trace)
      for (const one of expected) if (one.test(line)) seen.add(one.source);
  }
  expect([...seen].toSorted()).toEqual(expected.map(({ source }) => source).toSorted());
}, 60_000);

test('a fault that is left out leaves the others as they were', async () => {
  const { injected } = await simulateSeed(3);
  const [first] = injected.keys();
  const fewer = await simulateSeed(3, { without: new Set([first!]) });
  expect(fewer.injected.has(first!)).toBe(false);
  expect(fewer.injected.size).toBeGreaterThan(0);
});

test('events happen in the order of their time, and of their making where that is equal', async () => {
  const scheduler = createScheduler(0);
  const seen: string[] = [];
  scheduler.at(20, () => seen.push('late'));
  scheduler.at(10, () => seen.push('first'));
  scheduler.at(10, () => seen.push('second'));
  scheduler.at(5, () => seen.push('never'))();
  scheduler.at(30, () => seen.push('after the end'));
  await scheduler.run(25, () => false);
  expect(seen).toEqual(['first', 'second', 'late']);
  expect(scheduler.now()).toBe(20);
});

test.each(INTERESTING)('seed $seed, which once broke "$broke", holds', async ({ seed, ...less }) => {
  expect((await simulateSeed(seed, { without: new Set(), ...less })).violation).toBeUndefined();
});

test('a world without faults ends as its jobs do', async () => {
  const faults = oneFault(-1, 'fails');
  const scenario = scenarioOf(5, faults);
  const { violation, ends } = await simulate({ ...scenario, stormMs: 0 });
  expect(violation).toBeUndefined();
  expect([...ends.values()]).toHaveLength(scenario.quests.length);
});

test('nothing goes wrong any more once it is calm', () => {
  const faults = createFaults(2);
  faults.stop(0);
  const fates = Array.from({ length: 1000 }, () => faults.call('a call'));
  expect(new Set(fates)).toEqual(new Set([undefined]));
  expect(faults.happens('lost', 'a task')).toBe(false);
});

test.each(STORIES)('$name', async story => {
  const cells = await cellsOf(story);
  expect(cells.length).toBeGreaterThan(100);
  // The whole matrix is `npm run fault-matrix`.
  for (const cell of cells.filter((_, i) => i % 97 === 0))
    expect(await tryCell(cell), JSON.stringify(cell)).toBeUndefined();
});
