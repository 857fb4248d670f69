import { CORES, startThread } from '../threads.ts';
import type { Mutant } from './table.ts';
import type { Caught, Hunt } from './worker.ts';

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
  const core = async () => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const caught = await huntOne({ mutant, seeds });
      const hunted = { mutant, ...(caught && { caught }) };
      all.push(hunted);
      tell(hunted);
    }
  };
  await Promise.all(Array.from({ length: CORES }, core));
  return all;
}

async function huntOne(hunted: Hunt): Promise<Caught | undefined> {
  const thread = startThread<Hunt, Caught | undefined>('./mutants/worker.ts');
  try {
    return await thread.ask(hunted);
  } finally {
    await thread.close();
  }
}
