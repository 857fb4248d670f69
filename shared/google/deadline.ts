import { AsyncLocalStorage } from 'node:async_hooks';
import { TransientError } from '../core/errors.ts';

/** Of the work that is going on, in epoch milliseconds: for what is deep below `within` and is handed no argument. */
const deadlines = new AsyncLocalStorage<number>();

/** When the caller stops waiting; absent when nobody said so. */
export function currentDeadline(): number | undefined {
  return deadlines.getStore();
}

/**
 * Rejects with a TransientError when the work takes longer. Google's clients repeat a failed call for minutes, which is
 * longer than a delivery waits.
 */
export async function within<T>(limitMs: number, what: string, work: () => Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  // Every call has one and few are late: a sleep that is cut short would make an error with a stack for each.
  const timeout = setTimeout(
    () => late.reject(new TransientError(`cannot ${what}: no answer within ${limitMs} ms`)),
    limitMs,
  );
  try {
    return await Promise.race([deadlines.run(Date.now() + limitMs, work), late.promise]);
  } finally {
    clearTimeout(timeout);
  }
}
