import { setTimeout as sleep } from 'node:timers/promises';
import { TransientError } from '../core/errors.ts';

/**
 * Rejects with a TransientError when `work` takes longer. Google's clients repeat a failed call for minutes, which is
 * longer than a delivery waits. What goes on after that changes nothing: a commit that comes late meets its precondition.
 */
export async function within<T>(limitMs: number, what: string, work: Promise<T>): Promise<T> {
  const over = new AbortController();
  const late = sleep(limitMs, undefined, { signal: over.signal }).then(() => {
    throw new TransientError(`cannot ${what}: no answer within ${limitMs} ms`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    late.catch(() => {});
    work.catch(() => {});
    over.abort();
  }
}
