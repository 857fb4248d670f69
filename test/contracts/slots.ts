import { beforeEach, describe, expect, test } from 'vitest';
import { type Attempt, idOfAttempt } from '../../shared/core/attempt.ts';
import { freeSlot, takeSlot } from '../../shared/core/decide/slot.ts';
import { reviseExecution } from '../../shared/core/decide/decision.ts';
import { ConflictError } from '../../shared/core/errors.ts';
import { idOfExecution } from '../../shared/core/execution.ts';
import type { Store, Stored } from '../../shared/core/ports.ts';
import { idOfSlot, SLOT_SHARD, type Slot, type SlotUse } from '../../shared/core/slot.ts';
import { attemptIn, CREATED_AT, executionIn } from '../support/documents.ts';
import type { StoreFixture } from './store.ts';

const NOW = CREATED_AT + 1000;
const HOLDER = idOfExecution(executionIn('SCHEDULING'));

/** What every store promises of slots, of attempts that wait for one, and of polls that may be made together. */
export function slotContract(getFixture: () => StoreFixture): void {
  let store: Store;
  beforeEach(() => void ({ store } = getFixture()));

  function held(number: number, options: { distributor?: string; use?: SlotUse; spacingMs?: number } = {}): Slot {
    const { distributor = 'render.4', use = 'job', spacingMs } = options;
    return takeSlot({ distributor, use, number }, HOLDER, { spacingMs, now: NOW });
  }

  const create = (...slots: Slot[]) => store.commit(slots.map(doc => ({ kind: 'slot' as const, doc })));
  const free = async (count: number, now = NOW, use: SlotUse = 'job') =>
    (await store.listFree({ distributor: 'render.4', use, count, now }, 10))
      .map(({ doc }) => doc.number)
      .toSorted((a, b) => a - b);

  describe('slots', () => {
    test('are read back as they were written, and written once by one', async () => {
      const slot = held(1);
      const [version] = await create(slot);
      expect(await store.get('slot', idOfSlot(slot))).toEqual({ doc: slot, version });
      await expect(create(slot)).rejects.toThrow(ConflictError);
      const freed = freeSlot(slot, NOW);
      await store.commit([{ kind: 'slot', doc: freed, ifVersion: version! }]);
      const { holder: _, ...rest } = freed;
      expect((await store.get('slot', idOfSlot(slot)))?.doc).toEqual(rest);
      await expect(store.commit([{ kind: 'slot', doc: freed, ifVersion: version! }])).rejects.toThrow(ConflictError);
    });

    test('are taken together with what takes them, or not at all', async () => {
      const [version] = await create(held(1));
      const writes = (ifVersion: typeof version) => [
        { kind: 'execution' as const, doc: executionIn('SCHEDULING') },
        { kind: 'slot' as const, doc: held(2) },
        { kind: 'slot' as const, doc: freeSlot(held(1), NOW), ifVersion: ifVersion! },
      ];
      await store.commit([{ kind: 'slot', doc: { ...held(1), revision: 2 }, ifVersion: version! }]);
      await expect(store.commit(writes(version))).rejects.toThrow(ConflictError);
      expect(await store.get('execution', HOLDER)).toBeUndefined();
      expect(await store.get('slot', idOfSlot(held(2)))).toBeUndefined();
    });

    test('that are free are found, by distributor, use, time and number', async () => {
      await create(
        held(1),
        freeSlot(held(2), NOW),
        freeSlot(held(3), NOW - 5),
        freeSlot(held(11), NOW - 9),
        freeSlot(held(4, { distributor: 'render.44' }), NOW),
        held(5, { use: 'start', spacingMs: 1000 }),
      );
      expect(await free(10)).toEqual([2, 3]);
      expect(await free(2)).toEqual([2]);
      expect(await free(10, NOW - 1)).toEqual([3]);
      expect(await free(10, NOW + 999, 'start')).toEqual([]);
      expect(await free(10, NOW + 1000, 'start')).toEqual([5]);
      const [found] = await store.listFree({ distributor: 'render.4', use: 'job', count: 2, now: NOW }, 1);
      expect(found).toEqual(await store.get('slot', idOfSlot(held(2))));
    });

    test('that cannot be read are not found', async () => {
      await create(freeSlot(held(1), NOW), freeSlot(held(2), NOW));
      await getFixture().damage('slot', idOfSlot(held(1)));
      expect(await free(10)).toEqual([2]);
    });

    test('are due when they owe a start, and can be postponed', async () => {
      await create(held(1), freeSlot(held(2), NOW));
      const id = idOfSlot(held(2));
      expect((await store.due('slot', SLOT_SHARD, NOW, 10)).items).toEqual([
        { kind: 'slot', id, revision: 2, wakeAt: NOW },
      ]);
      await store.postpone('slot', id, NOW + 5);
      expect((await store.due('slot', SLOT_SHARD, NOW, 10)).items).toEqual([]);
      expect((await store.due('slot', SLOT_SHARD, NOW + 5, 10)).items).toHaveLength(1);
    });
  });

  describe('attempts that wait for a slot', () => {
    const waiting = (attempt: number, at: number, distributor = 'render.4') =>
      attemptIn('SCHEDULING', { attempt, queued: { distributor, at, recheckAt: NOW + 60_000 } });

    async function listAll(pageSize: number): Promise<Stored<Attempt>[]> {
      const listed: Stored<Attempt>[] = [];
      for (let after: string | undefined; ; ) {
        const page = await store.listQueued('render.4', pageSize, after);
        listed.push(...page.items);
        if (page.next === undefined) return listed;
        after = page.next;
      }
    }

    test.each([1, 2, 3, 10])('are listed in order of arrival, in pages of %i', async pageSize => {
      const inOrder = [waiting(4, NOW), waiting(2, NOW + 1), waiting(3, NOW + 1), waiting(1, NOW + 2)];
      const others = [waiting(5, NOW, 'render.44'), attemptIn('SCHEDULING', { attempt: 6 })];
      await store.commit([...inOrder, ...others].toReversed().map(doc => ({ kind: 'attempt' as const, doc })));
      const listed = await listAll(pageSize);
      expect(listed.map(({ doc }) => doc)).toEqual(inOrder);
      expect(listed[0]).toEqual(await store.get('attempt', idOfAttempt(inOrder[0]!)));
    });

    test('leave the line when they are written without it', async () => {
      const [version] = await store.commit([{ kind: 'attempt', doc: waiting(1, NOW) }]);
      const started = attemptIn('EXECUTING', { attempt: 1, revision: 2 });
      await store.commit([{ kind: 'attempt', doc: started, ifVersion: version! }]);
      expect(await listAll(5)).toEqual([]);
    });

    test('and cannot be read hide no other', async () => {
      const inOrder = [waiting(1, NOW), waiting(2, NOW + 1)];
      await store.commit(inOrder.map(doc => ({ kind: 'attempt' as const, doc })));
      await getFixture().damage('attempt', idOfAttempt(inOrder[0]!));
      expect((await listAll(1)).map(({ doc }) => doc)).toEqual([inOrder[1]]);
    });
  });

  test('polls that may be made together are found due with their group', async () => {
    const poll = { intervalMs: 1000, fruitless: 0, nextAt: NOW };
    const [alone, grouped] = [executionIn('RUNNING'), executionIn('RUNNING', { execution: 2 })];
    const docs = [
      reviseExecution(alone, { ...alone, poll }, NOW),
      reviseExecution(grouped, { ...grouped, poll: { ...poll, grouped: true } }, NOW),
      // What is owed next is the deadline, and not a poll.
      {
        ...reviseExecution(
          grouped,
          { ...grouped, deadlineAt: NOW, poll: { ...poll, grouped: true, nextAt: NOW + 1 } },
          NOW,
        ),
        execution: 3,
      },
    ];
    await store.commit(docs.map(doc => ({ kind: 'execution' as const, doc: { ...doc, shard: 3 } })));
    const { items } = await store.due('execution', 3, NOW, 10);
    const { name, version } = grouped.distributor;
    expect(new Map(items.map(({ id, group }) => [id, group]))).toEqual(
      new Map(docs.map((doc, n) => [idOfExecution(doc), n === 1 ? `${name} ${version}` : undefined])),
    );
    const [, stored] = await Promise.all(docs.map(doc => store.get('execution', idOfExecution(doc))));
    const ended = {
      ...stored!.doc,
      revision: 9,
      poll: { ...poll, grouped: true as const, nextAt: NOW + 1 },
      deadlineAt: NOW,
    };
    await store.commit([
      { kind: 'execution', doc: ended as NonNullable<typeof stored>['doc'], ifVersion: stored!.version },
    ]);
    const again = (await store.due('execution', 3, NOW, 10)).items.find(({ id }) => id === idOfExecution(docs[1]!));
    expect(again?.group).toBeUndefined();
  });
}
