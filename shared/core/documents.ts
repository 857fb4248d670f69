import type { z } from 'zod';
import { attemptSchema, idOfAttempt, isAttemptOver } from './attempt.ts';
import { edgeSchema, idOfEdge } from './edge.ts';
import { InvalidArgument, messageOf, UnreadableDocument } from './errors.ts';
import { executionSchema, idOfExecution, isLive } from './execution.ts';
import type { JsonObject } from './json.ts';
import { earliest, executionObligations } from './obligations.ts';
import type { Documents, Kind, Write } from './ports.ts';
import { questSchema } from './quest.ts';
import { idOfSlot, type Slot, slotSchema, type SlotUse } from './slot.ts';
import { parseWith } from './validation.ts';

/** What every store does with documents. */

const SCHEMAS: { [K in Kind]: z.ZodType<Documents[K]> } = {
  quest: questSchema,
  attempt: attemptSchema,
  execution: executionSchema,
  edge: edgeSchema,
  slot: slotSchema,
};

export function idOf(write: Write): string {
  switch (write.kind) {
    case 'quest':
      return write.doc.id;
    case 'attempt':
      return idOfAttempt(write.doc);
    case 'execution':
      return idOfExecution(write.doc);
    case 'edge':
      return idOfEdge(write.doc);
    case 'slot':
      return idOfSlot(write.doc);
  }
}

/** Throws UnreadableDocument, naming it, when this is no document of this kind. */
export function readDocument<K extends Kind>(kind: K, id: string, stored: unknown): Documents[K] {
  try {
    return parseWith(SCHEMAS[kind], stored);
  } catch (error) {
    throw new UnreadableDocument(`${kind} ${id}: ${messageOf(error)}`, { cause: error });
  }
}

/** What `read` returns, or undefined when the document cannot be read: one broken document must not hide all others. */
export function ifReadable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof UnreadableDocument) return undefined;
    throw error;
  }
}

/** Whether nothing can happen to it any more that we have to see to. */
export function isDone(write: Write): write is Exclude<Write, { kind: 'quest' | 'slot' }> {
  if (write.kind === 'edge') return !write.doc.open;
  if (write.kind === 'quest' || write.kind === 'slot' || write.doc.wakeAt !== undefined) return false;
  return write.kind === 'attempt' ? isAttemptOver(write.doc) : !isLive(write.doc);
}

/** Where a document stands in line: among the attempts that wait for a distributor's slots, or among its free slots. */
export interface Place {
  line: string;
  at: number;
}

export function placeOf(write: Write): Place | undefined {
  if (write.kind === 'attempt') {
    const queued = write.doc.state === 'SCHEDULING' ? write.doc.queued : undefined;
    return queued && { line: lineOfQueued(queued.distributor), at: queued.at };
  }
  if (write.kind !== 'slot' || write.doc.freeAt === undefined) return undefined;
  return { line: lineOfFree(write.doc), at: write.doc.freeAt };
}

export function lineOfQueued(distributor: string): string {
  return `${distributor}#queued`;
}

export function lineOfFree({ distributor, use }: Pick<Slot, 'distributor'> & { use: SlotUse }): string {
  return `${distributor}#${use}`;
}

/** The group of polls that what an execution is owed next belongs to; absent when that is something else, or asked for alone. */
export function groupOf(write: Write): string | undefined {
  if (write.kind !== 'execution' || write.doc.poll.grouped !== true) return undefined;
  const { distributor } = write.doc;
  const next = earliest(executionObligations(write.doc));
  return next?.owed === 'poll' && isLive(write.doc) ? `${distributor.name} ${distributor.version}` : undefined;
}

const MAX_ADAPTER_DOCUMENT_BYTES = 512 * 1024;

/** Throws InvalidArgument when the document is too large for what stores promise to adapters. */
export function adapterDocumentText(doc: JsonObject): string {
  const text = JSON.stringify(doc);
  if (Buffer.byteLength(text) > MAX_ADAPTER_DOCUMENT_BYTES)
    throw new InvalidArgument('doc', `must be at most ${MAX_ADAPTER_DOCUMENT_BYTES} bytes of JSON`);
  return text;
}
