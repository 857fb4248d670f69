import { randomUUID } from 'node:crypto';
import { adapterDocumentText } from '../core/documents.ts';
import { ConflictError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { AdapterDocuments, Stored, Version } from '../core/ports.ts';
import type { Database } from './database.ts';
import { pageOf } from '../core/page.ts';

/** Deleted in one go, so that an expired million does not stop everything else. */
const PURGE_BATCH = 1000;

interface Row {
  id: string;
  version: string;
  body: string;
}

export function createAdapterDocuments(database: Database, namespace: string): AdapterDocuments {
  const select = database.prepare('SELECT id, version, body FROM adapter_documents WHERE namespace = ? AND id = ?');
  const insert = database.prepare(`
    INSERT INTO adapter_documents (version, expire_at, body, namespace, id) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING`);
  const update = database.prepare(`
    UPDATE adapter_documents SET version = ?, expire_at = ?, body = ? WHERE namespace = ? AND id = ? AND version = ?`);
  const remove = database.prepare('DELETE FROM adapter_documents WHERE namespace = ? AND id = ?');
  const selectPage = database.prepare(`
    SELECT id, version, body FROM adapter_documents WHERE namespace = ? AND id > ? ORDER BY id LIMIT ?`);

  return {
    async get(id) {
      const row = select.get(namespace, id) as Row | undefined;
      return row && stored(row);
    },

    async put(id, doc, { ifVersion, expireAt }) {
      const body = adapterDocumentText(doc);
      // Not a count of writes: a document that is deleted and made anew must not get an old version back.
      const version = randomUUID() as string as Version;
      await database.transact(() => {
        const { changes } =
          ifVersion === undefined
            ? insert.run(version, expireAt, body, namespace, id)
            : update.run(version, expireAt, body, namespace, id, ifVersion);
        if (changes === 0) throw new ConflictError(`${namespace} document ${id} was written by someone else`);
      });
      return version;
    },

    async delete(id) {
      await database.transact(() => remove.run(namespace, id));
    },

    async list({ limit, after = '' }) {
      const rows = selectPage.all(namespace, after, limit + 1) as unknown as Row[];
      return pageOf(
        rows,
        limit,
        row => ({ id: row.id, ...stored(row) }),
        last => last.id,
      );
    },
  };
}

/** Returns a function that deletes the documents of all namespaces that have expired at `now`. */
export function createExpiry(database: Database): (now: number) => Promise<void> {
  const purge = database.prepare(`
    DELETE FROM adapter_documents WHERE rowid IN (SELECT rowid FROM adapter_documents WHERE expire_at <= ? LIMIT ?)`);
  return async now => {
    let deleted: number | bigint;
    do deleted = await database.transact(() => purge.run(now, PURGE_BATCH).changes);
    while (deleted === PURGE_BATCH);
  };
}

function stored({ version, body }: Row): Stored<JsonObject> {
  return { doc: JSON.parse(body) as JsonObject, version: version as Version };
}
