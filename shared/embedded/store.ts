import { EventEmitter, once } from 'node:events';
import { type Attempt, idOfAttempt } from '../core/attempt.ts';
import type { StatementResultingChanges } from 'node:sqlite';
import { groupOf, idOf, ifReadable, lineOfFree, lineOfQueued, placeOf, readDocument } from '../core/documents.ts';
import { type Edge, idOfEdge, waitOfEdge } from '../core/edge.ts';
import { ConflictError } from '../core/errors.ts';
import { executionId, parseAttemptId } from '../core/ids.ts';
import { parseJson } from '../core/json.ts';
import type { Documents, DueDocument, Kind, OwedKind, Store, Version, Write } from '../core/ports.ts';
import { createAdapterDocuments, createExpiry } from './adapter-documents.ts';
import type { Database } from './database.ts';
import { fullPageOf, pageOf, readablePage } from '../core/page.ts';

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
    INSERT INTO documents (id, kind, version, shard, wake_at, state, distributor, line, place, body)
    VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING`);
  // Shard and distributor of a document never change; not to name them spares their indexes.
  const update = database.prepare(`
    UPDATE documents SET version = version + 1, wake_at = ?, state = ?, line = ?, place = ?, body = ?
    WHERE id = ? AND version = ?`);
  const selectEdge = database.prepare('SELECT id, version, body FROM edges WHERE id = ?');
  const insertEdge = database.prepare(`
    INSERT INTO edges (id, version, dependent, dependency, open_for, body) VALUES (?, 1, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING`);
  const updateEdge = database.prepare(`
    UPDATE edges SET version = version + 1, open_for = ?, body = ? WHERE id = ? AND version = ?`);
  const selectOpen = database.prepare('SELECT id FROM edges WHERE open_for = ? LIMIT ?');
  const selectDue = database.prepare(`
    SELECT rowid, id, wake_at, body FROM documents
    WHERE kind = ? AND shard = ? AND wake_at <= ? AND (wake_at, rowid) > (?, ?) ORDER BY wake_at, rowid LIMIT ?`);
  const selectQueued = database.prepare(`
    SELECT id, version, place, body FROM documents WHERE line = ? AND (place, id) > (?, ?) ORDER BY place, id LIMIT ?`);
  const selectFree = database.prepare(`
    SELECT id, version, body FROM documents
    WHERE line = ? AND place <= ? AND iif(json_valid(body), json_extract(body, '$.number'), 0) <= ? ORDER BY place, id LIMIT ?`);
  const postpone = database.prepare(`
    UPDATE documents SET version = version + 1, wake_at = ?1,
      body = CASE WHEN json_valid(body) THEN json_set(body, '$.wakeAt', ?1) ELSE body END
    WHERE id = ?2 AND kind = ?3 AND wake_at IS NOT NULL`);

  /** Emits the id of an attempt when it was written. */
  const written = new EventEmitter().setMaxListeners(0);

  function row(kind: Kind, id: string): Row | undefined {
    const found = kind === 'edge' ? selectEdge.get(id) : select.get(id, kind);
    return found as Row | undefined;
  }

  function apply(write: Write): Version {
    const { kind, ifVersion } = write;
    const { changes } = kind === 'edge' ? applyEdge(write.doc, ifVersion) : applyDocument(write);
    if (changes === 0) throw new ConflictError(`${kind} ${idOf(write)} was written by someone else`);
    return versionOf(ifVersion === undefined ? 1 : Number(ifVersion) + 1);
  }

  function applyDocument(write: DocumentWrite): StatementResultingChanges {
    const { kind, doc, ifVersion } = write;
    const { id, shard = null, wakeAt = null, state = null, distributor = null } = columnsOf(write);
    const { line = null, at: place = null } = placeOf(write) ?? {};
    const body = JSON.stringify(doc);
    return ifVersion === undefined
      ? insert.run(id, kind, shard, wakeAt, state, distributor, line, place, body)
      : update.run(wakeAt, state, line, place, body, id, Number(ifVersion));
  }

  function applyEdge(edge: Edge, ifVersion: Version | undefined): StatementResultingChanges {
    const [id, openFor, body] = [idOfEdge(edge), edge.open ? waitOfEdge(edge) : null, JSON.stringify(edge)];
    return ifVersion === undefined
      ? insertEdge.run(id, edge.dependent, edge.dependency, openFor, body)
      : updateEdge.run(openFor, body, id, Number(ifVersion));
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
        found => dueDocument(kind, found),
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
      return readablePage(
        rows,
        pageSize,
        found => read('attempt', found),
        last => last.id,
      );
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

    async listEdges({ limit, after = '', ...of }) {
      const [column, value] =
        'wait' in of
          ? (['open_for', of.wait] as const)
          : 'dependent' in of
            ? (['dependent', of.dependent] as const)
            : (['dependency', of.dependency] as const);
      const rows = database
        .prepare(`SELECT id, version, body FROM edges WHERE ${column} = ? AND id > ? ORDER BY id LIMIT ?`)
        .all(value, after, limit + 1) as unknown as Row[];
      return readablePage(
        rows,
        limit,
        found => ({ doc: read('edge', found), version: versionOf(found.version) }),
        last => last.id,
      );
    },

    async countOpen(wait, upTo) {
      return selectOpen.all(wait, upTo).length;
    },

    async listQueued(distributor, limit, after = '') {
      const [place = '', id = ''] = after.split('\n');
      const found = selectQueued.all(lineOfQueued(distributor), Number(place), id, limit);
      return fullPageOf(
        found as unknown as (Row & { place: number })[],
        limit,
        one => ({ doc: read('attempt', one), version: versionOf(one.version) }),
        last => `${last.place}\n${last.id}`,
      );
    },

    async listFree({ count, now, ...of }, limit) {
      const rows = selectFree.all(lineOfFree(of), now, count, limit) as unknown as Row[];
      return fullPageOf(
        rows,
        limit,
        found => ({ doc: read('slot', found), version: versionOf(found.version) }),
        last => last.id,
      ).items;
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

type DocumentWrite = Exclude<Write, { kind: 'edge' }>;

function columnsOf(write: DocumentWrite): Columns {
  const id = idOf(write);
  if (write.kind === 'quest') return { id };
  const { shard, wakeAt } = write.doc;
  if (write.kind !== 'attempt') return { id, shard, wakeAt };
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

function dueDocument(kind: OwedKind, row: Row & { wake_at: number }): DueDocument {
  const doc = ifReadable(() => read(kind, row));
  const group = doc && groupOf({ kind, doc } as Write);
  return { kind, id: row.id, revision: doc?.revision ?? 0, wakeAt: row.wake_at, ...(group !== undefined && { group }) };
}

function versionOf(writes: number): Version {
  return String(writes) as Version;
}
