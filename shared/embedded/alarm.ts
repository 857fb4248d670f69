import type { Clock } from '../core/ports.ts';

/** Rings early rather than late when the wall clock was changed or the machine slept; also below setTimeout's limit. */
const MAX_SLEEP_MS = 60_000;

export interface Alarm {
  /** Sets it to that time (epoch milliseconds), unless it already rings earlier. */
  set(at: number | undefined): void;
  clear(): void;
}

/** One timer for the earliest of many times. It may ring early: whoever hears it looks what is due and sets it again. */
export function createAlarm(clock: Clock, ring: () => void): Alarm {
  let armed: AbortController | undefined;
  let ringsAt = Number.POSITIVE_INFINITY;

  function clear(): void {
    armed?.abort();
    armed = undefined;
    ringsAt = Number.POSITIVE_INFINITY;
  }

  async function sleepThenRing(waitMs: number, mine: AbortController): Promise<void> {
    // When it is aborted, a sleep may resolve or reject; either way it is no longer the one that is armed.
    await clock.sleep(waitMs, mine.signal).catch(() => {});
    if (armed !== mine) return;
    clear();
    ring();
  }

  return {
    clear,
    set(at) {
      if (at === undefined || at >= ringsAt) return;
      clear();
      ringsAt = at;
      armed = new AbortController();
      const waitMs = Math.min(Math.max(at - clock.now(), 0), MAX_SLEEP_MS);
      void sleepThenRing(waitMs, armed);
    },
  };
}
