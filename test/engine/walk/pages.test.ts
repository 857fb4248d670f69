import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { attemptId, type AttemptId } from '../../../shared/core/ids.ts';
import type { Store } from '../../../shared/core/ports.ts';
import { abnormal } from '../../../shared/core/result.ts';
import { createStore } from '../../../shared/embedded/store.ts';
import { SECOND_MS } from '../../support/decide.ts';
import { attemptIn, CREATED_AT } from '../../support/documents.ts';
import { createGraph, type Graph } from '../../support/graph.ts';
import { createMemoryStore } from '../../support/memory-store.ts';
import { freshDatabase } from '../../support/sqlite.ts';
import { edgeOf, finishedAttempt, from, idsOf, pagesOf, plant, questOf, sorted } from '../../support/walk.ts';

/** Numbers name attempts; each depends on greater ones only. */
const graphs = fc
  .array(fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { maxLength: 4 }), { minLength: 1, maxLength: 12 })
  .map(needs => needs.map((of, n) => of.map(offset => n + offset).filter(m => m < needs.length)));

const walks = fc.record({
  needs: graphs,
  starts: fc.uniqueArray(fc.nat(11), { minLength: 1, maxLength: 3 }),
  excluded: fc.uniqueArray(fc.nat(11), { maxLength: 2 }),
  direction: fc.constantFrom('forwards' as const, 'backwards' as const, 'both' as const),
  maxDepth: fc.constantFrom(-1, -1, 0, 1, 2),
  pageSize: fc.integer({ min: 1, max: 13 }),
  search: fc.boolean(),
});
type Walk = typeof walks extends fc.Arbitrary<infer W> ? W : never;

/** Which attempts a walk comes to, in order. */
function modelOf(
  { needs, starts, excluded, direction, maxDepth, search }: Walk,
  id: (n: number) => AttemptId,
): AttemptId[] {
  const neighbours = (n: number) => [
    ...(direction === 'backwards' ? [] : needs[n]!),
    ...(direction === 'forwards' ? [] : [...needs.keys()].filter(m => needs[m]!.includes(n))),
  ];
  const visited: number[] = [];
  let level: number[] = search ? [...needs.keys()] : starts.filter(n => n < needs.length);
  for (let depth = 0; level.length > 0; depth++) {
    level = [...new Set(level)].filter(n => !excluded.includes(n) && !visited.includes(n));
    visited.push(...level.toSorted((a, b) => (id(a) < id(b) ? -1 : 1)));
    level = depth === maxDepth ? [] : level.flatMap(neighbours);
  }
  return visited.map(id);
}

/** A store whose answers come in another order than its calls. */
function shuffling(store: Store, delays: () => number): Store {
  const late =
    <Args extends unknown[], Answer>(call: (...args: Args) => Promise<Answer>) =>
    async (...args: Args) => {
      for (let left = delays(); left > 0; left--) await Promise.resolve();
      return call(...args);
    };
  return { ...store, get: late(store.get), listEdges: late(store.listEdges) };
}

test('a walk is the same whatever the order in which the store answers, and its pages show each attempt once', async () => {
  await fc.assert(
    fc.asyncProperty(walks, fc.array(fc.nat(40), { minLength: 1, maxLength: 50 }), async (walk, delays) => {
      const { needs, starts, excluded, direction, maxDepth, pageSize, search } = walk;
      let calls = 0;
      const store = createMemoryStore();
      const steady = createGraph({ store });
      const graph = createGraph({ store: shuffling(store, () => delays[calls++ % delays.length]!) });
      const nameOf = (n: number) => `n${n}`;
      await plant(steady, Object.fromEntries(needs.map((of, n) => [nameOf(n), of.map(nameOf)])));
      const named = starts.filter(n => n < needs.length).map(nameOf);
      const request = {
        query: { ...from(graph, ...named).query, ...((search || named.length === 0) && { search: {} }) },
        direction,
        limit: { maxDepth },
        exclude: { attempts: from(graph, ...excluded.map(nameOf)).query.attempts },
      };
      const whole = await graph.engine.walkGraph(request);
      expect(whole).toEqual(await steady.engine.walkGraph(request));
      const model = modelOf({ ...walk, search: search || named.length === 0 }, n => graph.id(nameOf(n)));
      expect(idsOf(whole)).toEqual(model);
      const pages = await pagesOf(graph, { ...request, pageSize });
      expect(pages.flatMap(({ attempts }) => attempts)).toEqual(whole.attempts);
      expect(pages).toHaveLength(Math.max(1, Math.ceil(model.length / pageSize)));
    }),
    { numRuns: 150 },
  );
});

