import type { HttpClient, Services } from '../../shared/adapters/contract.ts';
import { ConflictError } from '../../shared/core/errors.ts';
import type { ExecutionId } from '../../shared/core/ids.ts';
import type { JsonObject } from '../../shared/core/json.ts';
import type { AdapterDocuments, Clock, Log, Stored, Version } from '../../shared/core/ports.ts';

/** Adapter documents in memory, with the semantics of the real stores. */
export function memoryDocuments(): AdapterDocuments {
  const documents = new Map<string, Stored<JsonObject>>();
  let versions = 0;
  return {
    get: async id => structuredClone(documents.get(id)),
    put: async (id, doc, { ifVersion }) => {
      if (documents.get(id)?.version !== ifVersion) throw new ConflictError(`adapter document ${id}`);
      const version = String(++versions) as Version;
      documents.set(id, { doc: structuredClone(doc), version });
      return version;
    },
    delete: async id => {
      documents.delete(id);
    },
    list: async ({ limit, after = '' }) => {
      const ids = [...documents.keys()].toSorted().filter(id => id > after);
      const items = ids.slice(0, limit).map(id => ({ id, ...structuredClone(documents.get(id)!) }));
      const last = items.at(-1);
      return ids.length > limit && last !== undefined ? { items, next: last.id } : { items };
    },
  };
}

/** A clock that stands still until it is moved. */
export function manualClock(
  start = Date.parse('2026-11-24T00:00:00Z'),
): Clock & { advance(milliseconds: number): void } {
  let now = start;
  const sleepers: { at: number; wake: () => void }[] = [];
  return {
    now: () => now,
    sleep: milliseconds => new Promise(wake => sleepers.push({ at: now + milliseconds, wake })),
    advance(milliseconds) {
      now += milliseconds;
      for (const sleeper of sleepers.filter(({ at }) => at <= now)) {
        sleepers.splice(sleepers.indexOf(sleeper), 1);
        sleeper.wake();
      }
    },
  };
}

export const realClock: Clock = {
  now: () => Date.now(),
  sleep: milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds)),
};

export interface LogLine {
  severity: 'info' | 'warn' | 'error';
  message: string;
  fields: Record<string, unknown>;
}

export function recordingLog(): Log & { lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at =
    (severity: LogLine['severity']) =>
    (message: string, fields: Record<string, unknown> = {}) =>
      void lines.push({ severity, message, fields });
  return { lines, info: at('info'), warn: at('warn'), error: at('error') };
}

export interface EnqueuedTask {
  executionId?: ExecutionId;
  payload: JsonObject;
  delayMs?: number;
}

/** Services for adapter tests. Tasks are recorded in `tasks`; an HTTP call fails loudly unless a client is given. */
export function fakeServices(overrides: Partial<Services> = {}): Services & { tasks: EnqueuedTask[] } {
  const tasks: EnqueuedTask[] = [];
  const http: HttpClient = {
    request: ({ method, url }) => Promise.reject(new Error(`unexpected call: ${method} ${url}`)),
  };
  return {
    tasks,
    enqueueTask: async task => void tasks.push(task),
    documents: memoryDocuments(),
    http,
    clock: realClock,
    log: recordingLog(),
    random: () => 0.5,
    secret: reference => {
      throw new Error(`unexpected secret: ${reference}`);
    },
    accessToken: scope => Promise.reject(new Error(`unexpected access token: ${scope}`)),
    ...overrides,
  };
}
