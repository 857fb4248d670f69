import { sha256 } from '../../core/json.ts';
import type { Progress } from './progress.ts';
import { boundsOf, type Dependency, type DepsStage, type Phrase } from './schema.ts';

/** A quest whose attempts a stage asks for. */
export interface Wanted {
  /** Its place among all quests of the stage. */
  place: number;
  phrase: Phrase;
  attempts: number[];
  retries: number;
}

/**
 * What a stage asks for next: all of its quests, or the next attempts of those that failed. Throws when the progress is that
 * of another phrase.
 */
export function wantedOf(deps: DepsStage, seed: number, { stage, retry }: Progress): Wanted[] {
  const all = questsOf(deps, { seed, stage });
  if (retry === undefined) return all;
  return retry.places.map(place => {
    const quest = all[place];
    if (quest === undefined) throw new Error(`stage ${stage} has no quest ${place}: the state is of another phrase`);
    return { ...quest, attempts: [retry.attempt] };
  });
}

/** In the order of the dependencies, and of the shards of each. What is named twice is two of them, and counts twice. */
function questsOf({ deps }: DepsStage, own: { seed: number; stage: number }): Wanted[] {
  const quests = deps.flatMap((dependency, i) =>
    Array.from({ length: dependency.shards ?? 1 }, (_, shard) => {
      const seed = blendSeeds(dependency, own.seed, [own.stage, i, shard]);
      return {
        phrase: writePhrase(dependency, seed, shard + 1),
        attempts: numbersOf(dependency),
        retries: dependency.retries ?? 0,
      };
    }),
  );
  return quests.map((quest, place) => ({ ...quest, place }));
}

/**
 * The seed of a dependency's quest, from the `current` one of the phrase that asks. Seeds that are derived depend on where the
 * quest stands, `[stage, dependency, shard]`, so that the shards of a dependency have luck of their own. All others are
 * shared by its shards. A derived seed is never 0.
 */
export function blendSeeds(
  { mixSeed = false, phrase: { seed = 0 } }: Pick<Dependency, 'mixSeed' | 'phrase'>,
  current: number,
  position: readonly [stage: number, dependency: number, shard: number],
): number {
  if (!mixSeed) return seed === 0 ? current : seed;
  return sha256(JSON.stringify([current, seed, ...position])).readUIntBE(0, 6) + 1;
}

/** A seed of 0 is left out, so that the quest is the same as that of whoever gives none. */
function writePhrase({ shards, phrase }: Dependency, seed: number, shard: number): Phrase {
  const { seed: _, name = '', ...others } = phrase;
  return {
    ...others,
    ...(shards !== undefined ? { name: `${name}[${shard}]` } : phrase.name !== undefined && { name }),
    ...(seed !== 0 && { seed }),
  };
}

function numbersOf({ attempts }: Dependency): number[] {
  if (attempts === undefined) return [1];
  return attempts.items
    .map(boundsOf)
    .flatMap(({ low, high }) => Array.from({ length: high - low + 1 }, (_, i) => low + i));
}

/** What came of a wanted quest's attempts, in order: the value of each, undefined for one that failed. */
export type Values = (number | undefined)[];

/** How far a job is when everything that it asked for is over; `values` in the order of `wanted`. Throws for what cannot be added. */
export function settle(progress: Progress, wanted: readonly Wanted[], values: readonly Values[]): Progress {
  const { stage } = progress;
  const sum = values.flat().reduce<number>((total, value = 0) => addExactly(total, value), progress.sum);
  const failed = wanted.filter((_, i) => values[i]?.includes(undefined));
  if (failed.length === 0) return { stage: stage + 1, sum };
  const attempt = progress.retry?.attempt ?? 1;
  if (failed.some(({ retries }) => attempt > retries)) return { stage, sum, failed: true };
  return { stage, sum, retry: { attempt: attempt + 1, places: failed.map(({ place }) => place) } };
}

/** Throws for a sum beyond what a number holds exactly. */
export function addExactly(a: number, b: number): number {
  const sum = a + b;
  if (!Number.isSafeInteger(sum)) throw new Error(`the sum of ${a} and ${b} is too large to be exact`);
  return sum;
}