/** A store that counts the calls of each kind. */
function counting(store: Store) {
  const counts = { get: 0, listEdges: 0, listAttempts: 0 };
  const counted: Store = {
    ...store,
    get: (kind, id) => (counts.get++, store.get(kind, id)),
    listEdges: query => (counts.listEdges++, store.listEdges(query)),
    listAttempts: query => (counts.listAttempts++, store.listAttempts(query)),
  };
  return { counts, store: counted };
}

/** A root, 50 attempts that it depends on, and 49 that each of these depends on. */
const WIDE = Object.fromEntries([
  ['root', Array.from({ length: 50 }, (_, n) => `m${n}`)],
  ...Array.from({ length: 50 }, (_, n) => [`m${n}`, Array.from({ length: 49 }, (__, k) => `l${n}.${k}`)]),
]) as Record<string, string[]>;

describe('the pages of a walk', () => {
  test('show each of 2,500 attempts once, and do not read the data of those shown before', async () => {
    const { counts, store } = counting(createStore(freshDatabase()));
    const graph = createGraph({ store });
    await plant(graph, WIDE);
    const pages = await pagesOf(graph, from(graph, 'root'));
    const ids = idsOf(...pages);
    expect(pages.map(({ attempts }) => attempts.length)).toEqual([1000, 1000, 501]);
    expect(new Set(ids).size).toBe(2501);
    expect(new Set(ids)).toEqual(new Set(['root', ...Object.values(WIDE).flat()].map(graph.id)));
    expect(counts.get).toBe(2501);
    expect(pages.map(({ hadMore }) => hadMore)).toEqual([true, true, false]);
  });

  test('of a search without a walk read nothing twice', async () => {
    const { counts, store } = counting(createStore(freshDatabase()));
    const graph = createGraph({ store });
    await plant(graph, WIDE);
    const request = { query: { search: {} }, limit: { maxDepth: 0 }, include: { dependencies: false }, pageSize: 500 };
    const pages = await pagesOf(graph, request);
    expect(new Set(idsOf(...pages)).size).toBe(2501);
    expect(counts).toMatchObject({ get: 0, listEdges: 0 });
    // Of a hundred each; a page that is full looks whether another follows.
    expect(counts.listAttempts).toBeLessThanOrEqual(26 + pages.length);
  });

  test('go on where the token says, whatever else is asked for then', async () => {
    const graph = createGraph();
    await plant(graph, { top: ['a', 'b', 'c'] });
    const first = await graph.engine.walkGraph({ ...from(graph, 'top'), pageSize: 2 });
    const pageToken = first.nextPageToken!;
    const [, second, third] = sorted(graph, 'a', 'b', 'c');
    for (const more of [
      { pageSize: 7 },
      { include: { result: false } },
      { limit: { maxTime: '9s', maxDataSize: 1 } },
    ]) {
      expect(idsOf(await graph.engine.walkGraph({ ...from(graph, 'top'), pageToken, ...more }))).toEqual([
        second,
        third,
      ]);
    }
    expect(idsOf(first)).toHaveLength(2);
  });

  test.each<[string, (graph: Pick<Graph, 'id'>) => object]>([
    ['other attempts', graph => from(graph, 'a')],
    ['more attempts', graph => from(graph, 'top', 'a')],
    ['a search', graph => ({ query: { ...from(graph, 'top').query, search: {} } })],
    ['another direction', () => ({ direction: 'both' })],
    ['another depth', () => ({ limit: { maxDepth: 1 } })],
    ['other excluded quests', graph => ({ exclude: { quests: [questOf(graph.id('c'))] } })],
    ['other excluded attempts', graph => ({ exclude: { attempts: from(graph, 'c').query.attempts } })],
  ])('are not those of a walk with %s', async (_, changeOf) => {
    const graph = createGraph();
    await plant(graph, { top: ['a', 'b', 'c'] });
    const request = { ...from(graph, 'top'), pageSize: 2 };
    const { nextPageToken: pageToken } = await graph.engine.walkGraph(request);
    const other = graph.engine.walkGraph({ ...request, ...changeOf(graph), pageToken });
    await expect(other).rejects.toMatchObject({ status: 'INVALID_ARGUMENT', field: 'pageToken' });
  });

  test('have tokens that nobody can alter or make up', async () => {
    const graph = createGraph();
    await plant(graph, { top: ['a', 'b', 'c'] });
    const request = { ...from(graph, 'top'), pageSize: 2 };
    const { nextPageToken = '' } = await graph.engine.walkGraph(request);
    const [depth, id, hash] = JSON.parse(Buffer.from(nextPageToken, 'base64url').toString()) as [
      number,
      string,
      string,
    ];
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    expect(encode([depth, id, hash])).toBe(nextPageToken);
    async function refuse(pageToken: string): Promise<void> {
      const refused = graph.engine.walkGraph({ ...request, pageToken });
      await expect(refused, pageToken).rejects.toMatchObject({ status: 'INVALID_ARGUMENT', field: 'pageToken' });
    }
    for (const forged of [
      ...[[], {}, null, 'x', [depth, id], [depth, id, ''], [depth, id, hash, 1], [depth + 1, id, hash]],
      ...[
        [depth, graph.id('top'), hash],
        [String(depth), id, hash],
        [depth, `${id} `, hash],
        [null, id, hash],
      ],
    ]) {
      await refuse(encode(forged));
    }
    const altered = fc
      .tuple(fc.nat(nextPageToken.length), fc.nat(2), fc.constantFrom('', 'A', 'z', '_', '=', ' ', '!', '\0', 'é'))
      .map(([at, lost, inserted]) => nextPageToken.slice(0, at) + inserted + nextPageToken.slice(at + lost))
      .filter(token => token !== nextPageToken);
    await fc.assert(fc.asyncProperty(altered, refuse), { numRuns: 200 });
  });
});

