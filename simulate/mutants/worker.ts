import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { mutate } from './load.ts';
import type { Mutant } from './table.ts';

/** Where a mutant was caught. */
export interface Caught {
  seed: number;
  invariant: string;
}

/** Lives through worlds of one mutant until an invariant is broken. */
async function hunt({ mutant, seeds }: { mutant: Mutant; seeds: number }): Promise<Caught | undefined> {
  mutate(mutant);
  // Only now, with the bug.
  const [{ createFaults }, { scenarioOf, simulate }] = await Promise.all([
    import('../faults.ts'),
    import('../world.ts'),
  ]);
  for (let seed = 1; seed <= seeds; seed++) {
    const { violation } = await simulate(scenarioOf(seed, createFaults(seed)));
    if (violation !== undefined) return { seed, invariant: violation.invariant };
  }
  return undefined;
}

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port of a worker has no origin
(parentPort as MessagePort).postMessage(await hunt(workerData as { mutant: Mutant; seeds: number }));
