import { onAllCores, startThread } from '../threads.ts';
import type { Mutant } from './mutant.ts';
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
  const waiting = mutants.values();
  const hunter = { ask: (mutant: Mutant) => huntOne({ mutant, seeds }), close: async () => {} };
  await onAllCores(
    () => hunter,
    () => waiting.next().value,
    hunted => {
      all.push(hunted);
      tell(hunted);
    },
  );
  return all;
}

async function huntOne(hunted: Hunt): Promise<Hunted> {
  const thread = startThread<Hunt, Caught | undefined>('./mutants/worker.ts');
  try {
    const caught = await thread.ask(hunted);
    return { mutant: hunted.mutant, ...(caught && { caught }) };
  } finally {
    await thread.close();
  }
}
