import { type DocumentSnapshot, FieldPath, type Firestore } from '@google-cloud/firestore';
import { adapterDocumentText } from '../core/documents.ts';
import type { JsonObject } from '../core/json.ts';
import { pageOf } from '../core/page.ts';
import type { AdapterDocuments, Stored } from '../core/ports.ts';
import type { Calls } from './calls.ts';
import { documentName, idOfDocument, instant, updateTimeOf, versionOf } from './documents.ts';

export function createAdapterDocuments(firestore: Firestore, calls: Calls, namespace: string): AdapterDocuments {
  const collection = firestore.collection('adapters').doc(documentName(namespace)).collection('adapterDocuments');
  const refOf = (id: string) => collection.doc(documentName(id));
  return {
    async get(id) {
      const snapshot = await calls.read(`read ${namespace} document ${id}`, () => refOf(id).get());
      return snapshot.exists ? storedOf(snapshot) : undefined;
    },

    async put(id, doc, { ifVersion, expireAt }) {
      const fields = { body: adapterDocumentText(doc), expireAt: instant(expireAt) };
      const batch = firestore.batch();
      if (ifVersion === undefined) batch.create(refOf(id), fields);
      else batch.update(refOf(id), fields, { lastUpdateTime: updateTimeOf(ifVersion) });
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
      return pageOf(
        docs,
        limit,
        found => ({ id: idOfDocument(found.id), ...storedOf(found) }),
        last => idOfDocument(last.id),
      );
    },
  };
}

function storedOf(snapshot: DocumentSnapshot): Stored<JsonObject> {
  return { doc: JSON.parse(snapshot.get('body') as string) as JsonObject, version: versionOf(snapshot.updateTime!) };
}