describe('a walk is limited', () => {
  const CHAIN = { a: ['b'], b: ['c'], c: ['d'], d: [] };

  test.each([
    [0, ['a']],
    [1, ['a', 'b']],
    [2, ['a', 'b', 'c']],
    [3, ['a', 'b', 'c', 'd']],
    [9, ['a', 'b', 'c', 'd']],
    [-1, ['a', 'b', 'c', 'd']],
  ])('to a depth of %i', async (maxDepth, names) => {
    const graph = createGraph();
    await plant(graph, CHAIN);
    const page = await graph.engine.walkGraph({ ...from(graph, 'a'), limit: { maxDepth } });
    expect(idsOf(page)).toEqual(names.map(graph.id));
    expect(page.hadMore).toBe(false);
    expect(page.attempts.at(-1)!.dependencies).toEqual((CHAIN[names.at(-1) as 'a'] ?? []).map(graph.id));
  });

  test('in time: then it shows what it has reached, and goes on from there', async () => {
    const store = createMemoryStore();
    // Each level takes a second.
    const slow: Store = {
      ...store,
      listEdges: async query => {
        graph.clock.advance(SECOND_MS);
        return store.listEdges(query);
      },
    };
    const graph: Graph<Store> = createGraph({ store: slow });
    await plant(graph, CHAIN);
    const request = { ...from(graph, 'a'), limit: { maxTime: '2.5s' } };
    const first = await graph.engine.walkGraph(request);
    expect(idsOf(first)).toEqual(['a', 'b'].map(graph.id));
    expect(first.hadMore).toBe(true);
    const second = await graph.engine.walkGraph({
      ...request,
      limit: { maxTime: '4.5s' },
      pageToken: first.nextPageToken,
    });
    expect(idsOf(second)).toEqual(['c', 'd'].map(graph.id));
    expect(second).not.toHaveProperty('nextPageToken');
    // What was shown takes as long to go over as there is time.
    const tooShort = graph.engine.walkGraph({ ...request, limit: { maxTime: '1s' }, pageToken: first.nextPageToken });
    await expect(tooShort).rejects.toMatchObject({
      status: 'RESOURCE_EXHAUSTED',
      details: [{ field: 'limit.maxTime' }],
    });
  });

  test('in the data that it shows, in the order of the walk', async () => {
    const graph = createGraph();
    const lengths: Record<string, number> = { a: 40, b: 90, c: 20, d: 40 };
    await plant(graph, CHAIN, (name, quest) =>
      attemptIn('FINISHED', { quest, result: { data: { x: 'x'.repeat(lengths[name]!) } } }),
    );
    // {"data":{"x":"…"}} is 17 bytes longer.
    const withheldOf = async (maxDataSize: number, include = {}) =>
      (await graph.engine.walkGraph({ ...from(graph, 'a'), limit: { maxDataSize }, include })).attempts.map(
        ({ shown }) => (typeof shown === 'object' ? shown.withheld : shown),
      );
    const all = 4 * 17 + 190;
    const none = undefined;
    expect(await withheldOf(all)).toEqual([none, none, none, none]);
    expect(await withheldOf(all - 1)).toEqual([none, none, none, 'dataSizeLimit']);
    expect(await withheldOf(57 + 37)).toEqual([none, 'dataSizeLimit', none, 'dataSizeLimit']);
    expect(await withheldOf(0)).toEqual(Array(4).fill('dataSizeLimit'));
    expect(await withheldOf(0, { result: false })).toEqual(Array(4).fill('notLoaded'));
    expect(await withheldOf(all, { quest: true })).toEqual([none, 'dataSizeLimit', none, 'dataSizeLimit']);
    const { descs } = await graph.engine.walkGraph({
      ...from(graph, 'a'),
      limit: { maxDataSize: 1 },
      include: { quest: true },
    });
    expect([...descs.values()]).toEqual(Array(4).fill('dataSizeLimit'));
  });

  test('in its answer, which ends before it is too large for a function', async () => {
    const graph = createGraph({ store: createStore(freshDatabase()) });
    const names = Array.from({ length: 300 }, (_, n) => `n${n}`);
    const result = abnormal('FAILED', '"'.repeat(4096));
    await plant(graph, { top: names }, (name, quest) =>
      name === 'top' ? finishedAttempt(name, quest) : attemptIn('ABNORMAL_FINISHED', { quest, result }),
    );
    const pages = await pagesOf(graph, { ...from(graph, 'top'), limit: { maxDataSize: 30 * 1024 * 1024 } });
    for (const page of pages) expect(Buffer.byteLength(JSON.stringify(page.attempts))).toBeLessThan(2 * 1024 * 1024);
    expect(pages.length).toBeGreaterThan(2);
    expect(idsOf(...pages)).toEqual([graph.id('top'), ...sorted(graph, ...names)]);
  });

  /** Asks of `top` for so many attempts, or asks of so many for it. */
  async function connect(graph: Graph<Store>, way: 'dependencies' | 'dependents', first: number, last: number) {
    const edge = edgeOf(graph, 'top', 'top');
    const quest = questOf(graph.id('other'));
    for (let at = first; at <= last; at += 10_000) {
      const numbers = Array.from({ length: Math.min(10_000, last - at + 1) }, (_, n) => at + n);
      const neighbours = numbers.map(number => attemptId(quest, number));
      const end = way === 'dependencies' ? 'dependency' : 'dependent';
      await graph.store.commit(neighbours.map(id => ({ kind: 'edge', doc: { ...edge, [end]: id } })));
    }
  }

  test('to a hundred thousand attempts', async () => {
    const graph = createGraph({ store: createStore(freshDatabase()) });
    await plant(graph, { top: [] });
    await connect(graph, 'dependencies', 1, 99_999);
    const request = { ...from(graph, 'top'), pageSize: 1 };
    expect(await graph.engine.walkGraph(request)).toMatchObject({ hadMore: true, nextPageToken: expect.any(String) });
    await connect(graph, 'dependencies', 100_000, 100_000);
    const tooLong = await graph.engine.walkGraph(request);
    expect(tooLong).toMatchObject({ hadMore: true, attempts: [{ id: graph.id('top') }] });
    expect(tooLong).not.toHaveProperty('nextPageToken');
  });

  test('to ten thousand edges of an attempt to either side, which is shown however large it is', async () => {
    const graph = createGraph({ store: createStore(freshDatabase()) });
    await plant(graph, { top: [] });
    await connect(graph, 'dependencies', 1, 10_000);
    await connect(graph, 'dependents', 1, 9999);
    const request = {
      ...from(graph, 'top'),
      include: { dependents: true },
      limit: { maxDepth: 0, maxDataSize: 30 * 1024 * 1024 },
    };
    const fits = await graph.engine.walkGraph(request);
    expect(fits).toMatchObject({ hadMore: false, attempts: [{ id: graph.id('top') }] });
    expect(fits.attempts[0]!.dependencies).toHaveLength(10_000);
    await connect(graph, 'dependents', 10_000, 10_001);
    const cut = await graph.engine.walkGraph(request);
    expect(cut.hadMore).toBe(true);
    expect(cut.attempts[0]!.dependents).toHaveLength(10_000);
  });
});

