import type { Backoff } from './quest.ts';

/** Backoff of a `run` that failed for the moment, and what a claim lasts beyond its call. */
export const CALL_BACKOFF: Backoff = { initialMs: 1000, multiplier: 2, maxMs: 5 * 60_000 };

/** Backoff of cancelling and of making sure that a job is gone. */
export const STOP_BACKOFF: Backoff = { initialMs: 1000, multiplier: 2, maxMs: 60 * 60_000 };

/** The un-jittered delay in milliseconds before try `tries + 1`, when `tries` (≥ 1) have failed. */
export function backoffCeiling({ initialMs, multiplier, maxMs }: Backoff, tries: number): number {
  // Large exponents overflow to Infinity, and 0 × Infinity is not a number.
  return Math.min(maxMs, initialMs * Math.min(multiplier ** (Math.max(tries, 1) - 1), Number.MAX_VALUE));
}

/**
 * Full jitter: anywhere between 0 and the ceiling, so that many that failed together do not come back together
 * (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). `random` is in [0, 1).
 */
export function fullJitter(backoff: Backoff, tries: number, random: number): number {
  return Math.round(backoffCeiling(backoff, tries) * random);
}

/** Equal jitter: at least half of the ceiling, for calls that must not be hammered. */
export function equalJitter(backoff: Backoff, tries: number, random: number): number {
  const ceiling = backoffCeiling(backoff, tries);
  return Math.round(ceiling / 2 + (ceiling / 2) * random);
}
