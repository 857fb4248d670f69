import { z } from 'zod';
import { durationSchema } from '../core/duration.ts';
import type { Token } from '../core/execution.ts';
import type { ExecutionId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import type { AdapterDocuments, Clock, Log, TopicMessage } from '../core/ports.ts';
import type { Mode, QuestDesc } from '../core/quest.ts';
import type { TaskStatus } from '../core/result.ts';

/**
 * The contract between the engine and one type of executor. Whatever an operation throws: only errors marked
 * transient (`TransientError`, and what `isTransient` knows) are retried, everything else is final for that call.
 */
export interface Distributor {
  /**
   * Starts the job. Called at least once per execution, possibly again after a crash or a lost answer: the same
   * execution id must give the same job and the same token. A final error ends the execution as REJECTED; throw one only
   * when it is certain that no job of this id exists.
   */
  run(task: TaskDescription): Promise<RunOutcome>;

  /**
   * Stops the job. Idempotent: cancelling what is already gone succeeds. Without a token the job is found by the
   * execution id where the executor allows that; where it does not, throw {@link TokenRequired}. All errors are retried.
   */
  cancel(handle: Handle, quest: QuestDesc): Promise<void>;

  /**
   * Asks the executor. A final error means that it knows no such job (MISSING) when at least 30 s have passed since
   * `run`; before that, and for 401 and 403, it counts as transient.
   */
  getStatus(handle: Handle & { token: Token }, quest: QuestDesc): Promise<TaskStatus>;

  /** Where a person can look at the job. Pure and local: never calls out, never throws. */
  infoUrl(token: Token): string | undefined;

  /**
   * Reads one notification; expect duplicated, late and out-of-order ones. `undefined`: nothing of interest. It may ask
   * the executor first.
   */
  handleNotification(notification: Notification, quest: QuestDesc): Promise<TaskStatus | undefined>;

  /**
   * Work that the adapter enqueued for itself with `enqueueTask`, delivered at least once. May return notifications about
   * any executions of this distributor; they reach `handleNotification` later, through the notification topic.
   */
  handleTaskQueueTask(request: TaskQueueRequest): Promise<Notification[]>;

  /** Throws InvalidArgument, naming the field, when this distributor cannot run the quest. */
  validate(quest: QuestDesc): void;

  /**
   * Where the executor can be asked about many jobs at once: their statuses, in the order of the handles, at most the type's
   * `maxStatuses` of them. An error in place of a status is what `getStatus` would throw for this one. Rejects when the
   * whole call failed.
   */
  getStatuses?(handles: readonly (Handle & { token: Token })[]): Promise<readonly (TaskStatus | Error)[]>;

  /**
   * Which execution a message on the distributor's own topic is about, from the name or labels that the adapter gave the
   * job. Pure. Anybody who may publish there could have sent it, so it is a hint: the executor is asked.
   */
  executionOf?(message: TopicMessage): ExecutionId | undefined;
}

export interface Handle {
  executionId: ExecutionId;
  token?: Token;
}

export interface TaskDescription {
  quest: QuestDesc;
  executionId: ExecutionId;
  /** The execution on the public `job` function; `:activate`, `:finish` and `:notify` are appended to it. */
  executionUrl: string;
  /** What an interactive job needs to activate. */
  executionAuth: { executionId: ExecutionId; activationToken: string };
  /** What the last successful execution of this attempt left. */
  previousState?: JsonObject;
  /** Where and how updates about this execution are published. */
  prepareTopic(): PreparedTopic;
}

export interface PreparedTopic {
  /** `projects/P/topics/T` */
  topic: string;
  /** To be attached to every update: `execution_id` and the signed `auth_token`. */
  attributes: { execution_id: string; auth_token: string };
  /** For executors that can call a URL but not Pub/Sub: POST any JSON, `Authorization: Bearer <auth_token>`. */
  notifyUrl: string;
}

/** Durations in milliseconds; one given here replaces the quest's own for that phase, zero replaces nothing. */
export interface RunOutcome {
  token: Token;
  /** What the executor already said; `pending` when absent. */
  status?: TaskStatus;
  timeToStartMs?: number;
  timeToRunMs?: number;
  timeToStopMs?: number;
  /** The first poll, and the interval of polls from then on. */
  pollAfterMs?: number;
}

/** A hint that something happened to an execution. The attributes arrive without the auth token. */
export interface Notification extends TopicMessage {
  executionId: ExecutionId;
}

export interface TaskQueueRequest {
  executionId?: ExecutionId;
  payload: JsonObject;
  /** How often this task was delivered before. */
  retryCount: number;
  /** The execution's description, while it has not ended; when it is absent, start nothing. */
  task?: TaskDescription;
  /** The token that `run` returned, if there is one. */
  token?: Token;
}

/** Thrown by `cancel` when the executor cannot find a job by the execution id. */
export class TokenRequired extends Error {
  override name = 'TokenRequired';
}

/** What a distributor instance may use of the system, and all that it may use. */
export interface Services {
  /** Delivered to `handleTaskQueueTask`, at least once. Within `run` it is enqueued once the token is recorded. */
  enqueueTask(task: { executionId?: ExecutionId; payload: JsonObject; delayMs?: number }): Promise<void>;
  /** Of this type, shared by all its distributors. */
  documents: AdapterDocuments;
  http: HttpClient;
  clock: Clock;
  log: Log;
  /** A number in [0, 1). */
  random(): number;
  /** Reads `env:NAME` at each call. Throws when there is no such secret; the value must not be stored or logged. */
  secret(reference: string): string;
  /**
   * An OAuth access token of the identity that we run under, for calls to Google's APIs. Rejects with an error of status 401
   * when there is none. Not to be stored or logged.
   */
  accessToken(scope: string): Promise<string>;
}

export interface HttpRequest {
  url: string;
  method: string;
  headers?: Record<string, string>;
  body?: string;
  /** Host names, or `host:port`, that may be called. */
  allowedHosts: readonly string[];
  timeoutMs: number;
  maxBytes: number;
  /** What must not arrive twice and carries no idempotency key: not sent again when a kept connection turns out to be closed. */
  once?: boolean;
}

export interface HttpResponse {
  status: number;
  headers: Record<string, string | undefined>;
  body: string;
  /** Whether the body was cut at `maxBytes`. */
  truncated: boolean;
}

/**
 * https (http only for loopback in local mode), no redirects, size and time caps, private and link-local addresses refused
 * when connecting. Rejects with TransientError for network errors and time-outs, with InvalidArgument for a URL that may
 * not be called; any HTTP status is an answer.
 */
export interface HttpClient {
  request(request: HttpRequest): Promise<HttpResponse>;
}

/** Keys that every distributor's config may have. Spread into the type's own strict schema. */
export const commonConfig = {
  /** How often to poll an execution when `run` does not say; default 10 min. */
  pollInterval: durationSchema.optional(),
  /** For quests that do not say; `"0s"` is unlimited, except for stop. */
  timeouts: z
    .strictObject({
      start: durationSchema.optional(),
      run: durationSchema.optional(),
      stop: durationSchema.refine(text => text !== '0s', 'must not be unlimited ("0s")').optional(),
    })
    .optional(),
  /** How many jobs there may be at once: from the start until the job is known to be gone. */
  maxInFlight: z.int().min(1).max(1000).optional(),
  maxStartsPerSecond: z.number().min(0.001).max(1000).optional(),
};

/**
 * For types that have `executionOf`: the topic that their executor publishes to by itself. `projects/P/topics/T`, or `T` in the
 * project that we run in: that of the notification topic.
 */
export const ownTopic = {
  topic: z
    .string()
    .regex(/^(projects\/[a-z][a-z0-9.:-]+\/topics\/)?[A-Za-z][\w.~+%-]{2,254}$/, 'must be "T" or "projects/P/topics/T"')
    .optional(),
};

export type CommonConfig = z.infer<z.ZodObject<typeof commonConfig>>;

/** One type of executor. An adapter module exports exactly one of these. */
export interface DistributorType<Config extends CommonConfig = CommonConfig> {
  type: string;
  /** Which kinds of quests it can run; the first is the default for its quests. */
  modes: readonly [Mode, ...Mode[]];
  configSchema: z.ZodType<Config>;
  /** How many handles `getStatuses` takes at once, for types whose distributors have it. */
  maxStatuses?: number;
  create(config: Config, services: Services): Distributor;
  /**
   * For types whose jobs die with the process that started them: called once when that process starts again, before
   * anything else, for all distributors of the type. Returns notifications about the executions that it found.
   */
  recover?(services: Services): Promise<Notification[]>;
}