describe('a search', () => {
  const at = (seconds: number) => new Date(CREATED_AT + seconds * SECOND_MS).toISOString();

  /** `n0` to `n299`, made a second apart from each other. */
  async function many() {
    const graph = createGraph({ store: createStore(freshDatabase()) });
    const names = Array.from({ length: 300 }, (_, n) => `n${n}`);
    await plant(graph, Object.fromEntries(names.map(name => [name, []])), (name, quest) => {
      const createdAt = CREATED_AT + Number(name.slice(1)) * SECOND_MS;
      return name.endsWith('7')
        ? attemptIn('ABNORMAL_FINISHED', { quest, createdAt, distributor: 'other' })
        : attemptIn('FINISHED', { quest, createdAt });
    });
    const search = async (query: object, more: object = {}) => {
      const pages = await pagesOf(graph, { query: { search: query }, ...more });
      return idsOf(...pages);
    };
    const named = (isFound: (n: number) => boolean) => sorted(graph, ...names.filter((_, n) => isFound(n)));
    return { graph, search, named };
  }

  test('finds by state, distributor and time of creation', async () => {
    const { search, named } = await many();
    expect(await search({})).toEqual(named(() => true));
    expect(await search({ state: 'ABNORMAL_FINISHED' })).toEqual(named(n => n % 10 === 7));
    expect(await search({ distributor: 'echo' })).toEqual(named(n => n % 10 !== 7));
    expect(await search({ distributor: 'other', state: 'FINISHED' })).toEqual([]);
    expect(await search({ createdAfter: at(289) })).toEqual(named(n => n > 289));
    expect(await search({ createdBefore: at(2) })).toEqual(named(n => n < 2));
    expect(await search({ createdAfter: at(99.5), createdBefore: at(111), state: 'FINISHED' })).toEqual(
      named(n => n > 99 && n < 111 && n !== 107),
    );
    expect(await search({ createdAfter: at(-1), createdBefore: at(1) }, { pageSize: 1 })).toEqual(named(n => n === 0));
  });

  test('finds the same in pages of any size, and what is named besides', async () => {
    const { graph, search, named } = await many();
    for (const pageSize of [7, 100]) {
      expect(await search({ state: 'FINISHED' }, { pageSize })).toEqual(named(n => n % 10 !== 7));
    }
    const query = { ...from(graph, 'n7', 'n8', 'n17').query, search: { createdBefore: at(10) } };
    for (const pageSize of [2, 50]) {
      const pages = await pagesOf(graph, { query, pageSize });
      expect(idsOf(...pages)).toEqual(named(n => n < 10 || n === 17));
    }
  });

  test('that finds nothing for long ends in time, and goes on by its pages', async () => {
    const store = createStore(freshDatabase());
    const slow: Store = {
      ...store,
      listAttempts: async query => {
        graph.clock.advance(SECOND_MS);
        return store.listAttempts(query);
      },
    };
    const graph: Graph<Store> = createGraph({ store: slow });
    const names = Array.from({ length: 1000 }, (_, n) => `n${n}`);
    await plant(graph, Object.fromEntries(names.map(name => [name, []])));
    const query = { search: { createdAfter: at(5) } };
    const pages = await pagesOf(graph, { query, limit: { maxTime: '3.5s', maxDepth: 0 } });
    expect(pages.map(({ hadMore }) => hadMore)).toEqual([true, true, false]);
    expect(idsOf(...pages)).toEqual([]);
  });
});
