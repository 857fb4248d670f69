import { type Attempt, isAttemptOver } from '../core/attempt.ts';

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

/** Without the result, so that what is not shown takes no memory. */
export function withhold(attempt: Attempt, withheld: Withheld): GraphAttempt {
  return attempt.state === 'FINISHED' ? { attempt: { ...attempt, result: { data: {} } }, withheld } : { attempt };
}
