import { isDeepStrictEqual } from 'node:util';
import { idOfAttempt } from '../shared/core/attempt.ts';
import { groupOf, idOf, lineOfFree, lineOfQueued, placeOf, readDocument } from '../shared/core/documents.ts';
import { type Edge, isEdgeOf } from '../shared/core/edge.ts';
import { ConflictError } from '../shared/core/errors.ts';
import { type AttemptId, executionId, parseAttemptId } from '../shared/core/ids.ts';
import type { JsonObject } from '../shared/core/json.ts';
import type {
  AdapterDocuments,
  Documents,
  DueDocument,
  Kind,
  OwedKind,
  Store,
  Stored,
  Version,
  Write,
} from '../shared/core/ports.ts';
import type { CallPort } from './instance.ts';

/** A document before and after a commit. */
export type Change = {
  [K in Kind]: { kind: K; id: string; before?: Documents[K]; after: Documents[K]; commit: Commit };
}[Kind];

/** One of all commits of a world. */
export interface Commit {
  /** From 1 on. */
  number: number;
  /** How many there were when the delivery began that made it. */
  begun: number;
}

/** What all instances share; everything in it happens at once and never fails by itself. */
export interface Database {
  reach(call: CallPort): Store;
  get<K extends Kind>(kind: K, id: string): Documents[K] | undefined;
  all<K extends Kind>(kind: K): Documents[K][];
  /** Ids of documents that are owed something at this time or before. */
  due(before: number): string[];
  /** Makes a document unreadable. */
  breakDocument(id: string): void;
  isBroken(id: string): boolean;
  commits(): number;
}

interface Row {
  doc: Documents[Kind];
  version: Version;
  wakeAt: number | undefined;
}

