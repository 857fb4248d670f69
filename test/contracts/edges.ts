import { beforeEach, describe, expect, test } from 'vitest';
import { idOfAttempt } from '../../shared/core/attempt.ts';
import {
  type Asking,
  decideEdge,
  decideReopen,
  decideSettle,
  decideWithdraw,
} from '../../shared/core/decide/depend.ts';
import { type Edge, type EdgeFilter, idOfEdge, waitOfEdge } from '../../shared/core/edge.ts';
import { ConflictError, UnreadableDocument } from '../../shared/core/errors.ts';
import { type AttemptId, attemptId, type WaitId } from '../../shared/core/ids.ts';
import type { Page, Store, Stored, Version } from '../../shared/core/ports.ts';
import { attemptIn, CREATED_AT, questFixture } from '../support/documents.ts';
import type { StoreFixture } from './store.ts';

const NOW = CREATED_AT + 1000;
const quest = questFixture().id;
const top = attemptId(quest, 1);
const [dependency, other] = ['dependency', 'other'].map(n => attemptId(questFixture({ parameters: { n } }).id, 1)) as [
  AttemptId,
  AttemptId,
];

/** The edge as the first ask of a dependent's first execution writes it. */
function edgeOf(dependent: AttemptId, to: AttemptId, asking: Partial<Asking> = {}): Edge {
  return decideEdge(undefined, to, { dependent, execution: 1, ask: 1, spare: 0, ...asking }, CREATED_AT);
}

const edge = edgeOf(top, dependency);
const id = idOfEdge(edge);

/** Of this many attempts, which begin alike: …|1, …|10, …|100. */
function attemptsOf(count: number): AttemptId[] {
  return Array.from({ length: count }, (_, n) => attemptId(quest, n + 1));
}

const byId = (edges: readonly Edge[]): Edge[] => edges.toSorted((a, b) => (idOfEdge(a) < idOfEdge(b) ? -1 : 1));

