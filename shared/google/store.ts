import {
  type CollectionReference,
  type DocumentReference,
  type DocumentSnapshot,
  FieldPath,
  type Firestore,
  type Timestamp,
} from '@google-cloud/firestore';
import { idOf, ifReadable, lineOfFree, lineOfQueued } from '../core/documents.ts';
import type { EdgeFilter } from '../core/edge.ts';
import { ConflictError } from '../core/errors.ts';
import { executionId, parseAttemptId } from '../core/ids.ts';
import { fullPageOf, pageOf, readablePage } from '../core/page.ts';
import type { Clock, Kind, Store } from '../core/ports.ts';
import { createAdapterDocuments } from './adapter-documents.ts';
import { createCalls } from './calls.ts';
import {
  changesOf,
  COLLECTIONS,
  documentName,
  documentOf,
  fieldsOf,
  idOfDocument,
  instant,
  parseTimestamp,
  revisionOf,
  timestampText,
  versionOf,
} from './documents.ts';

export interface FirestoreStoreOptions {
  clock: Clock;
  /** After this long, documents that are over may be deleted by a TTL policy on `expireAt`; never unless given. */
  retentionMs?: number;
  /** One call with its repetitions. The client's own default is minutes. */
  timeoutMs?: number;
}

const TIMEOUT_MS = 10_000;
/** A listener that breaks is no reason to read in a hot loop. */
const BROKEN_LISTENER_MS = 1000;

/**
 * The store on Firestore. A version is a document's update time; a commit is one atomic batch of writes on condition of
 * these. There are no transactions: theirs queue on locks.
 */
