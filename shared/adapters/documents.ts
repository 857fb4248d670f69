import type { z } from 'zod';
import { ConflictError, TransientError, UnreadableDocument } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { AdapterDocuments, Stored, Version } from '../core/ports.ts';

/** An adapter's documents of one shape, changed only by compare-and-set. */
export interface TypedDocuments<Document extends object> {
  /** Rejects with UnreadableDocument when what is stored has another shape. */
  read(id: string): Promise<Stored<Document> | undefined>;
  /**
   * Writes what `change` makes of the document, however many others write it meanwhile. `change` must be pure; when it
   * returns what it was given, nothing is written. `from` is the document as it probably is, and saves reading it.
   */
  update(
    id: string,
    change: (document: Document | undefined) => Document,
    options: { expireAt: number; from?: Stored<Document> | 'absent' },
  ): Promise<Stored<Document> & { written: boolean }>;
}

const MAX_TRIES = 10;

export function typedDocuments<Document extends object>(
  documents: AdapterDocuments,
  schema: z.ZodType<Document>,
): TypedDocuments<Document> {
  async function read(id: string): Promise<Stored<Document> | undefined> {
    const stored = await documents.get(id);
    if (!stored) return undefined;
    const parsed = schema.safeParse(stored.doc);
    if (!parsed.success) throw new UnreadableDocument(`adapter document ${id}: ${parsed.error.issues[0]?.message}`);
    return { doc: parsed.data, version: stored.version };
  }

  return {
    read,
    async update(id, change, { expireAt, from }) {
      let known = from ?? (await read(id));
      for (let tries = 0; tries < MAX_TRIES; tries++) {
        const before: { doc?: Document; version?: Version } = known === 'absent' || known === undefined ? {} : known;
        const { version: ifVersion } = before;
        const doc = change(before.doc);
        if (ifVersion !== undefined && doc === before.doc) return { doc, version: ifVersion, written: false };
        try {
          const version = await documents.put(id, doc as JsonObject, {
            expireAt,
            ...(ifVersion !== undefined && { ifVersion }),
          });
          return { doc, version, written: true };
        } catch (error) {
          if (!(error instanceof ConflictError)) throw error;
          known = await read(id);
        }
      }
      throw new TransientError(`adapter document ${id} is being written by many`);
    },
  };
}
