import type { Clock } from '../../shared/core/ports.ts';

export interface RateLimiter {
  /** Resolves when the next dispatch may go out; rejects when the signal aborts. */
  turn(): Promise<void>;
  /** The target is overloaded: fewer dispatches from now on. */
  slowDown(): void;
  /** A dispatch was accepted: step by step back to the full rate. */
  recover(): void;
}

/** A queue of 500 a second is given bursts of 100 (RateLimits.max_burst_size). */
const BURST_MS = 200;
/** Cloud Tasks tells neither how much it slows down nor how it recovers. */
const SLOWEST = 1 / 64;
const STEP = 1 / 100;

/** The token bucket of one queue, kept as the time at which its next token is there. */
export function createRateLimiter(perSecond: number, clock: Clock, signal: AbortSignal): RateLimiter {
  let share = 1;
  let nextAt = 0;
  return {
    async turn() {
      const now = clock.now();
      const mine = Math.max(nextAt, now - BURST_MS);
      nextAt = mine + 1000 / (perSecond * share);
      if (mine > now) await clock.sleep(mine - now, signal);
    },
    slowDown() {
      share = Math.max(SLOWEST, share / 2);
    },
    recover() {
      share = Math.min(1, share + STEP);
    },
  };
}
