import { idOfAttempt } from '../../shared/core/attempt.ts';
import {
  groupOf,
  idOf,
  ifReadable,
  lineOfFree,
  lineOfQueued,
  placeOf,
  readDocument,
} from '../../shared/core/documents.ts';
import { type Edge, idOfEdge, isEdgeOf } from '../../shared/core/edge.ts';
import { ConflictError } from '../../shared/core/errors.ts';
import { type AttemptId, executionId, parseAttemptId } from '../../shared/core/ids.ts';
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
} from '../../shared/core/ports.ts';
import { memoryDocuments } from './services.ts';

type CommitStep = (apply: () => Promise<Version[]>) => Promise<Version[]>;

/** A store in memory, with the semantics of the real ones, whose calls a test can get between. */
export interface MemoryStore extends Store {
  /** The next commit that nobody else waits for goes through `step`, which makes it by `apply`, or does not. */
  onCommit(step: CommitStep): void;
  /** Runs before the next read of a document of this kind. */
  beforeGet(kind: Kind, step: () => Promise<unknown>): void;
  /** Makes a stored document one that cannot be understood. */
  corrupt(kind: Kind, id: string): void;
  remove(kind: Kind, id: string): void;
  /** What is stored as the `wakeAt` to be found by, by id; documents that are owed nothing are left out. */
  wakeTimes(): Record<string, number>;
}

interface Row {
  text: string;
  version: Version;
  shard: number | undefined;
  wakeAt: number | undefined;
}

