import { type Attempt, isAttemptOver } from './attempt.ts';
import { type Execution, isLive } from './execution.ts';
import type { Slot } from './slot.ts';

/** What a document is owed next, named after the `tasks` path that an operator sees. */
export type Owed = 'run' | 'poll' | 'cancel' | 'wake' | 'propagate' | 'start';

export interface Obligation {
  owed: Owed;
  at: number;
  /** Whether a task is enqueued for it as soon as it is near; otherwise the sweep alone finds it. */
  prompt: boolean;
}

/** A `wakeAt` nearer than this gets its own task; what is further away is left to the sweep. */
export const PROMPT_HORIZON_MS = 2 * 60_000;

/** Everything that the system owes an execution, in no order. Empty: nothing, for ever. */
export function executionObligations(execution: Execution): Obligation[] {
  const owed: Obligation[] = [];
  const { claim, launch } = execution;
  // While a claim lives only its own record makes a call due again: what the claim holds back is the sweep's business,
  // for the case that the claim's holder died. A deadline does not wait for a `run` that may hang.
  const add = (what: Owed, at: number | undefined, held = claim !== undefined, prompt = !held) => {
    if (at !== undefined) owed.push({ owed: what, at: held ? Math.max(at, claim?.untilAt ?? 0) : at, prompt });
  };
  if (isLive(execution)) {
    add('wake', execution.deadlineAt, claim !== undefined && claim.call !== 'run');
    if (launch.state === 'owed') add('run', launch.nextAt);
    if (launch.state === 'launched') {
      // One that can be asked for together with others waits for the sweep, which finds the others.
      const alone = execution.poll.grouped !== true;
      add('poll', execution.poll.nextAt, claim !== undefined, claim === undefined && alone);
      // Enqueued right after it was recorded. Nobody writes down that this succeeded, so they are enqueued once more.
      const outboxAt = launch.outbox && Math.max(launch.outbox.nextAt, claim?.untilAt ?? 0);
      if (outboxAt !== undefined) owed.push({ owed: 'wake', at: outboxAt, prompt: false });
    }
  }
  for (const job of execution.unwanted ?? []) add(job.need === 'confirm' ? 'poll' : 'cancel', job.nextAt);
  return owed;
}

/** How long an attempt that waits for an earlier job to be gone relies on that execution to tell it. */
const BLOCKED_RECHECK_MS = 60 * 60_000;

export function attemptObligations(attempt: Attempt): Obligation[] {
  if (isAttemptOver(attempt)) {
    const at = attempt.owes?.nextAt;
    return at === undefined ? [] : [{ owed: 'propagate', at, prompt: true }];
  }
  if (attempt.state === 'WAITING' && attempt.uncounted === true) {
    return [{ owed: 'wake', at: attempt.updatedAt, prompt: true }];
  }
  if (attempt.state !== 'SCHEDULING') return [];
  if (attempt.queued !== undefined) return [{ owed: 'wake', at: attempt.queued.recheckAt, prompt: false }];
  if (attempt.after === undefined) return [{ owed: 'run', at: attempt.notBefore, prompt: true }];
  return [{ owed: 'wake', at: Math.max(attempt.notBefore, attempt.updatedAt + BLOCKED_RECHECK_MS), prompt: false }];
}

/** A slot that has become free owes a start to whoever waits. */
export function slotObligations({ wakeAt }: Slot): Obligation[] {
  return wakeAt === undefined ? [] : [{ owed: 'start', at: wakeAt, prompt: true }];
}

export function earliest(obligations: readonly Obligation[]): Obligation | undefined {
  return obligations.reduce<Obligation | undefined>(
    (first, next) => (first === undefined || next.at < first.at ? next : first),
    undefined,
  );
}
