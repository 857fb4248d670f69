import { z } from 'zod';
import { askSchema, instantSchema, numberSchema, SCHEMA_VERSION } from './attempt.ts';
import { type ExecutionId, executionId } from './ids.ts';
import { jsonObjectSchema } from './json.ts';
import { MODES, questIdSchema } from './quest.ts';
import { abnormalFinishSchema, dataSchema, taskResultSchema } from './result.ts';

/** A distributor as an execution met it, kept for the execution's whole life whatever is deployed meanwhile. */
export const pinnedDistributorSchema = z.object({
  name: z.string(),
  type: z.string(),
  version: z.string(),
  config: jsonObjectSchema,
});
export type PinnedDistributor = z.infer<typeof pinnedDistributorSchema>;

/** The executor's own id for an execution; only its adapter looks into it. */
export type Token = string;
export const MAX_TOKEN_CHARACTERS = 1500;

/** Work that an adapter enqueued for itself while `run` was going on. */
export const adapterTaskSchema = z.object({
  payload: jsonObjectSchema,
  delayMs: z.int().min(0).optional(),
});
export type AdapterTask = z.infer<typeof adapterTaskSchema>;

export const notificationDataSchema = z.object({
  data: z.string(),
  attributes: z.record(z.string(), z.string()),
});

const launchSchema = z.discriminatedUnion('state', [
  /** `run` is owed; `tries` counts the times it was begun. */
  z.object({ state: z.literal('owed'), tries: z.int().min(0), nextAt: instantSchema }),
  z.object({
    state: z.literal('launched'),
    token: z.string(),
    at: instantSchema,
    /** Tasks of `run`, recorded with its token, and when to enqueue them (again). Dropped once that was done. */
    outbox: z.object({ tasks: z.array(adapterTaskSchema), nextAt: instantSchema }).optional(),
  }),
  /** No job was ever begun, or its executor refused it. */
  z.object({ state: z.literal('none') }),
]);

const pollSchema = z.object({
  intervalMs: z.number().positive(),
  /** Polls in a row that brought nothing new; each doubles the interval. */
  fruitless: z.int().min(0),
  /** Its executor can be asked about many at once: polls wait for the sweep, which groups them. */
  grouped: z.literal(true).optional(),
  lastAt: instantSchema.optional(),
  nextAt: instantSchema.optional(),
});

/**
 * The right to make one call, held until `untilAt`. While it lives, nothing but its own record makes a call due again,
 * so that two wake-ups never call an executor at the same time.
 */
const claimSchema = z.object({
  call: z.enum(['run', 'poll', 'cancel', 'confirm']),
  /** For `cancel` and `confirm`: which unwanted job; absent when its token is not known. */
  token: z.string().optional(),
  at: instantSchema,
  untilAt: instantSchema,
});
export type Claim = z.infer<typeof claimSchema>;

/** A job that perhaps lives although nobody wants it any more. It is cancelled, then polled until it is gone. */
const unwantedJobSchema = z.object({
  /** Absent when `run` was begun and its answer lost. */
  token: z.string().optional(),
  /** What is owed next. `learn`: run again with the same id, only to learn the token. */
  need: z.enum(['cancel', 'confirm', 'learn']),
  tries: z.int().min(0),
  failedCancels: z.int().min(0),
  since: instantSchema,
  /** Absent: not before the execution ends (an interactive stray), or never again (abandoned). */
  nextAt: instantSchema.optional(),
  abandoned: z.literal(true).optional(),
});
export type UnwantedJob = z.infer<typeof unwantedJobSchema>;

/** SHA-256 (base64url) of the execution token and of the call that halted the execution. */
const haltSchema = z.object({ tokenHash: z.string(), callHash: z.string() });

const common = {
  schemaVersion: z.literal(SCHEMA_VERSION),
  quest: questIdSchema,
  attempt: numberSchema,
  execution: numberSchema,
  revision: z.int().min(1),
  shard: z.int(),
  createdAt: instantSchema,
  updatedAt: instantSchema,
  mode: z.enum(MODES),
  distributor: pinnedDistributorSchema,
  /** Fixed, so that every `run` of this execution hands over the same bytes. */
  auth: z.object({ nonce: z.string(), issuedAt: instantSchema, keyId: z.string() }),
  /** The execution whose result is this one's previous state. */
  stateFrom: numberSchema.optional(),
  /** The number of the slot that it holds until its job is gone, where its distributor limits how many jobs there are. */
  slot: numberSchema.optional(),
  /** Phase time-outs in milliseconds; 0 is unlimited. */
  timeoutsMs: z.object({ start: z.number(), run: z.number(), stop: z.number() }),
  launch: launchSchema,
  poll: pollSchema,
  claim: claimSchema.optional(),
  unwanted: z.array(unwantedJobSchema).optional(),
  /** Notifications that came before the token was known, and cannot be read until it is; the newest last. */
  kept: z.array(notificationDataSchema).optional(),
  wakeAt: instantSchema.optional(),
};

