import { answering } from '../answering.ts';
import { mutate } from './load.ts';
import type { Mutant } from './table.ts';

/** Where a mutant was caught. */
export interface Caught {
  seed: number;
  invariant: string;
}

export interface Hunt {
  mutant: Mutant;
  seeds: number;
}

/** Lives through worlds of one mutant until an invariant is broken. A thread is good for one hunt: the bug stays. */
async function hunt({ mutant, seeds }: Hunt): Promise<Caught | undefined> {
  mutate(mutant);
  // Only now, with the bug.
  const { simulateSeed } = await import('../world.ts');
  for (let seed = 1; seed <= seeds; seed++) {
    const { violation } = await simulateSeed(seed);
    if (violation !== undefined) return { seed, invariant: violation.invariant };
  }
  return undefined;
}

answering(hunt);
