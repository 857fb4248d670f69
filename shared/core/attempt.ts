import { z } from 'zod';
import { type AttemptId, attemptId, executionId, MAX_NUMBER, type WaitId, waitId } from './ids.ts';
import { questIdSchema, RETRY_CLASSES } from './quest.ts';
import { abnormalFinishSchema, dataSchema } from './result.ts';

export const SCHEMA_VERSION = 1;

export const numberSchema = z.int().min(1).max(MAX_NUMBER);
/** Epoch milliseconds. */
export const instantSchema = z.number().min(0);

/** Counts the asks of an execution: its calls of ensureGraphData that differ. */
export const askSchema = z.int().min(1);

/** What an attempt waits for: the open edges of one ask, of which `spare` may remain when it goes on. */
export const waitSchema = z.object({ execution: numberSchema, ask: askSchema, spare: z.int().min(0) });
export type Wait = z.infer<typeof waitSchema>;

const queuedSchema = z.object({
  distributor: z.string(),
  at: instantSchema,
  /** When to look for a free slot all the same, should whoever freed one have died. */
  recheckAt: instantSchema,
});

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
  /** A client has asked for it, and not only another attempt. */
  requested: z.literal(true).optional(),
  /** Other attempts have asked for it: they are told when it is over. */
  awaited: z.literal(true).optional(),
  /** Of each wait, the dependencies have higher ranks than the dependent; so waits cannot form a cycle. Never falls. */
  rank: z.int().min(0).optional(),
  /** It is about to be cancelled together with what waited for it, unless somebody asks for it: the revision that says so. */
  doomed: z.int().min(1).optional(),
  /** When the system owes this document something, the time at which that falls due. */
  wakeAt: instantSchema.optional(),
};

const over = {
  ...common,
  endedAt: instantSchema,
  /** What is still to be done about other attempts, page by page; `after` is where the next page begins. */
  owes: z
    .object({
      nextAt: instantSchema,
      /** Tell its dependents. */
      tell: z.object({ after: z.string().optional() }).optional(),
      /** Cancel what only it waited for. */
      cascade: z.object({ after: z.string().optional() }).optional(),
    })
    .optional(),
};

export const attemptSchema = z.discriminatedUnion('state', [
  /** Entered by a client, by a retry or when dependencies are settled; left by launching the next execution. */
  z.object({
    ...common,
    state: z.literal('SCHEDULING'),
    notBefore: instantSchema,
    /** The execution whose job must be known to be gone first (or its cancel to have failed for long). */
    after: numberSchema.optional(),
    /** It is due, and waits for a slot of this distributor; whoever came earlier is started earlier. */
    queued: queuedSchema.optional(),
  }),
  /** Entered with an execution; left when that execution ends. */
  z.object({
    ...common,
    state: z.literal('EXECUTING'),
    /** Since its execution has halted to wait; its job has not ended yet. */
    wait: waitSchema.optional(),
  }),
  /** Entered when an execution stopped to wait for dependencies; left when they are settled. */
  z.object({
    ...common,
    state: z.literal('WAITING'),
    /** Absent in documents that are older than dependencies are. */
    wait: waitSchema.optional(),
    /** Dependencies that were settled before it waited have told nobody: they have to be counted once. */
    uncounted: z.literal(true).optional(),
  }),
  z.object({ ...over, state: z.literal('FINISHED'), result: dataSchema }),
  z.object({
    ...over,
    state: z.literal('ABNORMAL_FINISHED'),
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

export type EndedAttempt = AttemptIn<'FINISHED' | 'ABNORMAL_FINISHED'>;

export function isAttemptOver(attempt: Attempt): attempt is EndedAttempt {
  return ATTEMPT_TRANSITIONS[attempt.state].length === 0;
}

/** What every attempt has, whatever its state. */
type Carried = Omit<AttemptIn<'SCHEDULING'>, 'state' | 'notBefore' | 'after' | 'queued'>;

/** What an attempt carries with it from one state into the next. */
export function carriedOver(attempt: Attempt): Carried {
  const {
    state: _,
    notBefore: __,
    after: ___,
    queued: ____,
    wait: _____,
    uncounted: ______,
    ...carried
  } = attempt as AttemptIn<'SCHEDULING'> & Pick<AttemptIn<'WAITING'>, 'wait' | 'uncounted'>;
  return carried;
}

/** What an attempt's halted execution waits for, if it does. */
export function waitOf(attempt: Attempt): (Wait & { id: WaitId }) | undefined {
  const wait = attempt.state === 'EXECUTING' || attempt.state === 'WAITING' ? attempt.wait : undefined;
  if (wait === undefined) return undefined;
  return { ...wait, id: waitId(executionId(attempt.quest, attempt.attempt, wait.execution), wait.ask) };
}

export function rankOf({ rank = 0 }: Attempt): number {
  return rank;
}

/** Ends an attempt; those who have asked for it are to be told. `cascade`: what only it waits for is to be cancelled, too. */
export function endAttempt(
  attempt: Attempt,
  end: { result: AttemptIn<'FINISHED'>['result'] } | { result: AttemptIn<'ABNORMAL_FINISHED'>['result'] },
  now: number,
  { cascade = false }: { cascade?: boolean } = {},
): EndedAttempt {
  const { doomed: _, ...carried } = carriedOver(attempt);
  const owes = {
    nextAt: now,
    ...(attempt.awaited === true && { tell: {} }),
    ...(cascade && { cascade: {} }),
  };
  const ended = { ...carried, endedAt: now, ...((attempt.awaited === true || cascade) && { owes }) };
  return 'data' in end.result
    ? { ...ended, state: 'FINISHED', result: end.result }
    : { ...ended, state: 'ABNORMAL_FINISHED', result: end.result };
}
