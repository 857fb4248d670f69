import type { z } from 'zod';
import { attemptSchema, idOfAttempt, isAttemptOver } from './attempt.ts';
import { edgeSchema, idOfEdge } from './edge.ts';
import { InvalidArgument, messageOf, UnreadableDocument } from './errors.ts';
import { executionSchema, idOfExecution, isLive } from './execution.ts';
import type { JsonObject } from './json.ts';
import type { Documents, Kind, Write } from './ports.ts';
import { questSchema } from './quest.ts';
import { parseWith } from './validation.ts';

/** What every store does with documents. */

const SCHEMAS: { [K in Kind]: z.ZodType<Documents[K]> } = {
  quest: questSchema,
  attempt: attemptSchema,
  execution: executionSchema,
  edge: edgeSchema,
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
export function isDone(write: Write): write is Exclude<Write, { kind: 'quest' }> {
  if (write.kind === 'edge') return !write.doc.open;
  if (write.kind === 'quest' || write.doc.wakeAt !== undefined) return false;
  return write.kind === 'attempt' ? isAttemptOver(write.doc) : !isLive(write.doc);
}

const MAX_ADAPTER_DOCUMENT_BYTES = 512 * 1024;

/** Throws InvalidArgument when the document is too large for what stores promise to adapters. */
export function adapterDocumentText(doc: JsonObject): string {
  const text = JSON.stringify(doc);
  if (Buffer.byteLength(text) > MAX_ADAPTER_DOCUMENT_BYTES)
    throw new InvalidArgument('doc', `must be at most ${MAX_ADAPTER_DOCUMENT_BYTES} bytes of JSON`);
  return text;
}
