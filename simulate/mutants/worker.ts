import { answering } from '../answering.ts';
import { mutate } from './load.ts';
import type { Mutant } from './mutant.ts';

/** Where a mutant was caught: by its seed, or by the fault of its story. */
export interface Caught {
  where: string;
  invariant: string;
}

export interface Hunt {
  mutant: Mutant;
  seeds: number;
}

/**
 * Lives through worlds of one mutant, or through the faults of its story, until an invariant is broken. A thread is good for
 * one hunt: the bug stays.
 */
async function hunt({ mutant, seeds }: Hunt): Promise<Caught | undefined> {
  mutate(mutant);
  return mutant.story === undefined ? huntInWorlds(Math.max(seeds, mutant.seeds ?? 0)) : huntInStory(mutant.story);
}

async function huntInWorlds(seeds: number): Promise<Caught | undefined> {
  // Only now, with the bug.
  const { simulateSeed } = await import('../world.ts');
  for (let seed = 1; seed <= seeds; seed++) {
    const { violation } = await simulateSeed(seed);
    if (violation !== undefined) return { where: `seed ${seed}`, invariant: violation.invariant };
  }
  return undefined;
}

async function huntInStory(name: string): Promise<Caught | undefined> {
  const { cellsOf, runCell, storyOf } = await import('../matrix/matrix.ts');
  for (const cell of await cellsOf(storyOf(name))) {
    const { violation } = await runCell(cell);
    if (violation !== undefined) return { where: `${cell.fault} ${cell.index}`, invariant: violation.invariant };
  }
  return undefined;
}

answering(hunt);
