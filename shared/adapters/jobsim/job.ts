import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { JsonObject } from '../../core/json.ts';
import { abnormal, taskResultSchema } from '../../core/result.ts';
import { parseWith } from '../../core/validation.ts';
import { type Progress, progressSchema } from './progress.ts';

const atWork = { ...progressSchema.shape, executionToken: z.string() };

/** A simulated job; its document. */
export const jobSchema = z.discriminatedUnion('state', [
  /** The execution token is stored before it is used, so that a restarted job activates with the same. */
  z.object({ ...atWork, state: z.literal('starting') }),
  /** Activated. Nothing is done before `wakeAt`. */
  z.object({ ...atWork, state: z.literal('running'), wakeAt: z.number() }),
  /** Never changes. */
  z.object({ state: z.literal('ended'), result: taskResultSchema }),
]);
export type Job = z.infer<typeof jobSchema>;

/** Throws InvalidArgument for the state of another kind of job. */
export function progressOf(previousState: JsonObject | undefined): Progress {
  return parseWith(progressSchema, previousState ?? { stage: 0, sum: 0 }, 'previousState');
}

export function begin(previousState: JsonObject | undefined): Job {
  return { ...progressOf(previousState), state: 'starting', executionToken: randomBytes(32).toString('base64url') };
}

/** The job came to its own end, by finishing its attempt or by waiting: this is what it leaves. */
export function ended(progress: Progress): Job {
  return { state: 'ended', result: { data: progress as JsonObject } };
}

/** The job did not come to its own end; whether it is worth another execution, its retry budget says. */
export function crashed(reason: string): Job {
  return { state: 'ended', result: abnormal('CRASHED', reason) };
}

export function cancel(job: Job | undefined): Job {
  return job?.state === 'ended' ? job : { state: 'ended', result: abnormal('CANCELLED', 'cancelled on request') };
}
