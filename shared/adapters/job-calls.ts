import { z } from 'zod';
import { isCredentialError, isTransient, messageOf, TransientError } from '../core/errors.ts';
import type { Clock } from '../core/ports.ts';
import { HttpStatusError } from './http-answer.ts';

/** Starts, searches and cancels at services that jobs run at, so that neither lost answers nor refusals mislead. */

/** An answer that tells of the job: it will be the same when the call is repeated, whoever makes it. */
export function isFinal(error: unknown): boolean {
  return !isTransient(error) && !isCredentialError(error);
}

/** For `catch`: what is not there is undefined. */
export function orGone(error: unknown): undefined {
  if (!(error instanceof HttpStatusError && error.status === 404)) throw error;
}

/** Spread into schemas whose other fields are optional: an error in place of an answer must not be read as an empty one. */
export const noError = { error: z.never().optional() };

/**
 * Later than this in a call of `run` nothing is started: the answer must be there before the engine gives the call up, or the
 * next one would look for what is only being started.
 */
const START_WITHIN_MS = 30_000;

export interface StartWindow {
  isOver(): boolean;
  /** Throws TransientError when it is over. */
  check(): void;
}

/** The time, from now on, in which a call of `run` may start something. */
export function startWindow(clock: Clock): StartWindow {
  const until = clock.now() + START_WITHIN_MS;
  const isOver = () => clock.now() > until;
  return {
    isOver,
    check() {
      if (isOver()) throw new TransientError('the service answers too slowly to start anything now');
    },
  };
}

/** A search for an earlier start. That it failed says nothing of what there is: whatever the error, it is made again. */
export async function searched<T>(search: Promise<T>): Promise<T> {
  try {
    return await search;
  } catch (error) {
    throw isFinal(error) ? new TransientError(messageOf(error), { cause: error }) : error;
  }
}

/**
 * A start where there are no request ids: one that was not answered must have settled, in `settleMs`, before it is looked for.
 * A service that says when to come back is not at work on it.
 */
export async function settling<T>(start: Promise<T>, settleMs: number): Promise<T> {
  try {
    return await start;
  } catch (error) {
    if (!isTransient(error) || (error instanceof TransientError && error.retryAfterMs !== undefined)) throw error;
    throw new TransientError(messageOf(error), { cause: error, retryAfterMs: settleMs });
  }
}

/**
 * For `catch`, after a start with a request id or a name: what is refused now may have been accepted before, and the answer
 * lost. Resolves with what the search finds, and rejects with the refusal where that is nothing.
 */
export function unlessStarted<T>(search: () => Promise<T | undefined>): (refusal: unknown) => Promise<T> {
  return async refusal => {
    if (!(refusal instanceof HttpStatusError)) throw refusal;
    const found = await search().catch((error: unknown) => {
      if (isCredentialError(refusal)) throw refusal;
      const message = `${refusal.message}; whether it was started before is not known: ${messageOf(error)}`;
      throw new TransientError(message, { cause: error });
    });
    if (found === undefined) throw refusal;
    return found;
  };
}

/** The same order for everybody who chooses among the starts of one execution. `createdAt` is a timestamp as text. */
export function oldestFirst<T>(starts: readonly T[], read: (start: T) => { id: string; createdAt: unknown }): T[] {
  const keyed = starts.map(start => {
    const { id, createdAt } = read(start);
    return { start, id, at: Date.parse(String(createdAt)) || 0 };
  });
  return keyed.toSorted((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1)).map(({ start }) => start);
}

/**
 * Cancels. Services refuse in many ways to cancel what has ended, also by 500: where the job is over, or the service does not
 * know it, that is a success.
 */
export async function cancelUnlessOver(cancel: Promise<unknown>, isOver: () => Promise<boolean>): Promise<void> {
  try {
    await cancel;
  } catch (refusal) {
    if (isCredentialError(refusal) || !(await isOver().catch(isFinal))) throw refusal;
  }
}
