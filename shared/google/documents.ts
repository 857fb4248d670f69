import { type DocumentData, type DocumentSnapshot, FieldValue, Timestamp } from '@google-cloud/firestore';
import { SCHEMA_VERSION } from '../core/attempt.ts';
import { isDone, readDocument } from '../core/documents.ts';
import { parseJson, isJsonObject } from '../core/json.ts';
import type { Documents, Kind, Version, Write } from '../core/ports.ts';

/**
 * How documents lie in Firestore: what is queried or shown by the console stands in fields of its own, all else as JSON in
 * `body`, since Firestore's maps hold no nested arrays, no empty names and no more than 20 levels. Nothing stands twice.
 */
export const COLLECTIONS = { quest: 'quests', attempt: 'attempts', execution: 'executions' } as const;

const FIELDS: Readonly<Record<Kind, readonly string[]>> = {
  quest: ['schemaVersion'],
  attempt: ['schemaVersion', 'revision', 'shard', 'state', 'distributor'],
  execution: ['schemaVersion', 'revision', 'shard'],
};

/**
 * Firestore reserves `__.*__` (https://firebase.google.com/docs/firestore/quotas#collections_documents_and_fields), which
 * the hash of a quest may look like, and takes neither a slash nor a dot or two alone.
 */
export function documentName(id: string): string {
  const name = id.replaceAll(/[%/]/g, percentEncoded);
  return /^(__.*__|\.\.?)$/.test(name) ? percentEncoded(name) + name.slice(1) : name;
}

/** The first character; encodeURIComponent would leave a dot and an underscore as they are. */
function percentEncoded(text: string): string {
  return `%${text.charCodeAt(0).toString(16).toUpperCase()}`;
}

export function idOfDocument(name: string): string {
  return decodeURIComponent(name);
}

/** `expireAt` is for a TTL policy, which may be off. */
export function fieldsOf(write: Write, retentionMs: number | undefined): DocumentData {
  const { wakeAt, ...rest } = { wakeAt: undefined, ...write.doc } as Record<string, unknown> & { wakeAt?: number };
  const isField = ([name]: [string, unknown]) => FIELDS[write.kind].includes(name);
  const entries = Object.entries(rest);
  const expireAt = retentionMs !== undefined && isDone(write) ? write.doc.updatedAt + retentionMs : undefined;
  return {
    ...Object.fromEntries(entries.filter(isField)),
    ...(wakeAt !== undefined && { wakeAt: instant(wakeAt) }),
    ...(expireAt !== undefined && { expireAt: instant(expireAt) }),
    body: JSON.stringify(Object.fromEntries(entries.filter(entry => !isField(entry)))),
  };
}

/** For an update: a field that is no longer there must go. */
export function changesOf(write: Write, retentionMs: number | undefined): DocumentData {
  return { wakeAt: FieldValue.delete(), expireAt: FieldValue.delete(), ...fieldsOf(write, retentionMs) };
}

/** Throws UnreadableDocument. */
export function documentOf<K extends Kind>(kind: K, snapshot: DocumentSnapshot): Documents[K] {
  const { body, wakeAt, expireAt: _, ...fields } = snapshot.data() ?? {};
  const rest = typeof body === 'string' ? parseJson(body) : undefined;
  const wake = wakeAt === undefined ? {} : { wakeAt: wakeAt instanceof Timestamp ? wakeAt.toMillis() : wakeAt };
  return readDocument(kind, idOfDocument(snapshot.id), isJsonObject(rest) ? { ...rest, ...fields, ...wake } : rest);
}

/** What a look without the body can tell; 0 when it already tells that the document cannot be read. */
export function revisionOf(snapshot: DocumentSnapshot): number {
  const { schemaVersion, revision } = snapshot.data() ?? {};
  return schemaVersion === SCHEMA_VERSION && Number.isInteger(revision) ? (revision as number) : 0;
}

/** Rounded up, so that nothing is due before its time. */
export function instant(milliseconds: number): Timestamp {
  return Timestamp.fromMillis(Math.ceil(milliseconds));
}

/** A version is the time of the write, which Firestore never gives twice to a document. */
export function versionOf({ seconds, nanoseconds }: Timestamp): Version {
  return `${seconds}.${nanoseconds}` as Version;
}

export function updateTimeOf(version: Version): Timestamp {
  const [seconds = 0, nanoseconds = 0] = version.split('.').map(Number);
  return new Timestamp(seconds, nanoseconds);
}
