import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Mutant } from './table.ts';
import type { Caught } from './worker.ts';

export interface Hunted {
  mutant: Mutant;
  /** Absent: it survived. */
  caught?: Caught;
}

/** Tries so many seeds on each mutant, in a thread of its own, as many at once as there are cores. */
export async function hunt(
  mutants: readonly Mutant[],
  seeds: number,
  tell: (hunted: Hunted) => void,
): Promise<readonly Hunted[]> {
  const all: Hunted[] = [];
  const waiting = [...mutants];
  const worker = async () => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const caught = await huntOne(mutant, seeds);
      const hunted = { mutant, ...(caught && { caught }) };
      all.push(hunted);
      tell(hunted);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return all;
}

async function huntOne(mutant: Mutant, seeds: number): Promise<Caught | undefined> {
  const thread = new Worker(new URL('./worker.ts', import.meta.url), { workerData: { mutant, seeds } });
  try {
    return await new Promise<Caught | undefined>((resolve, reject) => {
      thread.once('message', resolve);
      thread.once('error', reject);
    });
  } finally {
    await thread.terminate();
  }
}
