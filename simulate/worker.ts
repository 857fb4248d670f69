import { answering } from './answering.ts';
import type { FaultKind } from './faults.ts';
import { simulateSeed } from './world.ts';

/** Some worlds. */
export interface Batch {
  first: number;
  count: number;
}

/** What became of them. */
export interface Lived {
  seeds: number;
  virtualMs: number;
  steps: number;
  faults: Map<FaultKind, number>;
  failed?: number;
}

/** Every so many worlds one is lived through twice, to see that it is the same. */
const TWICE_EVERY = 50;

async function live(first: number, count: number): Promise<Lived> {
  const lived: Lived = { seeds: 0, virtualMs: 0, steps: 0, faults: new Map() };
  for (let seed = first; seed < first + count && lived.failed === undefined; seed++) {
    const { violation, hash, elapsedMs, steps, injected } = await simulateSeed(seed);
    lived.seeds++;
    lived.virtualMs += elapsedMs;
    lived.steps += steps;
    for (const kind of injected.values()) lived.faults.set(kind, (lived.faults.get(kind) ?? 0) + 1);
    if (violation !== undefined) lived.failed = seed;
    else if (seed % TWICE_EVERY === 0 && (await simulateSeed(seed)).hash !== hash) {
      throw new Error(`seed ${seed} is not the same when it is simulated again`);
    }
  }
  return lived;
}

answering(({ first, count }: Batch) => live(first, count));
