import { type Attempt, endAttempt, isAttemptOver } from '../attempt.ts';
import { type Execution, isLive } from '../execution.ts';
import type { Quest } from '../quest.ts';
import { abnormal } from '../result.ts';
import { type Context, commit, type Decision, ignored, reviseAttempt } from './decision.ts';
import { endExecution } from './end.ts';

export interface CancelWish {
  reason: string;
  /** What only this attempt waits for is not wanted either. */
  cascade?: boolean;
  /** Only if it is still doomed by this mark: nobody has asked for it since. */
  ifDoomed?: number;
}

/** An attempt is no longer wanted. It ends at once; its job, if there is one, is stopped afterwards. */
export function decideCancelAttempt(
  { quest, attempt, execution }: { quest: Quest; attempt: Attempt; execution: Execution | undefined },
  { reason, cascade = false, ifDoomed }: CancelWish,
  context: Context,
): Decision {
  const { now } = context;
  if (isAttemptOver(attempt)) {
    if (!cascade || attempt.owes?.cascade !== undefined) return ignored(`attempt is ${attempt.state}`);
    const owing: Attempt = { ...attempt, owes: { ...attempt.owes, nextAt: now, cascade: {} } };
    return commit({ attempt: reviseAttempt(attempt, owing, now) });
  }
  if (ifDoomed !== undefined && attempt.doomed !== ifDoomed) return ignored('somebody wants it');
  const result = abnormal('CANCELLED', reason);
  if (attempt.state === 'EXECUTING' && execution !== undefined && isLive(execution)) {
    if (execution.state === 'STOPPING' && execution.finish !== undefined) {
      return ignored('the attempt has already finished');
    }
    return commit(endExecution({ quest, attempt, execution }, { result, reported: false, cascade }, context));
  }
  return commit({ attempt: reviseAttempt(attempt, endAttempt(attempt, { result }, now, { cascade }), now) });
}
