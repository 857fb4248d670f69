import type { WriteBatch, WriteResult } from '@google-cloud/firestore';
import { ConflictError, TransientError } from '../core/errors.ts';
import { within } from './deadline.ts';
import { fromGoogle, isRefusedPrecondition } from './errors.ts';

/** Calls of Firestore: each bounded in time, each error one of ours. `what` completes "cannot …". */
export interface Calls {
  read<T>(what: string, call: () => Promise<T>): Promise<T>;
  /** Rejects with ConflictError when a precondition was not met; then nothing was written. */
  commit(what: string, batch: WriteBatch): Promise<WriteResult[]>;
}

export function createCalls(timeoutMs: number): Calls {
  async function bounded<T>(what: string, call: () => Promise<T>, meaning = fromGoogle): Promise<T> {
    try {
      return await within(timeoutMs, what, call);
    } catch (error) {
      throw error instanceof TransientError ? error : meaning(error, what);
    }
  }
  return {
    read: (what, call) => bounded(what, call),
    commit: (what, batch) => bounded(what, () => batch.commit(), meaningOfRefusal),
  };
}

function meaningOfRefusal(error: unknown, what: string): Error {
  return isRefusedPrecondition(error)
    ? new ConflictError(`cannot ${what}: someone else was first`)
    : fromGoogle(error, what);
}
