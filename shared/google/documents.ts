import { type DocumentData, type DocumentSnapshot, FieldValue, Timestamp } from '@google-cloud/firestore';
import { SCHEMA_VERSION } from '../core/attempt.ts';
import { groupOf, isDone, placeOf, readDocument } from '../core/documents.ts';
import { waitOfEdge } from '../core/edge.ts';
import { UnreadableDocument } from '../core/errors.ts';
import { isJsonObject, parseJson } from '../core/json.ts';
import type { Documents, Kind, Version, Write } from '../core/ports.ts';

/**
 * How documents lie in Firestore: what is queried or shown by the console stands in fields of its own, all else as JSON in
 * `body`, since Firestore's maps hold no nested arrays, no empty names and no more than 20 levels. Nothing stands twice.
 */
export const COLLECTIONS = {
  quest: 'quests',
  attempt: 'attempts',
  execution: 'executions',
  edge: 'edges',
  slot: 'slots',
} as const;

/** Beside `schemaVersion`, `wakeAt` and `expireAt`. */
const FIELDS: Readonly<Record<Kind, readonly string[]>> = {
  quest: [],
  attempt: ['revision', 'shard', 'state', 'distributor'],
  execution: ['revision', 'shard'],
  edge: ['dependent', 'dependency'],
  slot: ['revision', 'shard', 'number'],
};

/** `expireAt` is for a TTL policy, which may be off. */
export function fieldsOf(write: Write, retentionMs: number | undefined): DocumentData {
  const { schemaVersion: _, wakeAt, ...rest } = write.doc as Record<string, unknown> & { wakeAt?: number };
  const entries = Object.entries(rest);
  const place = placeOf(write);
  const group = groupOf(write);
  const isField = ([name]: [string, unknown]) => FIELDS[write.kind].includes(name);
  return {
    schemaVersion: SCHEMA_VERSION,
    ...Object.fromEntries(entries.filter(isField)),
    ...(wakeAt !== undefined && { wakeAt: instant(wakeAt) }),
    ...(place !== undefined && { line: place.line, place: place.at }),
    ...(group !== undefined && { group }),
    // One field answers what is open of a wait; three would need a composite index.
    ...(write.kind === 'edge' && write.doc.open && { openFor: waitOfEdge(write.doc) }),
    ...(retentionMs !== undefined && isDone(write) && { expireAt: instant(write.doc.updatedAt + retentionMs) }),
    body: JSON.stringify(Object.fromEntries(entries.filter(entry => !isField(entry)))),
  };
}

const gone = (...names: string[]) => Object.fromEntries(names.map(name => [name, FieldValue.delete()]));

/** Fields that a document has at times. */
const OPTIONAL: Readonly<Record<Kind, () => DocumentData>> = {
  quest: () => ({}),
  attempt: () => gone('wakeAt', 'line', 'place'),
  execution: () => gone('wakeAt', 'group'),
  edge: () => gone('openFor'),
  slot: () => gone('wakeAt', 'line', 'place'),
};

/** For an update: a field that is no longer there must go. */
export function changesOf(write: Write, retentionMs: number | undefined): DocumentData {
  return { ...OPTIONAL[write.kind](), expireAt: FieldValue.delete(), ...fieldsOf(write, retentionMs) };
}

/** Throws UnreadableDocument. */
export function documentOf<K extends Kind>(kind: K, snapshot: DocumentSnapshot): Documents[K] {
  const id = idOfDocument(snapshot.id);
  const {
    body,
    wakeAt,
    expireAt: _,
    openFor: __,
    line: ___,
    place: ____,
    group: _____,
    ...fields
  } = snapshot.data() ?? {};
  if (fields['schemaVersion'] !== SCHEMA_VERSION)
    throw new UnreadableDocument(`${kind} ${id}: schemaVersion is not ${SCHEMA_VERSION}`);
  const rest = typeof body === 'string' ? parseJson(body) : undefined;
  if (!isJsonObject(rest)) throw new UnreadableDocument(`${kind} ${id}: body is not a JSON object`);
  const wake = wakeAt === undefined ? {} : { wakeAt: wakeAt instanceof Timestamp ? wakeAt.toMillis() : wakeAt };
  return readDocument(kind, id, { ...rest, ...fields, ...wake });
}

/** What a look without the body can tell; 0 when that already tells that the document cannot be read. */
export function revisionOf(snapshot: DocumentSnapshot): number {
  const { schemaVersion, revision } = snapshot.data() ?? {};
  return schemaVersion === SCHEMA_VERSION && Number.isSafeInteger(revision) && revision > 0 ? revision : 0;
}

/** Firestore's latest time, in the year 9999. */
const MAX_MILLISECONDS = 253_402_300_799_999;

/** Rounded up, so that nothing is due before its time. */
export function instant(milliseconds: number): Timestamp {
  return Timestamp.fromMillis(Math.min(Math.ceil(milliseconds), MAX_MILLISECONDS));
}

/** In full: a number of milliseconds would cut it. */
export function timestampText({ seconds, nanoseconds }: Timestamp): string {
  return `${seconds}.${nanoseconds}`;
}

export function parseTimestamp(text: string): Timestamp {
  const [seconds = 0, nanoseconds = 0] = text.split('.').map(Number);
  return new Timestamp(seconds, nanoseconds);
}

/** A version is the time of the write. A write that changes nothing keeps it, but each of ours has a new revision. */
export function versionOf(updateTime: Timestamp): Version {
  return timestampText(updateTime) as Version;
}

/**
 * A document's name for any id. Firestore takes no slash, neither `.` nor `..`, and not what looks like `__.*__`, as the
 * hash of a quest may (https://firebase.google.com/docs/firestore/quotas#collections_documents_and_fields). Names sort as
 * their ids do, since lists are ordered by id: `.` and `/` are neighbours, and nothing printable sorts before a space.
 */
export function documentName(id: string): string {
  const name = id.replaceAll('.', '.a').replaceAll('/', '.z');
  return /^__.*__ *$/s.test(name) ? `${name} ` : name;
}

export function idOfDocument(name: string): string {
  const escaped = /^__.*__ +$/s.test(name) ? name.slice(0, -1) : name;
  return escaped.replaceAll('.z', '/').replaceAll('.a', '.');
}
