import type { Attempt } from '../../shared/core/attempt.ts';
import type { Execution } from '../../shared/core/execution.ts';

/** The rules of time, said once more in other words than the code's. */

const BLOCKED_RECHECK_MS = 60 * 60_000;

/** When each thing that an execution is owed falls due. */
export function owedTimes({ claim, unwanted = [], ...execution }: Execution): (number | undefined)[] {
  const held = (at: number | undefined) => at && Math.max(at, claim?.untilAt ?? 0);
  const times = unwanted.map(job => held(job.nextAt));
  if ('enteredAt' in execution) {
    times.push(claim?.call === 'run' ? execution.deadlineAt : held(execution.deadlineAt));
    if (execution.launch.state === 'owed') times.push(held(execution.launch.nextAt));
    if (execution.launch.state === 'launched') {
      times.push(held(execution.poll.nextAt), held(execution.launch.outbox?.nextAt));
    }
  }
  return times;
}

/**
 * When the only thing that an attempt is owed falls due: its next execution, a look at the line it stands in, a
 * count of what it waits for, telling others.
 */
export function launchTime(attempt: Attempt): number | undefined {
  if ('owes' in attempt) return attempt.owes?.nextAt;
  if (attempt.state === 'WAITING') return attempt.uncounted === true ? attempt.updatedAt : undefined;
  if (attempt.state !== 'SCHEDULING') return undefined;
  const { after, notBefore, updatedAt, queued } = attempt;
  if (queued !== undefined) return queued.recheckAt;
  return after === undefined ? notBefore : Math.max(notBefore, updatedAt + BLOCKED_RECHECK_MS);
}

export function earliest(times: readonly (number | undefined)[]): number | undefined {
  const some = times.filter(at => at !== undefined);
  return some.length === 0 ? undefined : Math.min(...some);
}