export function createDatabase(onCommit: (changes: readonly Change[]) => void): Database {
  const rows: Record<Kind, Map<string, Row>> = {
    quest: new Map(),
    attempt: new Map(),
    execution: new Map(),
    edge: new Map(),
    slot: new Map(),
  };
  const broken = new Set<string>();
  const watchers: { id: AttemptId; wake: () => void }[] = [];
  let versions = 0;
  let commits = 0;
  const nextVersion = () => String(++versions) as Version;

  function read<K extends Kind>(kind: K, id: string): Stored<Documents[K]> | undefined {
    const row = rows[kind].get(id);
    if (row === undefined) return undefined;
    // Checking each that is read takes longer than all else; they were checked when they were written.
    const doc = (broken.has(id) ? readDocument(kind, id, { schemaVersion: 99 }) : row.doc) as Documents[K];
    return { doc, version: row.version };
  }

  function commit(writes: readonly Write[], begun: number): Version[] {
    for (const write of writes) {
      if (rows[write.kind].get(idOf(write))?.version !== write.ifVersion) {
        throw new ConflictError(`${write.kind} ${idOf(write)} was written by someone else`);
      }
    }
    const number = ++commits;
    const changes = writes.map((write): Change => {
      const { kind } = write;
      const id = idOf(write);
      const before = rows[kind].get(id)?.doc;
      const after = frozen(JSON.parse(JSON.stringify(write.doc)) as JsonObject);
      if (isWorthReading(before, after as never) && !isDeepStrictEqual(readDocument(kind, id, after), after)) {
        throw new Error(`${kind} ${id} would be read differently`);
      }
      rows[kind].set(id, {
        doc: after as never,
        version: nextVersion(),
        wakeAt: (after as { wakeAt?: number }).wakeAt,
      });
      return { kind, id, ...(before !== undefined && { before }), after, commit: { number, begun } } as Change;
    });
    onCommit(changes);
    for (const { kind, id } of changes) {
      if (kind !== 'attempt') continue;
      for (const watcher of watchers.filter(one => one.id === id)) watcher.wake();
    }
    return writes.map(write => rows[write.kind].get(idOf(write))!.version);
  }

  /** Reading back is most of the work of a commit: done for what is new, and for some of the rest. */
  function isWorthReading(before: Documents[Kind] | undefined, after: Documents[Kind]): boolean {
    return stateOf(before) !== stateOf(after) || versions % 8 === 0;
  }

  function due(kind: OwedKind, shard: number, before: number): DueDocument[] {
    const found: DueDocument[] = [];
    for (const [id, { doc, wakeAt }] of rows[kind]) {
      const { shard: own, revision } = doc as Documents['attempt'];
      if (own !== shard || wakeAt === undefined || wakeAt > before) continue;
      const group = groupOf({ kind, doc } as Write);
      found.push({ kind, id, revision: broken.has(id) ? 0 : revision, wakeAt, ...(group !== undefined && { group }) });
    }
    return found.toSorted((a, b) => a.wakeAt - b.wakeAt || (a.id < b.id ? -1 : 1));
  }

  function inLine<K extends 'attempt' | 'slot'>(kind: K, line: string): Stored<Documents[K]>[] {
    return [...rows[kind]]
      .filter(([id]) => !broken.has(id))
      .map(([id, row]) => ({ id, place: placeOf({ kind, doc: row.doc } as Write), row }))
      .filter(({ place }) => place?.line === line)
      .toSorted((a, b) => a.place!.at - b.place!.at || (a.id < b.id ? -1 : 1))
      .map(({ row: { doc, version } }) => ({ doc: doc as Documents[K], version }));
  }

  return {
    get: (kind, id) => rows[kind].get(id)?.doc as never,
    all: kind => [...rows[kind].values()].map(({ doc }) => doc) as never,
    due: before =>
      (['attempt', 'execution', 'slot'] as const).flatMap(kind =>
        [...rows[kind]].filter(([, { wakeAt }]) => wakeAt !== undefined && wakeAt <= before).map(([id]) => id),
      ),
    breakDocument: id => void broken.add(id),
    isBroken: id => broken.has(id),
    commits: () => commits,

    reach: call => ({
      get: (kind, id) => call({ name: `get ${kind} ${short(id)}`, apply: () => read(kind, id) }),
      commit: writes =>
        call({
          name: `commit ${writes.map(write => `${write.kind} ${short(idOf(write))}`).join(', ')}`,
          apply: serving => commit(writes, serving?.begun ?? commits),
          detail: () => writes.map(describeWrite).join(', '),
        }),
      due: (kind, shard, before, limit, after = '') =>
        call({
          name: `due ${kind} ${shard}`,
          quick: true,
          apply() {
            const items = due(kind, shard, before).filter(item => cursorOf(item) > after);
            const page = items.slice(0, limit);
            return items.length > limit ? { items: page, next: cursorOf(page.at(-1)!) } : { items: page };
          },
        }),
      postpone: (kind, id, until) =>
        call({
          name: `postpone ${short(id)}`,
          apply() {
            const row = rows[kind].get(id);
            if (row?.wakeAt !== undefined) rows[kind].set(id, { ...row, wakeAt: until, version: nextVersion() });
          },
        }),
      listAttempts: ({ state, distributor, pageSize, after = '' }) =>
        call({
          name: 'list attempts',
          apply() {
            const all = [...rows.attempt.keys()]
              .toSorted()
              .filter(id => id > after && !broken.has(id))
              .map(id => rows.attempt.get(id)!.doc as Documents['attempt'])
              .filter(doc => state === undefined || doc.state === state)
              .filter(doc => distributor === undefined || doc.distributor === distributor);
            const items = all.slice(0, pageSize);
            return all.length > pageSize ? { items, next: idOfAttempt(items.at(-1)!) } : { items };
          },
        }),
      listExecutions: (id, first, last) =>
        call({
          name: `list executions ${short(id)}`,
          apply() {
            const { quest, attempt } = parseAttemptId(id);
            const numbers = Array.from({ length: last - first + 1 }, (_, i) => executionId(quest, attempt, first + i));
            return numbers.flatMap(one => (broken.has(one) ? [] : (read('execution', one)?.doc ?? [])));
          },
        }),
      listEdges: ({ limit, after = '', ...of }) =>
        call({
          name: `list edges ${short(Object.values(of)[0])}`,
          apply() {
            const all = [...rows.edge]
              .map(([id, { doc, version }]) => ({ id, doc: doc as Edge, version }))
              .filter(({ id, doc }) => id > after && isEdgeOf(doc, of))
              .toSorted((a, b) => (a.id < b.id ? -1 : 1));
            const items = all.slice(0, limit).map(({ doc, version }) => ({ doc, version }));
            return all.length > limit ? { items, next: all[limit - 1]!.id } : { items };
          },
        }),
      countOpen: (wait, upTo) =>
        call({
          name: `count open ${short(wait)}`,
          apply() {
            const edges = [...rows.edge.values()].map(({ doc }) => doc as Edge);
            return Math.min(edges.filter(edge => isEdgeOf(edge, { wait })).length, upTo);
          },
        }),
      listQueued: (distributor, limit, after = '0') =>
        call({
          name: `list queued ${distributor}`,
          apply() {
            const items = inLine('attempt', lineOfQueued(distributor)).slice(Number(after), Number(after) + limit);
            return items.length === limit ? { items, next: String(Number(after) + limit) } : { items };
          },
        }),
      listFree: ({ count, now, ...of }, limit) =>
        call({
          name: `list free ${of.distributor} ${of.use}`,
          apply: () =>
            inLine('slot', lineOfFree(of))
              .filter(({ doc }) => doc.number <= count && (doc.freeAt ?? now) <= now)
              .slice(0, limit),
        }),
      changed(id, version, signal) {
        if (signal.aborted || rows.attempt.get(id)?.version !== version) return Promise.resolve();
        return new Promise(resolve => {
          const watcher = { id, wake };
          function wake() {
            const index = watchers.indexOf(watcher);
            if (index >= 0) watchers.splice(index, 1);
            resolve();
          }
          watchers.push(watcher);
          signal.addEventListener('abort', wake, { once: true });
        });
      },
      adapterDocuments: () => NO_DOCUMENTS,
    }),
  };
}

const none = () => Promise.reject(new Error('no adapter of this world keeps documents'));
const NO_DOCUMENTS: AdapterDocuments = { get: none, put: none, delete: none, list: none };

/** Enough of an id to tell it in a trace: the first characters of the quest, and the numbers. */
export function short(id: string): string {
  return id.includes('#') ? id : id.slice(0, 4) + id.slice(43);
}

function describeWrite({ kind, doc }: Write): string {
  if (kind === 'quest') return 'quest';
  if (kind === 'edge') return `edge ${doc.open ? 'open' : 'settled'} r${doc.revision}`;
  if (kind === 'slot')
    return `slot ${doc.number} ${doc.holder === undefined ? 'free' : `of ${short(doc.holder)}`} r${doc.revision}`;
  const { state, revision, wakeAt } = doc;
  return `${kind} ${state} r${revision}${wakeAt === undefined ? '' : ` wakes ${new Date(wakeAt).toISOString().slice(11, 19)}`}`;
}

function stateOf(doc: Documents[Kind] | undefined): string | undefined {
  return doc !== undefined && 'state' in doc ? doc.state : undefined;
}

function cursorOf({ wakeAt, id }: DueDocument): string {
  return `${String(wakeAt).padStart(16, '0')} ${id}`;
}

/** Whoever changes a document that was read would change what is stored. */
function frozen<T extends object>(value: T): T {
  for (const child of Object.values(value)) if (typeof child === 'object' && child !== null) frozen(child as object);
  return Object.freeze(value);
}