const live = {
  ...common,
  enteredAt: instantSchema,
  /** When this phase times out; absent when it is unlimited. */
  deadlineAt: instantSchema.optional(),
  /** How often the executor was asked at or after the deadline. */
  asked: z.int().min(0),
  /** Why the last call of the executor failed, if it did; for the reason, should that be how it ends. */
  problem: z.string().optional(),
};

const ended = {
  ...common,
  endedAt: instantSchema,
  /** Whether the executor itself reported this end; then there is no job left to stop. */
  reported: z.boolean(),
  halt: haltSchema.optional(),
  /** The first outcome that arrived too late to count. */
  lateOutcome: taskResultSchema.optional(),
};

export const executionSchema = z.discriminatedUnion('state', [
  /** Entered by launching; left when the job activates or is reported running, or ends. */
  z.object({ ...live, state: z.literal('SCHEDULING') }),
  /** Left when the job finishes its attempt or blocks on dependencies, is reported finished, or times out. */
  z.object({
    ...live,
    state: z.literal('RUNNING'),
    tokenHash: z.string().optional(),
    /** The last call of ensureGraphData, perhaps still under way: recorded before its first edge, so that one that is older gives up. */
    asking: z.object({ ask: askSchema, callHash: z.string() }).optional(),
  }),
  /** The job said it is done with us; left when its executor reports the end. */
  z.object({
    ...live,
    state: z.literal('STOPPING'),
    halt: haltSchema,
    /** The attempt's result, accepted from the job; absent when it halted to wait for dependencies. */
    finish: dataSchema.optional(),
    /** Whether the last poll said for good that there is no such job. */
    lastErrorFinal: z.boolean(),
  }),
  z.object({ ...ended, state: z.literal('FINISHED'), result: dataSchema }),
  z.object({
    ...ended,
    state: z.literal('ABNORMAL_FINISHED'),
    result: z.object({ abnormalFinish: abnormalFinishSchema }),
  }),
]);

export type Execution = z.infer<typeof executionSchema>;
export type ExecutionState = Execution['state'];
export type ExecutionIn<S extends ExecutionState> = Extract<Execution, { state: S }>;
export type LiveExecution = ExecutionIn<'SCHEDULING' | 'RUNNING' | 'STOPPING'>;
export type EndedExecution = ExecutionIn<'FINISHED' | 'ABNORMAL_FINISHED'>;

export const EXECUTION_STATES = [
  'SCHEDULING',
  'RUNNING',
  'STOPPING',
  'FINISHED',
  'ABNORMAL_FINISHED',
] as const satisfies readonly ExecutionState[];

/** The transition table of executions: from → to. */
export const EXECUTION_TRANSITIONS: Readonly<Record<ExecutionState, readonly ExecutionState[]>> = {
  SCHEDULING: ['RUNNING', 'FINISHED', 'ABNORMAL_FINISHED'],
  RUNNING: ['STOPPING', 'FINISHED', 'ABNORMAL_FINISHED'],
  STOPPING: ['FINISHED', 'ABNORMAL_FINISHED'],
  FINISHED: [],
  ABNORMAL_FINISHED: [],
};

export function idOfExecution(execution: Pick<Execution, 'quest' | 'attempt' | 'execution'>): ExecutionId {
  return executionId(execution.quest, execution.attempt, execution.execution);
}

export function isLive(execution: Execution): execution is LiveExecution {
  return EXECUTION_TRANSITIONS[execution.state].length > 0;
}

export function tokenOf(execution: Execution): Token | undefined {
  return execution.launch.state === 'launched' ? execution.launch.token : undefined;
}

/** When a phase entered at `from` times out; a time-out of 0 is unlimited. */
export function deadlineAfter(from: number, timeoutMs: number): number | undefined {
  return timeoutMs === 0 ? undefined : from + timeoutMs;
}

/** An executor may need a moment before it knows a job that it has just accepted. */
const MISSING_AFTER_MS = 30_000;

/** Whether enough time has passed since the token was recorded to believe an executor that knows no such job. */
export function isSettled({ launch }: Execution, now: number): boolean {
  return launch.state === 'launched' && now - launch.at >= MISSING_AFTER_MS;
}
