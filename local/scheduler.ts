import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../shared/core/errors.ts';
import type { Log } from '../shared/core/ports.ts';

/** Cloud Scheduler needs a minute. */
const SWEEP_PERIOD_MS = 5000;

/** Runs `work` at once and then every sweep period. Returns how to stop, which waits for a run that is under way. */
export function repeat(log: Log, work: () => Promise<void>): () => Promise<void> {
  const stopped = new AbortController();
  const { signal } = stopped;
  const loop = (async () => {
    while (!signal.aborted) {
      await work().catch((error: unknown) => log.error('the sweep failed', { error: messageOf(error) }));
      await sleep(SWEEP_PERIOD_MS, undefined, { signal }).catch(() => {});
    }
  })();
  return async () => {
    stopped.abort();
    await loop;
  };
}
