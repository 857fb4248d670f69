import { type Attempt, isAttemptOver } from '../core/attempt.ts';
import { abnormal } from '../core/result.ts';

/** Why a result is not shown although there is one. */
export type Withheld = 'notLoaded' | 'dataSizeLimit' | 'notAuthorized';

/** An attempt in an answer. */
export interface GraphAttempt {
  attempt: Attempt;
  withheld?: Withheld;
}

/** Chooses what of a graph fits into one answer, in the order in which it is asked. */
export interface Budget {
  show(attempt: Attempt): GraphAttempt;
  /** Whether this many bytes still fit; they are taken if so. */
  take(bytes: number): boolean;
}

export function createBudget({ withResults, maxDataSize }: { withResults: boolean; maxDataSize: number }): Budget {
  let left = maxDataSize;

  function take(bytes: number): boolean {
    if (bytes > left) return false;
    left -= bytes;
    return true;
  }

  return {
    take,
    show(attempt) {
      if (!isAttemptOver(attempt)) return { attempt };
      if (!withResults) return withhold(attempt, 'notLoaded');
      return take(Buffer.byteLength(JSON.stringify(attempt.result))) ? { attempt } : withhold(attempt, 'dataSizeLimit');
    },
  };
}

/** Without the result, so that what is not shown takes no memory. Of one that failed its status remains. */
export function withhold(attempt: Attempt, withheld: Withheld): GraphAttempt {
  if (attempt.state === 'FINISHED') return { attempt: { ...attempt, result: { data: {} } }, withheld };
  if (attempt.state !== 'ABNORMAL_FINISHED') return { attempt };
  return { attempt: { ...attempt, result: abnormal(attempt.result.abnormalFinish.status, '') }, withheld };
}
