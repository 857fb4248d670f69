import { z } from 'zod';
import { CALL_BACKOFF, equalJitter } from '../../core/backoff.ts';
import { abnormal, taskResultSchema } from '../../core/result.ts';
import type { ExecutionId } from '../../core/ids.ts';
import type { Outcome } from './outcome.ts';

/** What the adapter knows of one execution's call; its document. */
export const jobSchema = z.discriminatedUnion('state', [
  /** The `tries`-th call is being made. If its maker dies, somebody else may make the next one from `dueAt` on. */
  z.object({
    state: z.literal('calling'),
    tries: z.int(),
    dueAt: z.number(),
    /** Cancelled meanwhile: make no further call. */
    cancelled: z.literal(true).optional(),
  }),
  /** The last call failed for the moment; the next is due at `dueAt`. */
  z.object({ state: z.literal('waiting'), tries: z.int(), dueAt: z.number() }),
  /** The service goes on by itself; only it knows how far it is. */
  z.object({ state: z.literal('accepted'), token: z.string(), storedAt: z.number() }),
  /** Never changes. */
  z.object({ state: z.literal('ended'), result: taskResultSchema }),
]);

export type Job = z.infer<typeof jobSchema>;
export type JobIn<S extends Job['state']> = Extract<Job, { state: S }>;

const CANCELLED: Job = { state: 'ended', result: abnormal('CANCELLED', 'cancelled on request') };

/** Nobody takes a claim over before its call must have timed out, by whatever clock. */
const CLAIM_MARGIN_MS = 10_000;

export interface Limits {
  maxTries: number;
  requestTimeoutMs: number;
}

/** Whether a call may begin; `cancelled` jobs are due only to be stopped. */
export function isDue(job: Job, now: number): job is JobIn<'calling' | 'waiting'> {
  return (job.state === 'calling' || job.state === 'waiting') && now >= job.dueAt;
}

/** Whose job it is, and when it is looked at. */
export interface Looked {
  executionId: ExecutionId;
  now: number;
}

/** Claims the next call if one is due; otherwise the job stays as it is. */
export function claimCall(job: Job | undefined, { maxTries, requestTimeoutMs }: Limits, looked: Looked): Job {
  const { now } = looked;
  if (job !== undefined && !isDue(job, now)) return job;
  if (job?.state === 'calling' && job.cancelled) return perhapsAccepted(looked);
  const tries = (job?.tries ?? 0) + 1;
  // Only calls whose maker died lead here: a call that was answered had its tries counted then.
  if (tries > maxTries) return { state: 'ended', result: abnormal('CRASHED', `${maxTries} calls were lost`) };
  return { state: 'calling', tries, dueAt: now + requestTimeoutMs + CLAIM_MARGIN_MS };
}

/** A call whose answer was lost may have begun a job all the same, which its service knows by the execution's id. */
function perhapsAccepted({ executionId, now }: Looked): Job {
  return { state: 'accepted', token: executionId, storedAt: now };
}

export interface Answer extends Looked {
  /** Which call it answers. */
  tries: number;
  outcome: Outcome;
  /** In [0, 1). */
  random: number;
}

/** What comes of a call. An answer that is late counts, unless others are ahead of it. */
export function recordAnswer(job: Job, answer: Answer, { maxTries }: Limits): Job {
  const { tries, outcome, now, random } = answer;
  if (job.state === 'ended') return job;
  if (outcome.kind === 'ended') return { state: 'ended', result: outcome.result };
  if (outcome.kind === 'accepted')
    return job.state === 'accepted' ? job : { state: 'accepted', token: outcome.token, storedAt: now };
  if (job.state !== 'calling' || job.tries !== tries) return job;
  if (job.cancelled) return perhapsAccepted(answer);
  if (tries >= maxTries) {
    const calls = tries === 1 ? 'one call' : `${tries} calls`;
    return { state: 'ended', result: abnormal('CRASHED', `${outcome.reason} (${calls})`) };
  }
  const delayMs = Math.max(outcome.retryAfterMs ?? 0, equalJitter(CALL_BACKOFF, tries, random));
  return { state: 'waiting', tries, dueAt: now + delayMs };
}

/** A call that is being made cannot be taken back; what becomes of it decides. */
export function cancelCall(job: Job | undefined, looked: Looked): Job {
  if (job === undefined) return CANCELLED;
  if (job.state === 'accepted' || job.state === 'ended') return job;
  return job.state === 'calling' && looked.now < job.dueAt ? { ...job, cancelled: true } : perhapsAccepted(looked);
}

/** The end of a cancelled job, unless it came to its own. */
export function endCancelled(job: Job | undefined): Job {
  return job?.state === 'ended' ? job : CANCELLED;
}
