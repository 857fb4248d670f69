import type { Attempt } from '../attempt.ts';
import { type Context, commit, type Decision, ignored, reviseAttempt } from './decision.ts';

/** For those that join a line: whoever frees a slot starts the first in it. */
const RECHECK_MS = 60 * 60_000;
/** For one that finds nobody waiting: should its own look at the slots be cut short, nobody else may have a reason to look. */
const FIRST_RECHECK_MS = 60_000;

/** An attempt that is due finds no slot of its distributor free: it stands in line, or goes on to. */
export function decideQueue(
  { attempt }: { attempt: Attempt },
  { revision, distributor, first }: { revision: number; distributor: string; first: boolean },
  { now }: Context,
): Decision {
  if (attempt.state !== 'SCHEDULING') return ignored(`attempt is ${attempt.state}`);
  if (attempt.revision !== revision) return ignored('stale wake-up');
  const recheckAt = now + (first ? FIRST_RECHECK_MS : RECHECK_MS);
  // One whose distributor has another name by now keeps its place.
  const queued = { distributor, at: attempt.queued?.at ?? now, recheckAt };
  return commit({ attempt: reviseAttempt(attempt, { ...attempt, queued }, now) });
}
