import { CALL_BACKOFF } from '../backoff.ts';
import { CALL_TIMEOUT_MS } from '../calls.ts';
import { type Execution, isLive } from '../execution.ts';
import { type Context, commit, type Decision, ignored, reviseExecution } from './decision.ts';

/** No claim is held for longer. */
export const LONGEST_CLAIM_MS = CALL_TIMEOUT_MS.run + CALL_BACKOFF.maxMs;

/**
 * For a system of one process that has just started: whoever held the execution's claim is dead, and what `run` enqueued was
 * perhaps not enqueued. Both would be made up for in a minute; here they are due at once.
 */
export function decideRelease({ execution }: { execution: Execution }, { now }: Context): Decision {
  const { claim, launch, poll, unwanted } = execution;
  // What is due already stays as it is: a walk through all that is due would meet it again and again.
  const hasOutbox = isLive(execution) && launch.state === 'launched' && (launch.outbox?.nextAt ?? 0) > now;
  if (claim === undefined && !hasOutbox) return ignored('nothing is held');
  // A claim puts the call that it stands for off until it lapses.
  const freed = <Step extends { nextAt?: number | undefined }>(step: Step): Step =>
    claim !== undefined && step.nextAt === claim.untilAt ? { ...step, nextAt: now } : step;
  const released: Execution = {
    ...execution,
    claim: undefined,
    launch: releasedLaunch(launch, freed, now),
    poll: freed(poll),
    unwanted: unwanted?.map(freed),
  };
  return commit({ execution: reviseExecution(execution, released, now) });
}

type Launch = Execution['launch'];
type Owed = Extract<Launch, { state: 'owed' }>;

function releasedLaunch(launch: Launch, freed: (owed: Owed) => Owed, now: number): Launch {
  if (launch.state === 'owed') return freed(launch);
  if (launch.state === 'none' || launch.outbox === undefined) return launch;
  return { ...launch, outbox: { ...launch.outbox, nextAt: Math.min(launch.outbox.nextAt, now) } };
}
