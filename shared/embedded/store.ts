import { EventEmitter, once } from 'node:events';
import { type Attempt, idOfAttempt } from '../core/attempt.ts';
import { idOf, ifReadable, readDocument } from '../core/documents.ts';
import { ConflictError } from '../core/errors.ts';
import { executionId, parseAttemptId } from '../core/ids.ts';
import { parseJson } from '../core/json.ts';
import type { Documents, Kind, Store, Version, Write } from '../core/ports.ts';
import { createAdapterDocuments, createExpiry } from './adapter-documents.ts';
import type { Database } from './database.ts';
import { pageOf } from '../core/page.ts';

export interface EmbeddedStore extends Store {
  /** Deletes the adapter documents that have expired. */
  purgeExpired(now: number): Promise<void>;
}

interface Row {
  id: string;
  version: number;
  body: string;
}

/** The store on SQLite. Versions count the writes of a document. */
export function createStore(database: Database): EmbeddedStore {
  const select = database.prepare('SELECT id, version, body FROM documents WHERE id = ? AND kind = ?');
  const insert = database.prepare(`
    INSERT INTO documents (id, kind, version, shard, wake_at, state, distributor, body) VALUES (?, ?, 1, ?, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING`);
  // Shard and distributor of a document never change; not to name them spares their indexes.
  const update = database.prepare(`
    UPDATE documents SET version = version + 1, wake_at = ?, state = ?, body = ? WHERE id = ? AND version = ?`);
  const selectDue = database.prepare(`
    SELECT rowid, id, wake_at, body FROM documents
    WHERE kind = ? AND shard = ? AND wake_at <= ? AND (wake_at, rowid) > (?, ?) ORDER BY wake_at, rowid LIMIT ?`);
  const postpone = database.prepare(`
    UPDATE documents SET version = version + 1, wake_at = ?1,
      body = CASE WHEN json_valid(body) THEN json_set(body, '$.wakeAt', ?1) ELSE body END
    WHERE id = ?2 AND kind = ?3 AND wake_at IS NOT NULL`);

  /** Emits the id of an attempt when it was written. */
  const written = new EventEmitter().setMaxListeners(0);

  function row(kind: Kind, id: string): Row | undefined {
    return select.get(id, kind) as Row | undefined;
  }

  function apply(write: Write): Version {
    const { kind, doc, ifVersion } = write;
    const { id, shard = null, wakeAt = null, state = null, distributor = null } = columnsOf(write);
    const body = JSON.stringify(doc);
    const { changes } =
      ifVersion === undefined
        ? insert.run(id, kind, shard, wakeAt, state, distributor, body)
        : update.run(wakeAt, state, body, id, Number(ifVersion));
    if (changes === 0) throw new ConflictError(`${kind} ${id} was written by someone else`);
    return versionOf(ifVersion === undefined ? 1 : Number(ifVersion) + 1);
  }

  return {
    async get(kind, id) {
      const found = row(kind, id);
      return found && { doc: read(kind, found), version: versionOf(found.version) };
    },

    async commit(writes) {
      const versions = await database.transact(() => writes.map(apply));
      for (const { kind, doc } of writes) if (kind === 'attempt') written.emit(idOfAttempt(doc));
      return versions;
    },

    async due(kind, shard, before, limit, after = '') {
      const [wakeAt = 0, rowid = 0] = after.split('|').map(Number);
      const rows = selectDue.all(kind, shard, before, wakeAt, rowid, limit + 1) as unknown as (Row & {
        rowid: number;
        wake_at: number;
      })[];
      return pageOf(
        rows,
        limit,
        found => ({ kind, id: found.id, revision: revisionOf(kind, found), wakeAt: found.wake_at }),
        last => `${last.wake_at}|${last.rowid}`,
      );
    },

    async postpone(kind, id, until) {
      await database.transact(() => postpone.run(until, id, kind));
      if (kind === 'attempt') written.emit(id);
    },

    async listAttempts({ state, distributor, pageSize, after = '' }) {
      const { sql, parameters } = attemptFilter(state, distributor);
      const rows = database
        .prepare(`SELECT id, version, body FROM documents WHERE ${sql} AND id > ? ORDER BY id LIMIT ?`)
        .all(...parameters, after, pageSize + 1) as unknown as Row[];
      const { items, next } = pageOf(
        rows,
        pageSize,
        found => ifReadable(() => read('attempt', found)),
        last => last.id,
      );
      // Who wants a broken one gets the error from `get`.
      const attempts = items.filter(attempt => attempt !== undefined);
      return next === undefined ? { items: attempts } : { items: attempts, next };
    },

    async listExecutions(id, first, last) {
      const { quest, attempt } = parseAttemptId(id);
      const executions = [];
      for (let number = first; number <= last; number++) {
        const found = row('execution', executionId(quest, attempt, number));
        const readable = found && ifReadable(() => read('execution', found));
        if (readable !== undefined) executions.push(readable);
      }
      return executions;
    },

    async changed(id, version, signal) {
      // Between this look and the subscription nothing else can run, so no write is missed.
      const found = row('attempt', id);
      if (signal.aborted || found === undefined || versionOf(found.version) !== version) return;
      await once(written, id, { signal }).catch(() => {});
    },

    adapterDocuments: namespace => createAdapterDocuments(database, namespace),
    purgeExpired: createExpiry(database),
  };
}

/** What is stored beside the body, to be found by. */
interface Columns {
  id: string;
  shard?: number;
  wakeAt?: number | undefined;
  state?: Attempt['state'];
  distributor?: string;
}

function columnsOf(write: Write): Columns {
  const id = idOf(write);
  if (write.kind === 'quest') return { id };
  const { shard, wakeAt } = write.doc;
  if (write.kind === 'execution') return { id, shard, wakeAt };
  const { state, distributor } = write.doc;
  return { id, shard, wakeAt, state, distributor };
}

function attemptFilter(state?: string, distributor?: string): { sql: string; parameters: string[] } {
  if (state === undefined && distributor === undefined) return { sql: "kind = 'attempt'", parameters: [] };
  if (state === undefined) return { sql: 'distributor = ?', parameters: [distributor!] };
  if (distributor === undefined) return { sql: 'state = ?', parameters: [state] };
  // The plus keeps the planner from the index by distributor, which lacks the state.
  return { sql: 'state = ? AND +distributor = ?', parameters: [state, distributor] };
}

function read<K extends Kind>(kind: K, { id, body }: Row): Documents[K] {
  return readDocument(kind, id, parseJson(body));
}

function revisionOf(kind: 'attempt' | 'execution', row: Row): number {
  return ifReadable(() => read(kind, row))?.revision ?? 0;
}

function versionOf(writes: number): Version {
  return String(writes) as Version;
}
