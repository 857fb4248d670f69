import { z } from 'zod';
import { ConflictError } from '../../core/errors.ts';
import type { ExecutionId } from '../../core/ids.ts';
import type { JsonObject } from '../../core/json.ts';
import type { AdapterDocuments, Clock, Version } from '../../core/ports.ts';
import { type TaskResult, taskResultSchema } from '../../core/result.ts';
import { typedDocuments } from '../documents.ts';

const DAY_MS = 24 * 60 * 60_000;

const processSchema = z.object({ pid: z.int().min(1), startTime: z.string() });

const recordSchema = z.discriminatedUnion('state', [
  /** Written before the command is let go. `owner` is the process whose child it is. */
  z.object({ state: z.literal('running'), owner: processSchema, ...processSchema.shape }),
  /** `told`: somebody has asked since, so that a restart need not tell it again. */
  z.object({ state: z.literal('exited'), result: taskResultSchema, told: z.boolean() }),
]);

/** What is known of the process of an execution. Without a record its command never ran. */
export type ProcessRecord = z.infer<typeof recordSchema>;
export type RunningRecord = Extract<ProcessRecord, { state: 'running' }>;

export interface StoredRecord {
  record: ProcessRecord;
  version: Version;
}

/** An end is kept longer than the engine asks for it (7 days); a process may run for as long as it likes. */
const KEEP_MS: Readonly<Record<ProcessRecord['state'], number>> = { running: 3650 * DAY_MS, exited: 8 * DAY_MS };

const PAGE = 100;

export interface Records {
  read(id: ExecutionId): Promise<StoredRecord | undefined>;
  /** Without `ifVersion` there must be no record yet. Rejects with ConflictError. */
  write(id: ExecutionId, record: ProcessRecord, ifVersion?: Version): Promise<Version>;
  /** Records an end and resolves with it, or with the one that was on record before. Rejects with ConflictError. */
  end(id: ExecutionId, result: TaskResult, ifVersion?: Version): Promise<TaskResult>;
  /** What cannot be read is left out. */
  list(): AsyncGenerator<StoredRecord & { id: ExecutionId }>;
}

export function createRecords(documents: AdapterDocuments, clock: Clock): Records {
  const typed = typedDocuments(documents, recordSchema);

  async function read(id: ExecutionId): Promise<StoredRecord | undefined> {
    const stored = await typed.read(id);
    return stored && { record: stored.doc, version: stored.version };
  }

  async function write(id: ExecutionId, record: ProcessRecord, ifVersion?: Version): Promise<Version> {
    const expireAt = clock.now() + KEEP_MS[record.state];
    return documents.put(id, record as JsonObject, { expireAt, ...(ifVersion !== undefined && { ifVersion }) });
  }

  return {
    read,
    write,

    async end(id, result, ifVersion) {
      try {
        await write(id, { state: 'exited', result, told: false }, ifVersion);
        return result;
      } catch (error) {
        if (!(error instanceof ConflictError)) throw error;
        const stored = await read(id);
        if (stored?.record.state !== 'exited') throw error;
        return stored.record.result;
      }
    },

    async *list() {
      let after: string | undefined;
      do {
        const page = await documents.list({ limit: PAGE, ...(after !== undefined && { after }) });
        for (const { id, doc, version } of page.items) {
          const parsed = recordSchema.safeParse(doc);
          if (parsed.success) yield { id: id as ExecutionId, record: parsed.data, version };
        }
        after = page.next;
      } while (after !== undefined);
    },
  };
}