export function createStore(firestore: Firestore, options: FirestoreStoreOptions): Store {
  const { clock, retentionMs, timeoutMs = TIMEOUT_MS } = options;
  const calls = createCalls(timeoutMs);
  const collectionOf = (kind: Kind): CollectionReference => firestore.collection(COLLECTIONS[kind]);
  const refOf = (kind: Kind, id: string): DocumentReference => collectionOf(kind).doc(documentName(id));

  return {
    async get(kind, id) {
      const snapshot = await calls.read(`read ${kind} ${id}`, () => refOf(kind, id).get());
      if (!snapshot.exists) return undefined;
      return { doc: documentOf(kind, snapshot), version: versionOf(snapshot.updateTime!) };
    },

    async commit(writes) {
      const batch = firestore.batch();
      for (const write of writes) {
        const ref = refOf(write.kind, idOf(write));
        if (write.ifVersion === undefined) batch.create(ref, fieldsOf(write, retentionMs));
        else batch.update(ref, changesOf(write, retentionMs), { lastUpdateTime: parseTimestamp(write.ifVersion) });
      }
      const what = `write ${writes.map(write => `${write.kind} ${idOf(write)}`).join(', ')}`;
      return (await calls.commit(what, batch)).map(({ writeTime }) => versionOf(writeTime));
    },

    async due(kind, shard, before, limit, after) {
      const sorted = collectionOf(kind)
        .where('shard', '==', shard)
        .where('wakeAt', '<=', instant(before))
        .orderBy('wakeAt')
        .orderBy(FieldPath.documentId())
        // Without the bodies, which can be as large as results are.
        .select('schemaVersion', 'revision', 'wakeAt', 'group')
        .limit(limit + 1);
      const query = after === undefined ? sorted : sorted.startAfter(...cursorValues(after));
      const { docs } = await calls.read(`find what is due of shard ${shard}`, () => query.get());
      return pageOf(
        docs,
        limit,
        found => ({
          kind,
          id: idOfDocument(found.id),
          revision: revisionOf(found),
          wakeAt: wakeAtOf(found).toMillis(),
          ...groupIn(found),
        }),
        last => `${timestampText(wakeAtOf(last))}|${last.id}`,
      );
    },

    async postpone(kind, id, until) {
      const ref = refOf(kind, id);
      const [found] = await calls.read(`read ${kind} ${id}`, () => firestore.getAll(ref, { fieldMask: ['wakeAt'] }));
      if (found?.get('wakeAt') === undefined) return;
      const batch = firestore.batch().update(ref, { wakeAt: instant(until) }, { lastUpdateTime: found.updateTime! });
      // Whoever wrote in between has decided anew when it is due.
      await calls.commit(`postpone ${kind} ${id}`, batch).catch(unlessConflict);
    },

    async listAttempts({ state, distributor, pageSize, after }) {
      let query = collectionOf('attempt')
        .orderBy(FieldPath.documentId())
        .limit(pageSize + 1);
      if (state !== undefined) query = query.where('state', '==', state);
      if (distributor !== undefined) query = query.where('distributor', '==', distributor);
      if (after !== undefined) query = query.startAfter(documentName(after));
      const { docs } = await calls.read('list attempts', () => query.get());
      return readablePage(
        docs,
        pageSize,
        found => documentOf('attempt', found),
        last => idOfDocument(last.id),
      );
    },

    async listExecutions(id, first, last) {
      const { quest, attempt } = parseAttemptId(id);
      const numbers = Array.from({ length: Math.max(0, last - first + 1) }, (_, n) => first + n);
      if (numbers.length === 0) return [];
      const refs = numbers.map(number => refOf('execution', executionId(quest, attempt, number)));
      const found = await calls.read(`list the executions of ${id}`, () => firestore.getAll(...refs));
      return found
        .filter(({ exists }) => exists)
        .flatMap(snapshot => ifReadable(() => documentOf('execution', snapshot)) ?? []);
    },

    async listEdges({ limit, after, ...of }) {
      const sorted = collectionOf('edge')
        .where(...edgeFilter(of))
        .orderBy(FieldPath.documentId())
        .limit(limit + 1);
      const query = after === undefined ? sorted : sorted.startAfter(documentName(after));
      const { docs } = await calls.read('list edges', () => query.get());
      return readablePage(
        docs,
        limit,
        found => ({ doc: documentOf('edge', found), version: versionOf(found.updateTime) }),
        last => idOfDocument(last.id),
      );
    },

    async countOpen(wait, upTo) {
      const query = collectionOf('edge')
        .where(...edgeFilter({ wait }))
        .limit(upTo);
      const counted = await calls.read('count open edges', () => query.count().get());
      return counted.data().count;
    },

    async listQueued(distributor, limit, after) {
      const sorted = collectionOf('attempt')
        .where('line', '==', lineOfQueued(distributor))
        .orderBy('place')
        .orderBy(FieldPath.documentId())
        .limit(limit);
      const [place = '', name = ''] = after?.split('\n') ?? [];
      const query = after === undefined ? sorted : sorted.startAfter(Number(place), name);
      const { docs } = await calls.read(`list who waits for ${distributor}`, () => query.get());
      return fullPageOf(
        docs,
        limit,
        found => ({ doc: documentOf('attempt', found), version: versionOf(found.updateTime) }),
        last => `${last.get('place')}\n${last.id}`,
      );
    },

    async listFree({ count, now, ...of }, limit) {
      const query = collectionOf('slot')
        .where('line', '==', lineOfFree(of))
        .where('place', '<=', now)
        .where('number', '<=', count)
        .orderBy('place')
        .orderBy('number')
        .limit(limit);
      const { docs } = await calls.read(`list free slots of ${of.distributor}`, () => query.get());
      return fullPageOf(
        docs,
        limit,
        found => ({ doc: documentOf('slot', found), version: versionOf(found.updateTime) }),
        last => last.id,
      ).items;
    },

    async changed(id, version, signal) {
      if (signal.aborted) return;
      const { promise: over, resolve: end } = Promise.withResolvers<void>();
      const stopListening = refOf('attempt', id).onSnapshot(
        ({ updateTime }) => {
          if (updateTime === undefined || versionOf(updateTime) !== version) end();
        },
        () => void clock.sleep(BROKEN_LISTENER_MS, signal).then(end, end),
      );
      const aborted = () => end();
      signal.addEventListener('abort', aborted);
      await over;
      signal.removeEventListener('abort', aborted);
      stopListening();
    },

    adapterDocuments: namespace => createAdapterDocuments(firestore, calls, namespace),
  };
}

function edgeFilter(of: EdgeFilter): [field: string, operator: '==', value: string] {
  if ('wait' in of) return ['openFor', '==', of.wait];
  return 'dependent' in of ? ['dependent', '==', of.dependent] : ['dependency', '==', of.dependency];
}

function groupIn(snapshot: DocumentSnapshot): { group?: string } {
  const group: unknown = snapshot.get('group');
  return typeof group === 'string' ? { group } : {};
}

function wakeAtOf(snapshot: DocumentSnapshot): Timestamp {
  return snapshot.get('wakeAt') as Timestamp;
}

/** The position of a document: its time and its name, which holds the separator too. */
function cursorValues(after: string): [Timestamp, string] {
  const separator = after.indexOf('|');
  return [parseTimestamp(after.slice(0, separator)), after.slice(separator + 1)];
}

function unlessConflict(error: unknown): void {
  if (!(error instanceof ConflictError)) throw error;
}