/** What every implementation of the Store port must do with edges. `current` is the fixture of the test that runs. */
export function edgeContract(current: () => StoreFixture): void {
  describe('edges', () => {
    let store: Store;
    beforeEach(() => {
      ({ store } = current());
    });

    /** Stores edges and returns their versions. */
    function create(...edges: Edge[]): Promise<Version[]> {
      return store.commit(edges.map(doc => ({ kind: 'edge', doc })));
    }

    /** The edge that follows from the one that is stored. */
    async function change(of: Edge, next: (edge: Edge) => Edge): Promise<Edge> {
      const stored = (await store.get('edge', idOfEdge(of)))!;
      const doc = next(stored.doc);
      await store.commit([{ kind: 'edge', doc, ifVersion: stored.version }]);
      return doc;
    }
    const settle = (of: Edge) => change(of, stored => decideSettle(stored, NOW));

    /** All pages; `then` runs after each. */
    async function list(
      of: EdgeFilter,
      limit: number,
      then = async (_shown: readonly Stored<Edge>[]) => {},
    ): Promise<Stored<Edge>[]> {
      const all: Stored<Edge>[] = [];
      let page: Page<Stored<Edge>> | undefined;
      do {
        const after: string | undefined = page?.next;
        page = await store.listEdges({ ...of, limit, ...(after !== undefined && { after }) });
        expect(page.items.length).toBeLessThanOrEqual(limit);
        all.push(...page.items);
        await then(page.items);
      } while (page.next !== undefined);
      return all;
    }
    const docsOf = async (of: EdgeFilter) => (await list(of, 100)).map(({ doc }) => doc);

    describe('as documents', () => {
      test.each([
        ['open', edge],
        ['settled', decideSettle(edge, NOW)],
        ['withdrawn', decideWithdraw(edge, NOW)],
        ['of a later ask that needs only some', edgeOf(top, dependency, { execution: 3, ask: 2, spare: 7 })],
      ])('one that is %s is read back as it was written', async (_, doc) => {
        expect(await store.get('edge', id)).toBeUndefined();
        const [version] = await create(doc);
        expect(await store.get('edge', id)).toEqual({ doc, version });
      });

      test('one that cannot be read is named in the error', async () => {
        await create(edge);
        await current().damage('edge', id);
        const reading = store.get('edge', id);
        await expect(reading).rejects.toThrow(UnreadableDocument);
        await expect(reading).rejects.toThrow(`edge ${id}`);
      });

      test('there is one for each pair, in either direction', async () => {
        const back = edgeOf(dependency, top);
        await create(edge, back);
        await expect(create(edgeOf(top, dependency, { ask: 2 }))).rejects.toThrow(ConflictError);
        expect((await store.get('edge', id))?.doc).toEqual(edge);
        expect((await store.get('edge', idOfEdge(back)))?.doc).toEqual(back);
      });

      test('one is written only over the version that was read', async () => {
        const [first] = await create(edge);
        const settled = decideSettle(edge, NOW);
        const [second] = await store.commit([{ kind: 'edge', doc: settled, ifVersion: first! }]);
        const late = { ...edge, revision: 2, ask: 2 };
        await expect(store.commit([{ kind: 'edge', doc: late, ifVersion: first! }])).rejects.toThrow(ConflictError);
        expect(await store.get('edge', id)).toEqual({ doc: settled, version: second });
        const absent = edgeOf(top, other);
        await expect(store.commit([{ kind: 'edge', doc: absent, ifVersion: second! }])).rejects.toThrow(ConflictError);
        expect(await store.get('edge', idOfEdge(absent))).toBeUndefined();
      });

      test('exactly one of 16 concurrent writers wins', async () => {
        const [version] = await create(edge);
        const writers = Array.from({ length: 16 }, (_, n) => ({ ...edge, revision: 2, ask: n + 2 }));
        const outcomes = await Promise.allSettled(
          writers.map(doc => store.commit([{ kind: 'edge', doc, ifVersion: version! }])),
        );
        const winners = writers.filter((_, n) => outcomes[n]?.status === 'fulfilled');
        expect(winners).toEqual([(await store.get('edge', id))?.doc]);
      });
    });

    describe('in a commit', () => {
      const page = attemptsOf(100).map(to => edgeOf(dependency, to));
      const of = { dependent: dependency };

      test('a hundred of them are written together, and written again', async () => {
        const versions = await create(...page);
        const settled = page.map(doc => decideSettle(doc, NOW));
        await store.commit(settled.map((doc, n) => ({ kind: 'edge', doc, ifVersion: versions[n]! })));
        expect(await docsOf(of)).toEqual(byId(settled));
      });

      test('one that exists already takes all others with it', async () => {
        const existing = { ...page[57]!, spare: 3 };
        await create(existing);
        await expect(create(...page)).rejects.toThrow(ConflictError);
        expect(await docsOf(of)).toEqual([existing]);
      });

      test('one that was written meanwhile takes all others with it', async () => {
        const versions = await create(...page);
        const winner = await settle(page[99]!);
        const late = page.map((doc, n) => ({
          kind: 'edge' as const,
          doc: decideWithdraw(doc, NOW),
          ifVersion: versions[n]!,
        }));
        await expect(store.commit(late)).rejects.toThrow(ConflictError);
        expect(await docsOf(of)).toEqual(byId(page.with(99, winner)));
      });

      test('they stand or fall together with an attempt', async () => {
        const attempt = attemptIn('EXECUTING', { quest });
        const [version] = await store.commit([
          { kind: 'attempt', doc: attempt },
          { kind: 'edge', doc: edge },
        ]);
        const waiting = attemptIn('WAITING', { quest, revision: 2 });
        const write = { kind: 'attempt', doc: waiting, ifVersion: version! } as const;
        const second = edgeOf(top, other);
        expect(await store.commit([write, { kind: 'edge', doc: second }])).toHaveLength(2);
        const third = edgeOf(other, dependency);
        await expect(store.commit([{ kind: 'edge', doc: third }, write])).rejects.toThrow(ConflictError);
        expect((await store.get('attempt', idOfAttempt(attempt)))?.doc).toEqual(waiting);
        expect(await docsOf({ dependent: top })).toEqual(byId([edge, second]));
        expect(await store.get('edge', idOfEdge(third))).toBeUndefined();
      });
    });

    describe('in lists', () => {
      const many = attemptsOf(21);
      const edges = [
        ...many.slice(1).map(to => edgeOf(top, to)),
        ...many.slice(1).map(from => edgeOf(from, other)),
        edgeOf(many[9]!, dependency, { ask: 2 }),
        edgeOf(many[10]!, dependency, { ask: 2 }),
        // The numbers of its wait are those of another's, written the same way but for the separators.
        edgeOf(attemptId(quest, 11), many[0]!, { execution: 1, ask: 12 }),
        edgeOf(attemptId(quest, 1), many[0]!, { execution: 11, ask: 12 }),
      ];
      beforeEach(() => create(...edges));

      test.each<[string, EdgeFilter, (one: Edge) => boolean]>([
        ['of a dependent', { dependent: top }, one => one.dependent === top],
        ['of one that begins alike', { dependent: many[9]! }, one => one.dependent === many[9]],
        ['of a dependency', { dependency: other }, one => one.dependency === other],
        ['of a wait', { wait: waitOfEdge(edge) }, one => waitOfEdge(one) === waitOfEdge(edge)],
        ['of a wait that begins alike', { wait: waitOfEdge(edges.at(-1)!) }, one => one === edges.at(-1)],
        ['of nobody', { dependent: other }, () => false],
        ['of a wait that nobody counts', { wait: `${waitOfEdge(edge)}1` as WaitId }, () => false],
      ])('those %s, by id, in pages of any size', async (_, of, isListed) => {
        const expected = byId(edges.filter(isListed));
        for (const limit of [1, 3, expected.length, 100].filter(size => size > 0)) {
          const listed = await list(of, limit);
          expect(listed.map(({ doc }) => doc)).toEqual(expected);
        }
      });

      test('they come with the versions that the next commit can build on', async () => {
        const listed = await list({ dependency: other }, 7);
        const settled = listed.map(({ doc }) => decideSettle(doc, NOW));
        await store.commit(settled.map((doc, n) => ({ kind: 'edge', doc, ifVersion: listed[n]!.version })));
        expect(await docsOf({ dependency: other })).toEqual(settled);
      });

      test('the last page says so, also when it is full', async () => {
        const { items, next } = await store.listEdges({ dependency: other, limit: 20 });
        expect(items).toHaveLength(20);
        expect(next).toBeUndefined();
      });

      test.each([1, 2, 100])('one that cannot be read hides no other, in pages of %i', async limit => {
        const sorted = byId(edges.filter(one => one.dependency === other));
        for (const broken of [0, 7, 8, 19]) await current().damage('edge', idOfEdge(sorted[broken]!));
        const listed = await list({ dependency: other }, limit);
        expect(listed.map(({ doc }) => doc)).toEqual(sorted.filter((_, n) => ![0, 7, 8, 19].includes(n)));
      });

      test('those that are written while it goes on hide and repeat none', async () => {
        const sorted = byId(edges.filter(one => one.dependency === other));
        // Of each pair one sorts before what was shown by then, and one after all others.
        const late = [100, 9001, 101, 9002, 102, 9003].map(n => edgeOf(attemptId(quest, n), other));
        const unwritten = [...late];
        const listed = await list({ dependency: other }, 6, async () => {
          await create(...unwritten.splice(0, 2));
        });
        const behind = late.filter((_, n) => n % 2 === 1);
        expect(listed.map(({ doc }) => doc)).toEqual(byId([...sorted, ...behind]));
        expect(await docsOf({ dependency: other })).toEqual(byId([...sorted, ...late]));
      });

      test('those that are settled while it goes on hide none either', async () => {
        const expected = byId(edges.filter(one => waitOfEdge(one) === waitOfEdge(edge)));
        const listed = await list({ wait: waitOfEdge(edge) }, 3, async shown => {
          for (const { doc } of shown) await settle(doc);
        });
        expect(listed.map(({ doc }) => doc)).toEqual(expected);
        expect(await docsOf({ wait: waitOfEdge(edge) })).toEqual([]);
      });
    });

    describe('in a wait', () => {
      const wait = waitOfEdge(edge);
      const dependencies = attemptsOf(13).slice(1);
      const edges = dependencies.map(to => edgeOf(top, to));

      test('the open ones are counted, up to the limit', async () => {
        expect(await store.countOpen(wait, 5)).toBe(0);
        await create(...edges);
        const counts = await Promise.all([1, 2, 11, 12, 13, 10_001].map(upTo => store.countOpen(wait, upTo)));
        expect(counts).toEqual([1, 2, 11, 12, 12, 12]);
      });

      test('only its own are counted', async () => {
        await create(
          edge,
          decideSettle(edges[0]!, NOW),
          decideWithdraw(edges[1]!, NOW),
          edgeOf(top, edges[2]!.dependency, { ask: 2 }),
          edgeOf(top, edges[3]!.dependency, { execution: 2 }),
          edgeOf(attemptId(quest, 11), dependency),
          edgeOf(dependency, top),
        );
        expect(await store.countOpen(wait, 100)).toBe(1);
      });

      test('one that cannot be read is counted still, since nobody knows that its dependency is over', async () => {
        await create(edge, edgeOf(top, other));
        await current().damage('edge', id);
        expect(await store.countOpen(wait, 100)).toBe(2);
      });

      test('a commit is counted at once', async () => {
        await create(...edges);
        for (const [n, one] of edges.entries()) {
          await settle(one);
          expect(await store.countOpen(wait, 100)).toBe(edges.length - n - 1);
        }
      });

      test('of those that settle the last edges together, at least one counts none left', async () => {
        await create(...edges);
        const counts = await Promise.all(
          edges.map(async one => {
            await settle(one);
            return store.countOpen(wait, 1);
          }),
        );
        expect(counts).toContain(0);
      });

      test('one that is settled leaves it, and is found by its attempts still; one that is opened again is back', async () => {
        await create(edge);
        const settled = await settle(edge);
        expect(await docsOf({ wait })).toEqual([]);
        expect(await docsOf({ dependent: top })).toEqual([settled]);
        expect(await docsOf({ dependency })).toEqual([settled]);
        const asking = { dependent: top, execution: 2, ask: 1, spare: 0 };
        const reopened = await change(edge, stored => decideReopen(stored, dependency, asking, NOW));
        expect(await docsOf({ wait })).toEqual([]);
        expect(await docsOf({ wait: waitOfEdge(reopened) })).toEqual([reopened]);
        expect(await store.countOpen(waitOfEdge(reopened), 5)).toBe(1);
        expect(await docsOf({ dependent: top })).toEqual([reopened]);
        expect(await docsOf({ dependency })).toEqual([reopened]);
      });

      test('one that a later ask takes over moves to its wait', async () => {
        await create(edge);
        const later = { dependent: top, execution: 1, ask: 2, spare: 1 };
        const moved = await change(edge, stored => decideEdge(stored, dependency, later, NOW));
        expect(await docsOf({ wait })).toEqual([]);
        expect(await docsOf({ wait: waitOfEdge(moved) })).toEqual([moved]);
        expect(await store.countOpen(wait, 5)).toBe(0);
      });
    });
  });
}
