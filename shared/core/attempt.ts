import { z } from 'zod';
import { type AttemptId, attemptId, MAX_NUMBER } from './ids.ts';
import { questIdSchema, RETRY_CLASSES } from './quest.ts';
import { abnormalFinishSchema, dataSchema } from './result.ts';

export const SCHEMA_VERSION = 1;

export const numberSchema = z.int().min(1).max(MAX_NUMBER);
/** Epoch milliseconds. */
export const instantSchema = z.number().min(0);

const common = {
  schemaVersion: z.literal(SCHEMA_VERSION),
  quest: questIdSchema,
  attempt: numberSchema,
  /** Rises by one with every write; a write is accepted only on top of the revision that was read. */
  revision: z.int().min(1),
  shard: z.int(),
  createdAt: instantSchema,
  updatedAt: instantSchema,
  /** The name that the quest gives its distributor, for lists. */
  distributor: z.string(),
  /** How many executions there were; the last one is the current one. */
  executions: z.int().min(0),
  /** Consecutive failures so far, by retry class. */
  retries: z.partialRecord(z.enum(RETRY_CLASSES), z.int()),
  /** The last execution that succeeded: its result is the persistent state that the next one receives. */
  stateFrom: numberSchema.optional(),
  /** When the system owes this document something, the time at which that falls due. */
  wakeAt: instantSchema.optional(),
};

export const attemptSchema = z.discriminatedUnion('state', [
  /** Entered by a client, by a retry or when dependencies are settled; left by launching the next execution. */
  z.object({
    ...common,
    state: z.literal('SCHEDULING'),
    notBefore: instantSchema,
    /** The execution whose job must be known to be gone first (or its cancel to have failed for long). */
    after: numberSchema.optional(),
  }),
  /** Entered with an execution; left when that execution ends. */
  z.object({ ...common, state: z.literal('EXECUTING') }),
  /** Entered when an execution stopped to wait for dependencies; left when they are settled. */
  z.object({ ...common, state: z.literal('WAITING') }),
  z.object({ ...common, state: z.literal('FINISHED'), endedAt: instantSchema, result: dataSchema }),
  z.object({
    ...common,
    state: z.literal('ABNORMAL_FINISHED'),
    endedAt: instantSchema,
    result: z.object({ abnormalFinish: abnormalFinishSchema }),
  }),
]);

export type Attempt = z.infer<typeof attemptSchema>;
export type AttemptState = Attempt['state'];
export type AttemptIn<S extends AttemptState> = Extract<Attempt, { state: S }>;

export const ATTEMPT_STATES = [
  'SCHEDULING',
  'EXECUTING',
  'WAITING',
  'FINISHED',
  'ABNORMAL_FINISHED',
] as const satisfies readonly AttemptState[];

/** The transition table of attempts: from → to. */
export const ATTEMPT_TRANSITIONS: Readonly<Record<AttemptState, readonly AttemptState[]>> = {
  SCHEDULING: ['EXECUTING', 'ABNORMAL_FINISHED'],
  EXECUTING: ['WAITING', 'SCHEDULING', 'FINISHED', 'ABNORMAL_FINISHED'],
  WAITING: ['SCHEDULING', 'ABNORMAL_FINISHED'],
  FINISHED: [],
  ABNORMAL_FINISHED: [],
};

export function idOfAttempt(attempt: Pick<Attempt, 'quest' | 'attempt'>): AttemptId {
  return attemptId(attempt.quest, attempt.attempt);
}

export function isAttemptOver(attempt: Attempt): attempt is AttemptIn<'FINISHED' | 'ABNORMAL_FINISHED'> {
  return ATTEMPT_TRANSITIONS[attempt.state].length === 0;
}

/** What an attempt carries with it when it leaves SCHEDULING. */
export function unscheduled(attempt: AttemptIn<'SCHEDULING'>): Omit<AttemptIn<'SCHEDULING'>, 'notBefore' | 'after'> {
  const { notBefore: _, after: __, ...carried } = attempt;
  return carried;
}
