import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
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
  const over = new AbortController();
  const late = sleep(limitMs, undefined, { signal: over.signal }).then(() => {
    throw new TransientError(`cannot ${what}: no answer within ${limitMs} ms`);
  });
  const working = deadlines.run(Date.now() + limitMs, work);
  try {
    return await Promise.race([working, late]);
  } finally {
    late.catch(() => {});
    working.catch(() => {});
    over.abort();
  }
}
