import { randomUUID } from 'node:crypto';
import { type DocumentSnapshot, FieldPath, type Firestore } from '@google-cloud/firestore';
import { adapterDocumentText } from '../core/documents.ts';
import { UnreadableDocument } from '../core/errors.ts';
import { isJsonObject, type JsonObject, parseJson } from '../core/json.ts';
import { pageOf } from '../core/page.ts';
import type { AdapterDocuments, Stored } from '../core/ports.ts';
import type { Calls } from './calls.ts';
import { documentName, idOfDocument, instant, parseTimestamp, versionOf } from './documents.ts';

export function createAdapterDocuments(firestore: Firestore, calls: Calls, namespace: string): AdapterDocuments {
  const collection = firestore.collection('adapters').doc(documentName(namespace)).collection('adapterDocuments');
  const refOf = (id: string) => collection.doc(documentName(id));

  function storedOf(snapshot: DocumentSnapshot): Stored<JsonObject> | undefined {
    const body: unknown = snapshot.get('body');
    const doc = typeof body === 'string' ? parseJson(body) : undefined;
    return isJsonObject(doc) ? { doc, version: versionOf(snapshot.updateTime!) } : undefined;
  }

  return {
    async get(id) {
      const snapshot = await calls.read(`read ${namespace} document ${id}`, () => refOf(id).get());
      if (!snapshot.exists) return undefined;
      const stored = storedOf(snapshot);
      if (stored === undefined) throw new UnreadableDocument(`${namespace} document ${id}: is not a JSON object`);
      return stored;
    },

    async put(id, doc, { ifVersion, expireAt }) {
      const body = adapterDocumentText(doc);
      // Firestore keeps the version of a document that a write does not change: two who write the same would both win.
      const fields = { body, expireAt: instant(expireAt), writeId: randomUUID() };
      const batch = firestore.batch();
      if (ifVersion === undefined) batch.create(refOf(id), fields);
      else batch.update(refOf(id), fields, { lastUpdateTime: parseTimestamp(ifVersion) });
      const [written] = await calls.commit(`write ${namespace} document ${id}`, batch);
      return versionOf(written!.writeTime);
    },

    async delete(id) {
      await calls.commit(`delete ${namespace} document ${id}`, firestore.batch().delete(refOf(id)));
    },

    async list({ limit, after }) {
      const sorted = collection.orderBy(FieldPath.documentId()).limit(limit + 1);
      const query = after === undefined ? sorted : sorted.startAfter(documentName(after));
      const { docs } = await calls.read(`list the documents of ${namespace}`, () => query.get());
      const { items, ...page } = pageOf(
        docs,
        limit,
        found => ({ id: idOfDocument(found.id), stored: storedOf(found) }),
        last => idOfDocument(last.id),
      );
      // As with attempts, one broken document hides no other.
      return { ...page, items: items.flatMap(({ id, stored }) => (stored === undefined ? [] : [{ id, ...stored }])) };
    },
  };
}
