import type { Limits } from '../shared/core/slot.ts';
import { type Stream, stream } from './random.ts';

/** The distributors of a world by their names. */
export const NAMES = ['plain', 'hints', 'blind'] as const;
export type Name = (typeof NAMES)[number];

export type LimitsByName = Readonly<Partial<Record<Name, Limits>>>;

/** What is particular to a world's distributors. */
export interface Shape {
  limits: LimitsByName;
  /** Their executor can be asked about many jobs at once. */
  grouped: readonly Name[];
  /** Whether the executor of `hints` tells of its jobs on a topic of its own, unsigned. */
  ownTopic: boolean;
}

export const PLAIN_SHAPE: Shape = { limits: {}, grouped: [], ownTopic: false };

/** In one world of three there are limits, in one of four polls that are made together, in one of five an own topic. */
export function shapeOf(seed: number): Shape {
  const chance = stream(seed, 'shape');
  const [isLimited, isGrouped, ownTopic] = [chance.chance(0.33), chance.chance(0.25), chance.chance(0.2)];
  return {
    limits: isLimited
      ? { plain: randomLimits(chance), ...(chance.chance(0.5) && { hints: randomLimits(chance) }) }
      : {},
    grouped: isGrouped ? NAMES.filter(name => name === 'plain' || chance.chance(0.5)) : [],
    ownTopic,
  };
}

function randomLimits(chance: Stream): Limits {
  const maxInFlight = chance.pick([1, 1, 2, 3, undefined]);
  const maxStartsPerSecond = chance.pick([undefined, undefined, 0.5, 1, 2]);
  return {
    ...(maxInFlight !== undefined && { maxInFlight }),
    ...(maxStartsPerSecond !== undefined && { maxStartsPerSecond }),
  };
}

/** Other limits for some of the same distributors; none at all for some of them. */
export function otherLimits(chance: Stream, { limits }: Shape): LimitsByName {
  return Object.fromEntries(
    Object.entries(limits).map(([name, before]) => [name, chance.chance(0.7) ? randomLimits(chance) : before]),
  );
}

/** Most quests of a world with limits are of one distributor: otherwise hardly anybody would have to wait. */
export function gathered(seed: number, quests: readonly object[], { limits }: Shape): readonly object[] {
  if (limits.plain === undefined) return quests;
  const chance = stream(seed, 'gathered');
  return quests.map(quest => (chance.chance(0.6) ? { ...quest, distributorConfigName: 'plain' } : quest));
}
