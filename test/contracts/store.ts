import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ATTEMPT_STATES, type Attempt, idOfAttempt } from '../../shared/core/attempt.ts';
import { ConflictError, UnreadableDocument } from '../../shared/core/errors.ts';
import { EXECUTION_STATES, idOfExecution } from '../../shared/core/execution.ts';
import { attemptId, type QuestId } from '../../shared/core/ids.ts';
import type { DueDocument, Page, Store, Version } from '../../shared/core/ports.ts';
import { attemptIn, CREATED_AT, executionIn, questFixture } from '../support/documents.ts';
import { edgeContract } from './edges.ts';
import { slotContract } from './slots.ts';

export interface StoreFixture {
  /** Empty, and shared with no other test. */
  store: Store;
  /** Makes what is stored unreadable at first sight, but leaves it as due as it is. */
  damage(kind: 'attempt' | 'execution' | 'edge' | 'slot', id: string): Promise<void>;
  close(): Promise<void>;
}

/** What every implementation of the Store port must do. */
export function storeContract(name: string, createFixture: () => Promise<StoreFixture>): void {
  describe(`store contract: ${name}`, () => {
    let fixture: StoreFixture;
    let store: Store;
    beforeEach(async () => {
      fixture = await createFixture();
      ({ store } = fixture);
    });
    afterEach(() => fixture.close());

    const attempt = attemptIn('SCHEDULING');
    const id = idOfAttempt(attempt);

    /** Stores attempts and returns their versions. */
    function create(...attempts: Attempt[]): Promise<Version[]> {
      return store.commit(attempts.map(doc => ({ kind: 'attempt', doc })));
    }

    describe('documents', () => {
      test('what was never stored is undefined', async () => {
        expect(await store.get('quest', attempt.quest)).toBeUndefined();
        expect(await store.get('attempt', id)).toBeUndefined();
        expect(await store.get('execution', idOfExecution(executionIn('RUNNING')))).toBeUndefined();
      });

      test('a quest is read back as it was written', async () => {
        const quest = questFixture({ parameters: { text: 'grüße 👋 \u0000', deep: { list: [1, null, 1.5e300] } } });
        await store.commit([{ kind: 'quest', doc: quest }]);
        expect((await store.get('quest', quest.id))?.doc).toEqual(quest);
      });

      test.each(ATTEMPT_STATES)('an attempt that is %s is read back as it was written', async state => {
        const doc = attemptIn(state);
        const [version] = await store.commit([{ kind: 'attempt', doc }]);
        expect(await store.get('attempt', id)).toEqual({ doc, version });
      });

      test.each(EXECUTION_STATES)('an execution that is %s is read back as it was written', async state => {
        const doc = executionIn(state);
        const [version] = await store.commit([{ kind: 'execution', doc }]);
        expect(await store.get('execution', idOfExecution(doc))).toEqual({ doc, version });
      });

      test('a result of 256 KiB is read back as it was written', async () => {
        const doc = attemptIn('FINISHED', { result: { data: { text: 'x'.repeat(256 * 1024 - 11) } } });
        await create(doc);
        expect((await store.get('attempt', id))?.doc).toEqual(doc);
      });

      test('a document that cannot be read is named in the error', async () => {
        await create(attempt);
        await fixture.damage('attempt', id);
        const reading = store.get('attempt', id);
        await expect(reading).rejects.toThrow(UnreadableDocument);
        await expect(reading).rejects.toThrow(`attempt ${id}`);
      });
    });

    describe('commit', () => {
      test('creates a document only once', async () => {
        await create(attempt);
        await expect(create(attemptIn('SCHEDULING', { executions: 7 }))).rejects.toThrow(ConflictError);
        expect((await store.get('attempt', id))?.doc).toEqual(attempt);
      });

      test('replaces the version that was read', async () => {
        await create(attempt);
        const read = await store.get('attempt', id);
        const next = attemptIn('EXECUTING', { revision: 2 });
        await store.commit([{ kind: 'attempt', doc: next, ifVersion: read!.version }]);
        expect((await store.get('attempt', id))?.doc).toEqual(next);
      });

      test('returns versions that the next commit can build on, in the order of the writes', async () => {
        const execution = executionIn('SCHEDULING');
        const [first, second] = await store.commit([
          { kind: 'attempt', doc: attempt },
          { kind: 'execution', doc: execution },
        ]);
        const [third] = await store.commit([
          { kind: 'execution', doc: executionIn('RUNNING', { revision: 2 }), ifVersion: second! },
          { kind: 'attempt', doc: attemptIn('EXECUTING', { revision: 2 }), ifVersion: first! },
        ]);
        const last = executionIn('FINISHED', { revision: 3 });
        await store.commit([{ kind: 'execution', doc: last, ifVersion: third! }]);
        expect((await store.get('execution', idOfExecution(execution)))?.doc).toEqual(last);
      });

      test('refuses a version that was replaced meanwhile', async () => {
        const [first] = await create(attempt);
        const winner = attemptIn('EXECUTING', { revision: 2 });
        await store.commit([{ kind: 'attempt', doc: winner, ifVersion: first! }]);
        const late = attemptIn('WAITING', { revision: 2 });
        await expect(store.commit([{ kind: 'attempt', doc: late, ifVersion: first! }])).rejects.toThrow(ConflictError);
        expect((await store.get('attempt', id))?.doc).toEqual(winner);
      });

      test('refuses to replace a document that does not exist', async () => {
        const [version] = await create(attempt);
        const absent = attemptIn('EXECUTING', { attempt: 2 });
        await expect(store.commit([{ kind: 'attempt', doc: absent, ifVersion: version! }])).rejects.toThrow(
          ConflictError,
        );
        expect(await store.get('attempt', idOfAttempt(absent))).toBeUndefined();
      });

      test('a refused write takes all others of its commit with it, before it and after it', async () => {
        const [version] = await create(attempt);
        const before = attemptIn('SCHEDULING', { attempt: 2 });
        const after = executionIn('SCHEDULING');
        const refused = store.commit([
          { kind: 'attempt', doc: before },
          { kind: 'attempt', doc: attemptIn('EXECUTING', { revision: 2 }) },
          { kind: 'execution', doc: after },
        ]);
        await expect(refused).rejects.toThrow(ConflictError);
        expect(await store.get('attempt', idOfAttempt(before))).toBeUndefined();
        expect(await store.get('execution', idOfExecution(after))).toBeUndefined();
        expect(await store.get('attempt', id)).toEqual({ doc: attempt, version });
      });

      test('lets exactly one of 16 concurrent writers win', async () => {
        const [version] = await create(attempt);
        const writers = Array.from({ length: 16 }, (_, n) =>
          attemptIn('EXECUTING', { revision: 2, executions: n + 1 }),
        );
        const outcomes = await Promise.allSettled(
          writers.map(doc => store.commit([{ kind: 'attempt', doc, ifVersion: version! }])),
        );
        const winners = writers.filter((_, n) => outcomes[n]?.status === 'fulfilled');
        expect(winners).toHaveLength(1);
        expect((await store.get('attempt', id))?.doc).toEqual(winners[0]);
        for (const outcome of outcomes)
          if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(ConflictError);
      });

      test('lets exactly one of 16 concurrent creators win', async () => {
        const outcomes = await Promise.allSettled(Array.from({ length: 16 }, () => create(attempt)));
        expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      });
    });

    describe('due', () => {
      const SHARD = 3;
      const at = (minutes: number): number => CREATED_AT + minutes * 60_000;

      /** Attempts 1, 2, … of one shard, due at these times; `undefined` is owed nothing. */
      async function createDue(...wakeAts: (number | undefined)[]): Promise<string[]> {
        const docs = wakeAts.map((wakeAt, n) => attemptIn('SCHEDULING', { attempt: n + 1, shard: SHARD, wakeAt }));
        await create(...docs);
        return docs.map(idOfAttempt);
      }

      /** All pages. */
      async function dueBefore(before: number, limit = 100): Promise<DueDocument[]> {
        const all: DueDocument[] = [];
        let page: Page<DueDocument> | undefined;
        do {
          page = await store.due('attempt', SHARD, before, limit, page?.next);
          expect(page.items.length).toBeLessThanOrEqual(limit);
          all.push(...page.items);
        } while (page.next !== undefined);
        return all;
      }

      test('finds what has fallen due, the oldest first, and nothing else', async () => {
        const [third, first, , second] = await createDue(at(3), at(1), at(4), at(2), undefined);
        expect(await dueBefore(at(3))).toEqual([
          { kind: 'attempt', id: first, revision: 1, wakeAt: at(1) },
          { kind: 'attempt', id: second, revision: 1, wakeAt: at(2) },
          { kind: 'attempt', id: third, revision: 1, wakeAt: at(3) },
        ]);
      });

      test('looks at one kind and one shard only', async () => {
        await create(attemptIn('SCHEDULING', { shard: SHARD + 1 }));
        await store.commit([{ kind: 'execution', doc: executionIn('RUNNING', { shard: SHARD, wakeAt: at(1) }) }]);
        expect(await dueBefore(at(9))).toEqual([]);
        const { items } = await store.due('execution', SHARD, at(9), 10);
        expect(items.map(({ kind, wakeAt }) => ({ kind, wakeAt }))).toEqual([{ kind: 'execution', wakeAt: at(1) }]);
      });

      test.each([1, 2, 3, 7])('pages of %i show everything once, though many fall due together', async limit => {
        const ids = await createDue(at(1), at(1), at(1), at(2), at(1), at(1), at(2));
        const found = await dueBefore(at(2), limit);
        expect(found.map(({ id: due }) => due).toSorted()).toEqual(ids.toSorted());
        expect(found.map(({ wakeAt }) => wakeAt)).toEqual([at(1), at(1), at(1), at(1), at(1), at(2), at(2)]);
      });

      test('shows what cannot be read with revision 0, and goes on after it', async () => {
        const [first, broken, third] = await createDue(at(1), at(2), at(3));
        await fixture.damage('attempt', broken!);
        const found = await dueBefore(at(3), 1);
        expect(found.map(due => [due.id, due.revision])).toEqual([
          [first, 1],
          [broken, 0],
          [third, 1],
        ]);
      });

      test('follows every write', async () => {
        const [version] = await create(attemptIn('SCHEDULING', { shard: SHARD, wakeAt: at(1) }));
        const later = attemptIn('SCHEDULING', { shard: SHARD, revision: 2, wakeAt: at(5) });
        const [next] = await store.commit([{ kind: 'attempt', doc: later, ifVersion: version! }]);
        expect(await dueBefore(at(4))).toEqual([]);
        expect(await dueBefore(at(5))).toEqual([{ kind: 'attempt', id, revision: 2, wakeAt: at(5) }]);
        const settled = attemptIn('EXECUTING', { shard: SHARD, revision: 3 });
        await store.commit([{ kind: 'attempt', doc: settled, ifVersion: next! }]);
        expect(await dueBefore(at(99))).toEqual([]);
      });

      test('postpone moves a document to a later time and changes nothing else', async () => {
        const [due] = await createDue(at(1));
        await store.postpone('attempt', due!, at(7));
        expect(await dueBefore(at(6))).toEqual([]);
        expect(await dueBefore(at(7))).toEqual([{ kind: 'attempt', id: due, revision: 1, wakeAt: at(7) }]);
        const stored = await store.get('attempt', id);
        expect(stored?.doc).toEqual(attemptIn('SCHEDULING', { shard: SHARD, wakeAt: at(7) }));
      });

      test('postpone moves a document that cannot be read', async () => {
        const [broken] = await createDue(at(1));
        await fixture.damage('attempt', broken!);
        await store.postpone('attempt', broken!, at(7));
        expect(await dueBefore(at(6))).toEqual([]);
        expect(await dueBefore(at(7))).toEqual([{ kind: 'attempt', id: broken, revision: 0, wakeAt: at(7) }]);
      });

      test('a postponed document can be written', async () => {
        const [due] = await createDue(at(1));
        await store.postpone('attempt', due!, at(7));
        const { version } = (await store.get('attempt', id))!;
        await store.commit([{ kind: 'attempt', doc: attemptIn('EXECUTING', { revision: 2 }), ifVersion: version }]);
        expect(await dueBefore(at(9))).toEqual([]);
      });

      test('postpone never brings back what a write settles at the same time', async () => {
        const ids = await createDue(...Array.from({ length: 8 }, () => at(1)));
        const settle = async (due: string, n: number) => {
          const doc = attemptIn('EXECUTING', { attempt: n + 1, shard: SHARD, revision: 2 });
          const { version } = (await store.get('attempt', idOfAttempt(doc)))!;
          await store.commit([{ kind: 'attempt', doc, ifVersion: version }]);
          return due;
        };
        const [settling] = await Promise.all([
          Promise.allSettled(ids.map(settle)),
          ...ids.map(due => store.postpone('attempt', due, at(2))),
        ]);
        const settled = settling.flatMap(done => (done.status === 'fulfilled' ? [done.value] : []));
        const due = (await dueBefore(at(9))).map(found => found.id);
        expect(due.toSorted()).toEqual(ids.filter(unsettled => !settled.includes(unsettled)).toSorted());
      });

      test('postpone makes nothing due that is owed nothing, and ignores what does not exist', async () => {
        const [settled] = await createDue(undefined);
        await store.postpone('attempt', settled!, at(1));
        await store.postpone('attempt', attemptId(attempt.quest, 99), at(1));
        expect(await dueBefore(at(9))).toEqual([]);
      });
    });

    describe('lists', () => {
      const quests = Array.from({ length: 3 }, (_, n) => questFixture({ parameters: { n } }).id);
      const attempts = quests.flatMap((quest: QuestId, n) => [
        attemptIn('FINISHED', { quest, attempt: 1, distributor: `pool-${n}` }),
        attemptIn('FINISHED', { quest, attempt: 2, distributor: 'echo' }),
        attemptIn('EXECUTING', { quest, attempt: 3, distributor: 'echo' }),
      ]);
      const sorted = attempts.toSorted((a, b) => (idOfAttempt(a) < idOfAttempt(b) ? -1 : 1));

      beforeEach(async () => {
        await create(...attempts);
        await store.commit([
          { kind: 'quest', doc: questFixture() },
          { kind: 'execution', doc: executionIn('FINISHED', { quest: quests[0]! }) },
        ]);
      });

      test.each([
        { filter: {}, isListed: () => true },
        { filter: { state: 'FINISHED' }, isListed: (doc: Attempt) => doc.state === 'FINISHED' },
        { filter: { distributor: 'echo' }, isListed: (doc: Attempt) => doc.distributor === 'echo' },
        {
          filter: { state: 'FINISHED', distributor: 'echo' },
          isListed: (doc: Attempt) => doc.state === 'FINISHED' && doc.distributor === 'echo',
        },
        { filter: { state: 'WAITING' }, isListed: () => false },
        { filter: { distributor: 'nobody' }, isListed: () => false },
      ] as const)('attempts with $filter, by id, in pages of any size', async ({ filter, isListed }) => {
        const expected = sorted.filter(isListed);
        for (const pageSize of [1, 2, expected.length, 100].filter(size => size > 0)) {
          const listed: Attempt[] = [];
          let page: Page<Attempt> | undefined;
          do {
            const after: string | undefined = page?.next;
            page = await store.listAttempts({ ...filter, pageSize, ...(after !== undefined && { after }) });
            expect(page.items.length).toBeLessThanOrEqual(pageSize);
            listed.push(...page.items);
          } while (page.next !== undefined);
          expect(listed).toEqual(expected);
        }
      });

      test('the last page says so, also when it is full', async () => {
        const { items, next } = await store.listAttempts({ pageSize: attempts.length });
        expect(items).toHaveLength(attempts.length);
        expect(next).toBeUndefined();
      });

      test('an attempt that cannot be read hides no other', async () => {
        const [first, broken, ...others] = sorted;
        await fixture.damage('attempt', idOfAttempt(broken!));
        const { items } = await store.listAttempts({ pageSize: 100 });
        expect(items).toEqual([first, ...others]);
      });

      test('executions of one attempt, in the order of their numbers, without gaps', async () => {
        const [quest] = quests;
        const executions = [2, 3, 9, 10, 11].map(execution =>
          executionIn('FINISHED', { quest: quest!, attempt: 2, execution }),
        );
        const other = executionIn('FINISHED', { quest: quest!, attempt: 22, execution: 4 });
        await store.commit([...executions, other].map(doc => ({ kind: 'execution' as const, doc })));
        const owner = attemptId(quest!, 2);
        expect(await store.listExecutions(owner, 1, 12)).toEqual(executions);
        expect(await store.listExecutions(owner, 3, 10)).toEqual(executions.slice(1, 4));
        expect(await store.listExecutions(owner, 12, 20)).toEqual([]);
        await fixture.damage('execution', idOfExecution(executions[1]!));
        expect(await store.listExecutions(owner, 1, 12)).toEqual(executions.toSpliced(1, 1));
      });
    });

    edgeContract(() => fixture);
    slotContract(() => fixture);

    describe('changed', () => {
      const next = attemptIn('EXECUTING', { revision: 2 });

      test('resolves when the attempt is written, for everybody who waits', async () => {
        const [version] = await create(attempt);
        const { signal } = new AbortController();
        const waiters = Array.from({ length: 5 }, () => store.changed(id, version!, signal));
        await store.commit([{ kind: 'attempt', doc: next, ifVersion: version! }]);
        await Promise.all(waiters);
        expect((await store.get('attempt', id))?.doc).toEqual(next);
      });

      test('resolves when the attempt was written before it was called', async () => {
        const [version] = await create(attempt);
        await store.commit([{ kind: 'attempt', doc: next, ifVersion: version! }]);
        await store.changed(id, version!, new AbortController().signal);
      });

      test('misses no write that goes on while it is called', async () => {
        const [version] = await create(attempt);
        const writing = store.commit([{ kind: 'attempt', doc: next, ifVersion: version! }]);
        await store.changed(id, version!, new AbortController().signal);
        await writing;
      });

      test('resolves when it is aborted, also beforehand', async () => {
        const [version] = await create(attempt);
        const waiting = new AbortController();
        const changed = store.changed(id, version!, waiting.signal);
        waiting.abort();
        await changed;
        await store.changed(id, version!, waiting.signal);
      });
    });

    describe('adapter documents', () => {
      const expireAt = Date.now() + 3_600_000;

      test('are read back as they were written, with the version that put returned', async () => {
        const documents = store.adapterDocuments('web');
        const doc = { text: 'grüße', list: [1, { deep: null }] };
        const version = await documents.put('a/b|c', doc, { expireAt });
        expect(await documents.get('a/b|c')).toEqual({ doc, version });
        expect(await documents.get('absent')).toBeUndefined();
      });

      test('are created once and replaced by version', async () => {
        const documents = store.adapterDocuments('web');
        const first = await documents.put('a', { n: 1 }, { expireAt });
        await expect(documents.put('a', { n: 2 }, { expireAt })).rejects.toThrow(ConflictError);
        const second = await documents.put('a', { n: 3 }, { expireAt, ifVersion: first });
        await expect(documents.put('a', { n: 4 }, { expireAt, ifVersion: first })).rejects.toThrow(ConflictError);
        expect(await documents.get('a')).toEqual({ doc: { n: 3 }, version: second });
      });

      test('have a new version after every write, even of the same content', async () => {
        const documents = store.adapterDocuments('web');
        const first = await documents.put('a', { n: 1 }, { expireAt });
        await documents.put('a', { n: 1 }, { expireAt, ifVersion: first });
        await expect(documents.put('a', { n: 1 }, { expireAt, ifVersion: first })).rejects.toThrow(ConflictError);
      });

      test('have ids of any characters, by which they are listed', async () => {
        const documents = store.adapterDocuments('web');
        const ids = [
          '%',
          '-',
          '.',
          '..',
          '.a',
          '.z',
          '/',
          '//',
          '0',
          'A',
          '__',
          '__a__',
          '__a__ ',
          'a',
          'a-b',
          'a.b',
          'a/b',
        ];
        for (const own of ids.toReversed()) await documents.put(own, { own }, { expireAt });
        const { items } = await documents.list({ limit: 100 });
        expect(items.map(item => [item.id, item.doc])).toEqual(ids.map(own => [own, { own }]));
        for (const own of ids) expect((await documents.get(own))?.doc).toEqual({ own });
      });

      test('are separate for each namespace', async () => {
        await store.adapterDocuments('web').put('a', { n: 1 }, { expireAt });
        await store.adapterDocuments('exec').put('a', { n: 2 }, { expireAt });
        expect((await store.adapterDocuments('web').get('a'))?.doc).toEqual({ n: 1 });
        await store.adapterDocuments('exec').delete('a');
        expect((await store.adapterDocuments('web').list({ limit: 10 })).items).toHaveLength(1);
        expect((await store.adapterDocuments('exec').list({ limit: 10 })).items).toHaveLength(0);
      });

      test('are gone once deleted; deleting again succeeds, and an old version stays refused', async () => {
        const documents = store.adapterDocuments('web');
        const old = await documents.put('a', { n: 1 }, { expireAt });
        await documents.delete('a');
        await documents.delete('a');
        expect(await documents.get('a')).toBeUndefined();
        await expect(documents.put('a', { n: 2 }, { expireAt, ifVersion: old })).rejects.toThrow(ConflictError);
        await documents.put('a', { n: 3 }, { expireAt });
        await expect(documents.put('a', { n: 4 }, { expireAt, ifVersion: old })).rejects.toThrow(ConflictError);
      });

      test.each([1, 2, 5])('are listed by id in pages of %i', async limit => {
        const documents = store.adapterDocuments('web');
        for (const letter of ['d', 'b', 'e', 'a', 'c']) await documents.put(letter, { letter }, { expireAt });
        const listed: string[] = [];
        let after: string | undefined;
        do {
          const page = await documents.list({ limit, ...(after !== undefined && { after }) });
          for (const item of page.items)
            expect(await documents.get(item.id)).toEqual({ doc: item.doc, version: item.version });
          listed.push(...page.items.map(item => item.id));
          after = page.next;
        } while (after !== undefined);
        expect(listed).toEqual(['a', 'b', 'c', 'd', 'e']);
      });

      test('lets exactly one of 16 concurrent writers win', async () => {
        const documents = store.adapterDocuments('web');
        const outcomes = await Promise.allSettled(
          Array.from({ length: 16 }, (_, n) => documents.put('a', { n }, { expireAt })),
        );
        expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      });

      test('of 500 KiB are stored, of more than 512 KiB refused', async () => {
        const documents = store.adapterDocuments('web');
        const doc = { text: 'x'.repeat(500 * 1024) };
        await documents.put('a', doc, { expireAt });
        expect((await documents.get('a'))?.doc).toEqual(doc);
        await expect(documents.put('b', { text: 'x'.repeat(512 * 1024) }, { expireAt })).rejects.toThrow(/bytes/);
      });
    });
  });
}
