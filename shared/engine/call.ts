import { type Distributor, TokenRequired } from '../adapters/contract.ts';
import { CALL_TIMEOUT_MS, type CallError } from '../core/calls.ts';
import { isCredentialError, isTransient, messageOf, TransientError } from '../core/errors.ts';
import type { Claim, PinnedDistributor } from '../core/execution.ts';
import type { Parts } from './parts.ts';

/** The call was not made, and never will be. */
class NotAsked extends Error {
  override name = 'NotAsked';
}

/** What an adapter answered cannot be used; what it began may exist all the same. */
export class UnusableAnswer extends Error {
  override name = 'UnusableAnswer';
}

/** The adapter instance of an execution. Throws NotAsked when this deployment does not have it any more. */
export function adapterOf({ registry }: Parts, distributor: PinnedDistributor): Distributor {
  let problem = `distributor type "${distributor.type}" is not deployed`;
  try {
    const adapter = registry.instance(distributor);
    if (adapter !== undefined) return adapter;
  } catch (error) {
    problem = `distributor "${distributor.name}" cannot be set up: ${messageOf(error)}`;
  }
  throw new NotAsked(problem);
}

/** Calls an adapter within the time that the claim allows. Whatever it throws comes back as a value. */
export async function callAdapter<T>(
  parts: Parts,
  call: Claim['call'],
  operation: () => Promise<T>,
): Promise<{ value: T } | { error: CallError; thrown: unknown }> {
  try {
    return { value: await withTimeout(parts, CALL_TIMEOUT_MS[call], operation) };
  } catch (thrown) {
    return { error: callError(call, thrown), thrown };
  }
}

export async function withTimeout<T>({ clock }: Parts, timeoutMs: number, operation: () => Promise<T>): Promise<T> {
  const settled = new AbortController();
  const timeout = clock.sleep(timeoutMs, settled.signal).then(() => {
    throw new TransientError(`no answer within ${timeoutMs / 1000} s`);
  });
  timeout.catch(() => {});
  try {
    // An adapter that throws before its first await is no different from one that rejects.
    return await Promise.race([(async () => operation())(), timeout]);
  } finally {
    // Any reason will do; without one an error would be made that nobody sees.
    settled.abort('settled');
  }
}

/** What a call takes is made up first: where that fails for good, nobody was asked. */
export async function prepared<T>(preparation: Promise<T>): Promise<T> {
  try {
    return await preparation;
  } catch (error) {
    throw isTransient(error) ? error : new NotAsked(messageOf(error));
  }
}

/** An executor may ask for patience, but not for a day. */
const LONGEST_RETRY_AFTER_MS = 60 * 60_000;

export function callError(call: Claim['call'], thrown: unknown): CallError {
  const asked = thrown instanceof TransientError ? thrown.retryAfterMs : undefined;
  const retryAfterMs = asked === undefined ? undefined : Math.min(asked, LONGEST_RETRY_AFTER_MS);
  // An executor that refuses who we are has not looked at what we asked.
  const notAsked = thrown instanceof NotAsked || (call === 'run' && isCredentialError(thrown));
  return {
    transient: isTransient(thrown),
    message: messageOf(thrown),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(thrown instanceof TokenRequired && { tokenRequired: true }),
    ...(notAsked && { notAsked: true }),
    ...(thrown instanceof UnusableAnswer && { jobPossible: true }),
  };
}
