import { FieldValue, Timestamp } from '@google-cloud/firestore';
import { describe, expect, test } from 'vitest';
import { ATTEMPT_STATES, idOfAttempt, isAttemptOver } from '../../shared/core/attempt.ts';
import { decideEdge, decideReopen, decideSettle, decideWithdraw } from '../../shared/core/decide/depend.ts';
import { type Edge, idOfEdge, waitOfEdge } from '../../shared/core/edge.ts';
import { ConflictError, UnreadableDocument } from '../../shared/core/errors.ts';
import { EXECUTION_STATES, idOfExecution, isLive } from '../../shared/core/execution.ts';
import { attemptId, questId, waitId } from '../../shared/core/ids.ts';
import type { Store, Version } from '../../shared/core/ports.ts';
import { COLLECTIONS, documentName } from '../../shared/google/documents.ts';
import { openFirestore } from '../../shared/google/firestore.ts';
import { createStore } from '../../shared/google/store.ts';
import { storeContract } from '../contracts/store.ts';
import { attemptIn, executionIn, questFixture } from '../support/documents.ts';
import { grpcProxy } from '../support/grpc-proxy.ts';
import { realClock } from '../support/services.ts';
import { describeWithEmulators, freshProject } from '../support/with-emulators.ts';
import { testStore } from './firestore.ts';

const attempt = attemptIn('SCHEDULING');
const id = idOfAttempt(attempt);