export function createMemoryStore(): MemoryStore {
  const rows: Record<Kind, Map<string, Row>> = {
    quest: new Map(),
    attempt: new Map(),
    execution: new Map(),
    edge: new Map(),
    slot: new Map(),
  };
  const adapterDocuments = new Map<string, AdapterDocuments>();
  const commitSteps: CommitStep[] = [];
  const getSteps: { kind: Kind; step: () => Promise<unknown> }[] = [];
  const waiting: { id: AttemptId; wake: () => void }[] = [];
  let versions = 0;

  function read<K extends Kind>(kind: K, id: string, { text }: Row): Documents[K] {
    return readDocument(kind, id, JSON.parse(text));
  }

  function apply(writes: readonly Write[]): Version[] {
    for (const write of writes) {
      const { kind, ifVersion } = write;
      if (rows[kind].get(idOf(write))?.version !== ifVersion) throw new ConflictError(`${kind} was written`);
    }
    return writes.map(write => {
      const { kind, doc } = write;
      // What does not fit its schema could never be read again.
      const text = JSON.stringify(doc);
      readDocument(kind, idOf(write), JSON.parse(text));
      const version = String(++versions) as Version;
      const { shard, wakeAt } = 'shard' in doc ? doc : { shard: undefined, wakeAt: undefined };
      rows[kind].set(idOf(write), { text, version, shard, wakeAt });
      if (kind === 'attempt') notify(idOfAttempt(doc));
      return version;
    });
  }

  function inLine<K extends 'attempt' | 'slot'>(kind: K, line: string): Stored<Documents[K]>[] {
    return [...rows[kind]]
      .flatMap(([id, row]) => {
        const doc = ifReadable(() => read(kind, id, row));
        const place = doc && placeOf({ kind, doc } as Write);
        return doc !== undefined && place?.line === line
          ? [{ id, at: place.at, stored: { doc, version: row.version } }]
          : [];
      })
      .toSorted((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1))
      .map(({ stored }) => stored);
  }

  function groupIn(kind: OwedKind, id: string, row: Row): { group?: string } {
    const doc = ifReadable(() => read(kind, id, row));
    const group = doc && groupOf({ kind, doc } as Write);
    return group === undefined ? {} : { group };
  }

  function notify(id: AttemptId): void {
    for (const waiter of waiting.filter(other => other.id === id)) {
      waiting.splice(waiting.indexOf(waiter), 1);
      waiter.wake();
    }
  }

  return {
    async get(kind, id) {
      const index = getSteps.findIndex(step => step.kind === kind);
      if (index >= 0) await getSteps.splice(index, 1)[0]?.step();
      const row = rows[kind].get(id);
      return row && { doc: read(kind, id, row), version: row.version };
    },
    async commit(writes) {
      const step = commitSteps.shift();
      return step === undefined ? apply(writes) : step(async () => apply(writes));
    },
    async due(kind, shard, before, limit, after = '') {
      const all = [...rows[kind]]
        .filter(([, row]) => row.shard === shard && row.wakeAt !== undefined && row.wakeAt <= before)
        .map(([id, row]) => ({ kind, id, revision: revisionOf(row), wakeAt: row.wakeAt!, ...groupIn(kind, id, row) }))
        .toSorted((a, b) => (cursorOf(a) < cursorOf(b) ? -1 : 1))
        .filter(item => cursorOf(item) > after);
      const items = all.slice(0, limit);
      return all.length > limit ? { items, next: cursorOf(items.at(-1)!) } : { items };
    },
    async postpone(kind, id, until) {
      const row = rows[kind].get(id);
      if (row) rows[kind].set(id, { ...row, wakeAt: until, version: String(++versions) as Version });
    },
    async listAttempts({ state, distributor, pageSize, after = '' }) {
      const all = [...rows.attempt]
        .filter(([id]) => id > after)
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .flatMap(([id, row]) => ifReadable(() => read('attempt', id, row)) ?? [])
        .filter(attempt => state === undefined || attempt.state === state)
        .filter(attempt => distributor === undefined || attempt.distributor === distributor);
      const items = all.slice(0, pageSize);
      return all.length > pageSize ? { items, next: idOfAttempt(items.at(-1)!) } : { items };
    },
    async listExecutions(id, first, last) {
      const { quest, attempt } = parseAttemptId(id);
      const numbers = Array.from({ length: last - first + 1 }, (_, i) => first + i);
      return numbers.flatMap(number => {
        const one = executionId(quest, attempt, number);
        const row = rows.execution.get(one);
        return (row && ifReadable(() => read('execution', one, row))) ?? [];
      });
    },
    async listEdges({ limit, after = '', ...of }) {
      const all = [...rows.edge]
        .filter(([id]) => id > after)
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .filter(([, { text }]) => isEdgeOf(JSON.parse(text) as Edge, of))
        .map(([id, row]) => ({ doc: read('edge', id, row), version: row.version }));
      const items = all.slice(0, limit);
      return all.length > limit ? { items, next: idOfEdge(items.at(-1)!.doc) } : { items };
    },
    async countOpen(wait, upTo) {
      const edges = [...rows.edge.values()].map(({ text }) => JSON.parse(text) as Edge);
      return Math.min(edges.filter(edge => isEdgeOf(edge, { wait })).length, upTo);
    },
    async listQueued(distributor, limit, after = '0') {
      const items = inLine('attempt', lineOfQueued(distributor)).slice(Number(after), Number(after) + limit);
      return items.length === limit ? { items, next: String(Number(after) + limit) } : { items };
    },
    async listFree({ count, now, ...of }, limit) {
      const free = inLine('slot', lineOfFree(of)).filter(
        ({ doc }) => doc.number <= count && (doc.freeAt ?? now) <= now,
      );
      return free.slice(0, limit);
    },
    changed(id, version, signal) {
      if (signal.aborted || rows.attempt.get(id)?.version !== version) return Promise.resolve();
      return new Promise(wake => {
        waiting.push({ id, wake });
        signal.addEventListener('abort', () => wake());
      });
    },
    adapterDocuments(namespace) {
      const known = adapterDocuments.get(namespace) ?? memoryDocuments();
      adapterDocuments.set(namespace, known);
      return known;
    },

    onCommit: step => void commitSteps.push(step),
    beforeGet: (kind, step) => void getSteps.push({ kind, step }),
    corrupt(kind, id) {
      const row = rows[kind].get(id);
      if (row) rows[kind].set(id, { ...row, text: '{"schemaVersion":99}' });
    },
    remove: (kind, id) => void rows[kind].delete(id),
    wakeTimes() {
      const owed = [...rows.attempt, ...rows.execution, ...rows.slot].filter(([, { wakeAt }]) => wakeAt !== undefined);
      return Object.fromEntries(owed.map(([id, { wakeAt }]) => [id, wakeAt!]));
    },
  };
}

function cursorOf({ wakeAt, id }: DueDocument): string {
  return `${String(wakeAt).padStart(16, '0')} ${id}`;
}

function revisionOf({ text }: Row): number {
  return (JSON.parse(text) as { revision?: number }).revision ?? 0;
}
