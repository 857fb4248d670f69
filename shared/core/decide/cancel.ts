import { type Attempt, isAttemptOver, unscheduled } from '../attempt.ts';
import { type Execution, isLive } from '../execution.ts';
import type { Quest } from '../quest.ts';
import { abnormal } from '../result.ts';
import { type Context, commit, type Decision, ignored, reviseAttempt } from './decision.ts';
import { endExecution } from './end.ts';

/** A client no longer wants an attempt. It ends at once; its job, if there is one, is stopped afterwards. */
export function decideCancelAttempt(
  { quest, attempt, execution }: { quest: Quest; attempt: Attempt; execution: Execution | undefined },
  { reason }: { reason: string },
  context: Context,
): Decision {
  if (isAttemptOver(attempt)) return ignored(`attempt is ${attempt.state}`);
  const result = abnormal('CANCELLED', reason);
  if (attempt.state === 'EXECUTING' && execution !== undefined && isLive(execution)) {
    if (execution.state === 'STOPPING') return ignored('the attempt has already finished');
    return commit(endExecution({ quest, attempt, execution }, { result, reported: false }, context));
  }
  const carried = attempt.state === 'SCHEDULING' ? unscheduled(attempt) : attempt;
  const over: Attempt = { ...carried, state: 'ABNORMAL_FINISHED', endedAt: context.now, result };
  return commit({ attempt: reviseAttempt(attempt, over, context.now) });
}