describeWithEmulators('the store on Firestore', ({ firestore: host }) => {
  storeContract('Firestore emulator', async () => {
    const firestore = openFirestore({ projectId: freshProject(), emulatorHost: host });
    return {
      store: createStore(firestore, { clock: realClock }),
      damage: async (kind, damaged) =>
        void (await firestore.collection(COLLECTIONS[kind]).doc(documentName(damaged)).update({ schemaVersion: 99 })),
      close: () => firestore.terminate(),
    };
  });

  test('of 64 concurrent commits on one document one wins, and all others conflict', async () => {
    const { store } = testStore(host);
    const [version] = await store.commit([{ kind: 'attempt', doc: attempt }]);
    const docs = Array.from({ length: 64 }, (_, n) => attemptIn('EXECUTING', { revision: 2, executions: n + 1 }));
    const outcomes = await Promise.allSettled(
      docs.map(doc => store.commit([{ kind: 'attempt', doc, ifVersion: version! }])),
    );
    const winners = docs.filter((_, n) => outcomes[n]?.status === 'fulfilled');
    expect(winners).toHaveLength(1);
    expect((await store.get('attempt', id))?.doc).toEqual(winners[0]);
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(ConflictError);
  });

  test('a quest whose id looks like one that Firestore reserves is stored like any other', async () => {
    const { store } = testStore(host);
    const quest = { ...questFixture(), id: questId(`__${'a'.repeat(39)}__`) };
    const docs = [attemptIn('FINISHED', { quest: quest.id }), executionIn('FINISHED', { quest: quest.id })] as const;
    await store.commit([
      { kind: 'quest', doc: quest },
      { kind: 'attempt', doc: docs[0] },
      { kind: 'execution', doc: docs[1] },
    ]);
    expect((await store.get('quest', quest.id))?.doc).toEqual(quest);
    expect((await store.listAttempts({ pageSize: 10 })).items).toEqual([docs[0]]);
    expect(await store.listExecutions(idOfAttempt(docs[0]), 1, 3)).toEqual([docs[1]]);
    const asking = { dependent: idOfAttempt(docs[0]), execution: 1, ask: 1, spare: 0 };
    const edge = decideEdge(undefined, attemptId(quest.id, 2), asking, attempt.createdAt);
    await store.commit([{ kind: 'edge', doc: edge }]);
    expect(await store.countOpen(waitOfEdge(edge), 5)).toBe(1);
    const { items } = await store.listEdges({ dependent: edge.dependent, limit: 5 });
    expect(items.map(({ doc }) => doc)).toEqual([edge]);
  });

  test('a time beyond the last that Firestore knows is stored as the last', async () => {
    const { store } = testStore(host);
    await store.commit([{ kind: 'attempt', doc: attemptIn('SCHEDULING', { wakeAt: Number.MAX_SAFE_INTEGER }) }]);
    const wakeAt = Date.parse('9999-12-31T23:59:59.999Z');
    expect((await store.get('attempt', id))?.doc).toEqual(attemptIn('SCHEDULING', { wakeAt }));
  });

  test('postponing a document that is written meanwhile leaves it to the writer', async () => {
    const proxy = await grpcProxy(host);
    const projectId = freshProject();
    const { store } = testStore(host, { projectId });
    const [version] = await store.commit([{ kind: 'attempt', doc: attempt }]);
    const settled = attemptIn('EXECUTING', { revision: 2 });
    proxy.onAnswer(async method => {
      if (method === 'BatchGetDocuments') await store.commit([{ kind: 'attempt', doc: settled, ifVersion: version! }]);
      return 'pass';
    });
    await testStore(proxy.host, { projectId }).store.postpone('attempt', id, attempt.createdAt + 1);
    expect((await store.get('attempt', id))?.doc).toEqual(settled);
  });

  describe('on the wire', () => {
    test('each call of the store is one call of Firestore, but postpone, which is two', async () => {
      const proxy = await grpcProxy(host);
      const { store } = testStore(proxy.host);
      const called = async (work: Promise<unknown>) => {
        await work;
        return proxy.calls.splice(0);
      };
      const [execution, next] = [executionIn('SCHEDULING'), attemptIn('EXECUTING', { revision: 2 })];
      expect(
        await called(
          store.commit([
            { kind: 'quest', doc: questFixture() },
            { kind: 'attempt', doc: attempt },
            { kind: 'execution', doc: execution },
          ]),
        ),
      ).toEqual(['Commit']);
      expect(await called(store.get('quest', attempt.quest))).toEqual(['BatchGetDocuments']);
      expect(await called(store.listExecutions(id, 1, 50))).toEqual(['BatchGetDocuments']);
      expect(await called(store.listAttempts({ pageSize: 50, state: 'SCHEDULING' }))).toEqual(['RunQuery']);
      expect(await called(store.due('attempt', attempt.shard, attempt.createdAt, 50))).toEqual(['RunQuery']);
      expect(await called(store.postpone('attempt', id, 0))).toEqual(['BatchGetDocuments', 'Commit']);
      expect(await called(store.listEdges({ dependency: id, limit: 50 }))).toEqual(['RunQuery']);
      const wait = waitId(idOfExecution(execution), 1);
      expect(await called(store.countOpen(wait, 50))).toEqual(['RunAggregationQuery']);
      const { version } = (await store.get('attempt', id))!;
      proxy.calls.splice(0);
      const changed = store.changed(id, version, new AbortController().signal);
      await store.commit([{ kind: 'attempt', doc: next, ifVersion: version }]);
      expect((await called(changed)).toSorted()).toEqual(['Commit', 'Listen']);
    });

    test('what is due is found without the bodies', async () => {
      const proxy = await grpcProxy(host);
      const { store } = testStore(proxy.host);
      const doc = executionIn('STOPPING', { finish: { data: { text: 'x'.repeat(200 * 1024) } } });
      await store.commit([{ kind: 'execution', doc }]);
      const { items } = await store.due('execution', doc.shard, Number.MAX_SAFE_INTEGER, 10);
      expect(items.map(due => due.id)).toEqual([idOfExecution(doc)]);
      expect(proxy.received['RunQuery']).toBeLessThan(2000);
    });
  });

  describe('expireAt, for a TTL policy', () => {
    const retentionMs = 86_400_000;
    const wakeAt = attempt.createdAt;
    const writes = [undefined, wakeAt].flatMap(owed => [
      ...ATTEMPT_STATES.map(state => ({ kind: 'attempt' as const, doc: attemptIn(state, { wakeAt: owed }) })),
      ...EXECUTION_STATES.map(state => ({ kind: 'execution' as const, doc: executionIn(state, { wakeAt: owed }) })),
    ]);

    test.each(writes)('$kind $doc.state, due at $doc.wakeAt', async write => {
      const { store, firestore } = testStore(host, { retentionMs });
      await store.commit([write]);
      const isOver = write.kind === 'attempt' ? isAttemptOver(write.doc) : !isLive(write.doc);
      const isKept = !isOver || write.doc.wakeAt !== undefined;
      const { docs } = await firestore.collection(`${write.kind}s`).get();
      expect(docs.map(doc => doc.get('expireAt')?.toMillis())).toEqual([
        isKept ? undefined : write.doc.updatedAt + retentionMs,
      ]);
    });

    test('of an edge is there exactly while it is closed, and what counts it while it is open', async () => {
      const projectId = freshProject();
      const { store, firestore } = testStore(host, { projectId, retentionMs });
      const { store: keeping } = testStore(host, { projectId });
      const asking = { dependent: id, execution: 1, ask: 1, spare: 0 };
      const dependency = attemptId(attempt.quest, 2);
      const open = decideEdge(undefined, dependency, asking, attempt.createdAt);
      const settled = decideSettle(open, open.updatedAt + 1);
      const reopened = decideReopen(settled, dependency, { ...asking, execution: 2 }, settled.updatedAt + 1);
      const withdrawn = decideWithdraw(reopened, reopened.updatedAt + 1);
      let version: Version | undefined;
      async function fieldsAfter(doc: Edge, writer: Store = store): Promise<unknown[]> {
        [version] = await writer.commit([{ kind: 'edge', doc, ...(version && { ifVersion: version }) }]);
        const { docs } = await firestore.collection('edges').get();
        return docs.flatMap(found => [found.get('expireAt')?.toMillis(), found.get('openFor')]);
      }
      expect(await fieldsAfter(open)).toEqual([undefined, `${id}|1|1`]);
      expect(await fieldsAfter(settled)).toEqual([settled.updatedAt + retentionMs, undefined]);
      expect(await fieldsAfter(reopened)).toEqual([undefined, `${id}|2|1`]);
      expect(await fieldsAfter(withdrawn)).toEqual([withdrawn.updatedAt + retentionMs, undefined]);
      expect(await fieldsAfter({ ...withdrawn, revision: 9 }, keeping)).toEqual([undefined, undefined]);
    });

    test('comes with the write that settles the last debt, and never without a retention', async () => {
      const projectId = freshProject();
      const { store, firestore } = testStore(host, { projectId, retentionMs });
      const { store: keeping } = testStore(host, { projectId });
      const owing = executionIn('FINISHED', { wakeAt });
      const [first] = await store.commit([{ kind: 'execution', doc: owing }]);
      const done = executionIn('FINISHED', { revision: 2, wakeAt: undefined });
      const [second] = await store.commit([{ kind: 'execution', doc: done, ifVersion: first! }]);
      const expireAt = async () =>
        (await firestore.collection('executions').doc(idOfExecution(owing)).get()).get('expireAt')?.toMillis();
      expect(await expireAt()).toBe(done.updatedAt + retentionMs);
      await keeping.commit([{ kind: 'execution', doc: { ...done, revision: 3 }, ifVersion: second! }]);
      expect(await expireAt()).toBeUndefined();
    });
  });

  describe('a document broken by hand', () => {
    test.each([
      { fields: { schemaVersion: 2 }, revision: 0 },
      { fields: { schemaVersion: FieldValue.delete() }, revision: 0 },
      { fields: { revision: 'one' }, revision: 0 },
      { fields: { revision: FieldValue.delete() }, revision: 0 },
      { fields: { body: '{broken' }, revision: 1 },
      { fields: { body: '[]' }, revision: 1 },
      { fields: { body: { quest: 'native' } }, revision: 1 },
      { fields: { body: FieldValue.delete() }, revision: 1 },
      { fields: { state: 'BORED' }, revision: 1 },
    ])('with $fields is named, left out of lists, found due and postponed', async ({ fields, revision }) => {
      const { store, firestore } = testStore(host);
      const other = attemptIn('SCHEDULING', { attempt: 2, shard: attempt.shard });
      await store.commit([attempt, other].map(doc => ({ kind: 'attempt' as const, doc })));
      await firestore.collection('attempts').doc(id).update(fields);
      await expect(store.get('attempt', id)).rejects.toThrow(UnreadableDocument);
      await expect(store.get('attempt', id)).rejects.toThrow(`attempt ${id}: `);
      expect((await store.listAttempts({ pageSize: 10 })).items).toEqual([other]);
      const later = attempt.createdAt + 1;
      await store.postpone('attempt', id, later);
      const { items } = await store.due('attempt', attempt.shard, later, 10);
      expect(items).toEqual([
        { kind: 'attempt', id: idOfAttempt(other), revision: 1, wakeAt: attempt.createdAt },
        { kind: 'attempt', id, revision, wakeAt: later },
      ]);
    });

    test('a quest of an unknown schema version is named', async () => {
      const { store, firestore } = testStore(host);
      await store.commit([{ kind: 'quest', doc: questFixture() }]);
      await firestore.collection('quests').doc(attempt.quest).update({ schemaVersion: 2 });
      await expect(store.get('quest', attempt.quest)).rejects.toThrow(`quest ${attempt.quest}: schemaVersion`);
    });

    test.each([{ schemaVersion: 2 }, { body: '{broken' }, { body: FieldValue.delete() }, { dependent: 'somebody' }])(
      'an edge with %j is named, left out of lists, and counted still',
      async fields => {
        const { store, firestore } = testStore(host);
        const asking = { dependent: id, execution: 1, ask: 1, spare: 0 };
        const [broken, other] = [2, 3].map(n =>
          decideEdge(undefined, attemptId(attempt.quest, n), asking, attempt.createdAt),
        ) as [Edge, Edge];
        await store.commit([broken, other].map(doc => ({ kind: 'edge' as const, doc })));
        await firestore.collection('edges').doc(idOfEdge(broken)).update(fields);
        await expect(store.get('edge', idOfEdge(broken))).rejects.toThrow(`edge ${idOfEdge(broken)}: `);
        const { items } = await store.listEdges({ wait: waitOfEdge(other), limit: 5 });
        expect(items.map(({ doc }) => doc)).toEqual([other]);
        expect(await store.countOpen(waitOfEdge(other), 5)).toBe(2);
      },
    );

    test('with a time finer than ours, the pages of what is due go on past it', async () => {
      const { store, firestore } = testStore(host);
      const docs = [1, 2, 3].map(n => attemptIn('SCHEDULING', { attempt: n, shard: 3 }));
      await store.commit(docs.map(doc => ({ kind: 'attempt' as const, doc })));
      const finer = Timestamp.fromMillis(attempt.createdAt + 0.5);
      await firestore.collection('attempts').doc(id).update({ wakeAt: finer });
      const found: string[] = [];
      for (let after: string | undefined, pages = 0; pages < 5; pages++) {
        const page = await store.due('attempt', 3, attempt.createdAt + 9, 1, after);
        found.push(...page.items.map(due => due.id));
        after = page.next;
        if (after === undefined) break;
      }
      expect(found).toEqual([docs[1]!, docs[2]!, docs[0]!].map(idOfAttempt));
    });

    test('an adapter document that is no JSON is named, and left out of lists', async () => {
      const { store, firestore } = testStore(host);
      const documents = store.adapterDocuments('web');
      for (const name of ['a', 'b']) await documents.put(name, { name }, { expireAt: Date.now() });
      await firestore.doc('adapters/web/adapterDocuments/a').update({ body: '{broken' });
      await expect(documents.get('a')).rejects.toThrow('web document a: ');
      expect((await documents.list({ limit: 10 })).items.map(item => item.id)).toEqual(['b']);
    });
  });
});
