import type { Attempt, AttemptState } from './attempt.ts';
import type { Edge, EdgeFilter } from './edge.ts';
import type { Execution } from './execution.ts';
import type { AttemptId, EdgeId, ExecutionId, QuestId, SlotId, WaitId } from './ids.ts';
import type { JsonObject } from './json.ts';
import type { Quest } from './quest.ts';
import type { Slot, SlotUse } from './slot.ts';

/**
 * What the engine needs of the world. Every port is implemented twice (embedded, google) and both pass the same contract
 * suite. All ports reject with TransientError when the call may be repeated, whether or not it was applied.
 */

export interface Documents {
  quest: Quest;
  attempt: Attempt;
  execution: Execution;
  edge: Edge;
  slot: Slot;
}
export type Kind = keyof Documents;
export interface Ids {
  quest: QuestId;
  attempt: AttemptId;
  execution: ExecutionId;
  edge: EdgeId;
  slot: SlotId;
}

/** Names one state of one document for its store; opaque to everybody else. */
export type Version = string & { readonly version: unique symbol };

export interface Stored<Document> {
  doc: Document;
  version: Version;
}

/** One document of a commit. Without `ifVersion` the document must not exist yet. */
export type Write = { [K in Kind]: { kind: K; doc: Documents[K]; ifVersion?: Version } }[Kind];

/** What the system can owe something to. */
export type OwedKind = 'attempt' | 'execution' | 'slot';

export interface DueDocument {
  kind: OwedKind;
  id: string;
  /** 0 when the document cannot be read; a store that finds it without its body may learn that only from `get`. */
  revision: number;
  wakeAt: number;
  /** What is owed is a poll that may be made together with others of this group. */
  group?: string;
}

export interface Page<Item> {
  items: Item[];
  /** Where the next page begins; absent on the last one. */
  next?: string;
}

export interface AttemptQuery {
  state?: AttemptState;
  distributor?: string;
  pageSize: number;
  /** `next` of the page before. */
  after?: string;
}

export type EdgeQuery = EdgeFilter & {
  limit: number;
  /** `next` of the page before. */
  after?: string;
};

export interface Store {
  /** Rejects with UnreadableDocument when what is stored is not a document of this kind. */
  get<K extends Kind>(kind: K, id: Ids[K]): Promise<Stored<Documents[K]> | undefined>;

  /**
   * Writes all or nothing, and only if every document is still the one that was read; otherwise rejects with ConflictError.
   * Resolves, once it is durable, with the new versions in the order of the writes.
   */
  commit(writes: readonly Write[]): Promise<Version[]>;

  /** Documents of a shard whose `wakeAt` is at or before `before`, the oldest first, unreadable ones among them. */
  due(kind: OwedKind, shard: number, before: number, limit: number, after?: string): Promise<Page<DueDocument>>;

  /**
   * Moves only `wakeAt`, also of a document that cannot be read, so that it blocks nobody. What is owed nothing, or is
   * written meanwhile, is left alone.
   */
  postpone(kind: OwedKind, id: string, until: number): Promise<void>;

  /** Ordered by id. */
  listAttempts(query: AttemptQuery): Promise<Page<Attempt>>;

  /** All executions of an attempt from `first` to `last`, in order; those that do not exist or cannot be read are left out. */
  listExecutions(id: AttemptId, first: number, last: number): Promise<Execution[]>;

  /** Ordered by id. Those that cannot be read are left out. */
  listEdges(query: EdgeQuery): Promise<Page<Stored<Edge>>>;

  /** How many edges of a wait are open, as of now; counts no further than `upTo`. */
  countOpen(wait: WaitId, upTo: number): Promise<number>;

  /**
   * Attempts that wait for a slot of this distributor, in order of arrival; `next` on every page that is full. Those that
   * cannot be read are left out.
   */
  listQueued(distributor: string, limit: number, after?: string): Promise<Page<Stored<Attempt>>>;

  /** Slots with numbers up to `count` that may be taken at `now`, in no order. Those that cannot be read are left out. */
  listFree(
    slots: { distributor: string; use: SlotUse; count: number; now: number },
    limit: number,
  ): Promise<Stored<Slot>[]>;

  /**
   * Resolves when the attempt was perhaps written since `version`, or when `signal` aborts. The caller reads again.
   */
  changed(id: AttemptId, version: Version, signal: AbortSignal): Promise<void>;

  /** A separate namespace of small documents for each adapter type. */
  adapterDocuments(namespace: string): AdapterDocuments;
}

/** What an adapter stores for itself: JSON objects of at most 512 KiB. */
export interface AdapterDocuments {
  get(id: string): Promise<Stored<JsonObject> | undefined>;
  /**
   * Without `ifVersion` the document must not exist yet. Rejects with ConflictError. After `expireAt` (epoch milliseconds)
   * the document may be deleted.
   */
  put(id: string, doc: JsonObject, options: { ifVersion?: Version; expireAt: number }): Promise<Version>;
  delete(id: string): Promise<void>;
  /** Ordered by id. */
  list(options: { limit: number; after?: string }): Promise<Page<{ id: string } & Stored<JsonObject>>>;
}

/** The paths of the `tasks` function. The first six say what was owed when the task was made. */
export type TaskPath = 'run' | 'poll' | 'cancel' | 'wake' | 'propagate' | 'start' | 'polls' | `distributor/${string}`;

export interface QueueTask {
  path: TaskPath;
  body: JsonObject;
  /** Chooses one of several queues. */
  shard: number;
  /** Not before this time, epoch milliseconds. */
  at?: number;
  /** Within the backend's window a second task of the same name and shard is dropped silently. */
  name?: string;
}

export interface Queue {
  /** Resolves once the task is durable. It is delivered at least once, in any order. */
  enqueue(task: QueueTask): Promise<void>;
}

export interface TopicMessage {
  /** Text; JSON for most executors. */
  data: string;
  attributes: Record<string, string>;
}

export interface Topic {
  /** The full resource name, as executors need it to publish: `projects/P/topics/T`. */
  readonly name: string;
  /** Resolves once the message is durable. It is delivered to `notify` at least once, in any order. */
  publish(message: TopicMessage): Promise<void>;
}

export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
}

export interface Random {
  /** In [0, 1). */
  fraction(): number;
  /** base64url of `bytes` unpredictable bytes. */
  token(bytes: number): string;
}

export type LogFields = Record<string, string | number | boolean | undefined>;

/** Structured lines; a field never holds a secret, parameters or results. */
export interface Log {
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}
