import type { Attempt } from '../attempt.ts';
import { equalJitter, STOP_BACKOFF } from '../backoff.ts';
import { type CallError, isClaim } from '../calls.ts';
import {
  type Claim,
  type EndedExecution,
  type Execution,
  isLive,
  isSettled,
  tokenOf,
  type UnwantedJob,
} from '../execution.ts';
import type { TaskStatus } from '../result.ts';
import { type Context, commit, type Decision, type Docs, ignored, reviseAttempt, reviseExecution } from './decision.ts';
import { blocksRetry } from './end.ts';

/** After this long an unwanted job is given up on, with an error in the log. */
export const ABANDON_AFTER_MS = 7 * 24 * 60 * 60_000;

/** A job that still runs after this many looks is cancelled again: the first cancel may have been lost. */
const CANCEL_AGAIN_EVERY = 4;

/** The outcome of one call of `cancel` for an unwanted job. */
export function decideCancelRecorded(
  docs: Docs,
  { claim, outcome }: { claim: Claim; outcome: 'cancelled' | { error: CallError } },
  context: Context,
): Decision {
  if (!isClaim(docs.execution.claim, claim)) return ignored('claim has lapsed');
  return updateJob(docs, claim, context, job => {
    if (outcome === 'cancelled') {
      // Without a token nobody can be asked; the adapter looked for the job and made sure.
      if (job.token === undefined) return undefined;
      // Not from the beginning: a job that resists would be cancelled every few seconds, for days.
      const delayMs = equalJitter(STOP_BACKOFF, looksAt(job) + 1, context.random);
      return { ...job, need: 'confirm', nextAt: context.now + delayMs };
    }
    if (outcome.error.tokenRequired === true && job.token === undefined) {
      return { ...job, need: 'learn', nextAt: context.now };
    }
    return notStopped(job, outcome.error, context);
  });
}

/** The outcome of one look at a job that was cancelled. */
export function decideConfirmRecorded(
  docs: Docs,
  { claim, outcome }: { claim: Claim; outcome: TaskStatus | { error: CallError } },
  context: Context,
): Decision {
  const { execution } = docs;
  if (!isClaim(execution.claim, claim)) return ignored('claim has lapsed');
  const gone =
    'error' in outcome
      ? !outcome.error.transient && outcome.error.notAsked !== true && isKnownByNow(execution, context.now)
      : outcome.state === 'finished';
  const isMain = claim.token === tokenOf(execution);
  const informed =
    isMain && !('error' in outcome) && !isLive(execution) ? withLateOutcome(execution, outcome) : execution;
  return updateJob({ ...docs, execution: informed }, claim, context, job => {
    if (gone) return undefined;
    const looks = looksAt(job) + 1;
    const waiting = retried(job, looks, context, 'error' in outcome ? outcome.error.retryAfterMs : undefined);
    return looks % CANCEL_AGAIN_EVERY === 0 ? { ...waiting, need: 'cancel' } : waiting;
  });
}

/** A stray may be all that there is of a launch; then there is nothing to wait for. */
function isKnownByNow(execution: Execution, now: number): boolean {
  return execution.launch.state !== 'launched' || isSettled(execution, now);
}

/** Stopping a job failed, or learning the token that it takes. */
export function notStopped(job: UnwantedJob, { retryAfterMs }: CallError, context: Context): UnwantedJob {
  return { ...retried(job, job.tries + 1, context, retryAfterMs), failedCancels: job.failedCancels + 1 };
}

/** How often its executor was asked whether it is gone. */
function looksAt({ tries, failedCancels }: UnwantedJob): number {
  return tries - failedCancels;
}

/** One try more; `times` of them determine how long the next one waits. */
function retried(job: UnwantedJob, times: number, { now, random }: Context, retryAfterMs = 0): UnwantedJob {
  const delayMs = Math.max(retryAfterMs, equalJitter(STOP_BACKOFF, times, random));
  return { ...job, tries: job.tries + 1, nextAt: now + delayMs };
}

/** Replaces the claimed job by what `change` makes of it; undefined means that it is gone. */
function updateJob(
  docs: Docs,
  claim: Claim,
  context: Context,
  change: (job: UnwantedJob) => UnwantedJob | undefined,
): Decision {
  const { execution } = docs;
  const jobs = execution.unwanted ?? [];
  const job = jobs.find(({ token }) => token === claim.token);
  const changed = job && change(job);
  const unwanted = jobs.flatMap(other => (other !== job ? [other] : changed ? [changed] : []));
  const settled = { ...execution, claim: undefined, unwanted: unwanted.length > 0 ? unwanted : undefined };
  return isLive(settled)
    ? commit({ execution: reviseExecution(execution, settled, context.now) })
    : commit(reviseEnded(docs, settled, context));
}

/** The next revision of an ended execution; when no job of it is in the way any more, its attempt may retry. */
export function reviseEnded(
  docs: { execution: Execution; attempt: Attempt },
  changed: EndedExecution,
  { now }: Context,
): { execution: EndedExecution; attempt?: Attempt } {
  const unwanted = changed.unwanted?.length === 0 ? undefined : changed.unwanted;
  const execution = reviseExecution(docs.execution, { ...changed, unwanted }, now);
  const { attempt } = docs;
  const released = attempt.state === 'SCHEDULING' && attempt.after === execution.execution && !blocksRetry(execution);
  return released
    ? { execution, attempt: reviseAttempt(attempt, { ...attempt, after: undefined }, now) }
    : { execution };
}

/** Keeps the first outcome that comes too late, as evidence; the result itself never changes. */
export function withLateOutcome(execution: EndedExecution, status: TaskStatus): EndedExecution {
  if (status.state !== 'finished' || execution.reported || execution.lateOutcome !== undefined) return execution;
  return { ...execution, lateOutcome: status.result };
}

/** The executor reported the end of the execution's own job: it need not be stopped any more. */
export function withoutMainJob(execution: EndedExecution): EndedExecution {
  const token = tokenOf(execution);
  const unwanted = execution.unwanted?.filter(job => job.token !== token && job.token !== undefined);
  return unwanted?.length === execution.unwanted?.length ? execution : { ...execution, unwanted };
}
