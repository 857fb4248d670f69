import { attemptId, type AttemptId } from '../shared/core/ids.ts';
import { normalizeQuest } from '../shared/core/quest.ts';
import type { Ask, End, JobParameters } from './plan.ts';
import { type Stream, stream } from './random.ts';

/** The quests of a world by their numbers, and which of them clients submit. */
export interface Cast {
  quests: readonly object[];
  clients: readonly number[];
}

interface Desc {
  parameters: JobParameters;
  meta: object;
}

/** In two worlds of five some quests need others; the rest are as if there were no graphs. */
export function withGraph(seed: number, quests: readonly object[]): Cast {
  const chance = stream(seed, 'graph');
  const everybody = quests.map((_, number) => number);
  if (!chance.chance(0.4)) return { quests, clients: everybody };
  // The others are there only if somebody needs them.
  const clients = everybody.filter(number => number === 0 || chance.chance(0.5));
  const asks = everybody.map(number => randomAsks(chance, number, { clients, count: quests.length }));
  const together = chance.chance(0.5);
  return {
    quests: quests.map((desc, number) =>
      asks[number]!.length > 0 ? asking(desc as Desc, asks[number]!, together) : desc,
    ),
    clients,
  };
}

interface Others {
  clients: readonly number[];
  count: number;
}

/** Mostly of later ones, so that there is no cycle; now and then of one that may need this one, or of itself. */
function randomAsks(chance: Stream, number: number, { clients, count }: Others): Ask[] {
  const later = Array.from({ length: count - number - 1 }, (_, i) => number + 1 + i);
  const needsLater = later.length > 0 && (number === 0 || chance.chance(0.6));
  const asks = needsLater
    ? Array.from({ length: chance.pick([1, 1, 2]) }, () => randomAsk(chance, later, clients))
    : [];
  if (!chance.chance(0.2)) return asks;
  const earlier = { ...randomAsk(chance, [chance.between(0, number)], clients), attempts: [1] };
  return chance.chance(0.5) ? [...asks, earlier] : [earlier, ...asks];
}

function randomAsk(chance: Stream, from: readonly number[], known: readonly number[]): Ask {
  const some = from.filter(() => chance.chance(0.65));
  const needed = some.length > 0 ? some : [chance.pick(from)];
  const raw = needed.filter(number => known.includes(number) && chance.chance(0.3));
  const attempts = chance.pick([[1], [1], [1], [1], [1, 2], [2]]);
  const require = chance.pick(['all', 'all', 'any', { atLeast: chance.between(1, needed.length) }] as const);
  return { quests: needed.filter(number => !raw.includes(number)), raw, attempts, require };
}

/** Most of those that ask begin in time, so that they come to wait. */
const LONGEST_PENDING_MS = 20_000;

/** The quest whose job asks: it takes part, so it can say nothing malformed. */
function asking({ parameters, meta, ...desc }: Desc, asks: Ask[], together: boolean): object {
  const ends = parameters.ends.map((end): End => (end === 'malformed' ? 'failed' : end));
  const job: JobParameters = {
    ...parameters,
    ends,
    pendingMs: Math.min(parameters.pendingMs, LONGEST_PENDING_MS),
    asks,
    ...(together && { together }),
  };
  return { ...desc, parameters: job, meta: { ...meta, mode: 'interactive' } };
}

const TOGETHER_EVERY_MS = 60_000;

/** How long it is until the next moment at which all who ask or cancel together do so. */
export function untilTogether(now: number): number {
  return TOGETHER_EVERY_MS - (now % TOGETHER_EVERY_MS);
}

/** Which attempts an ask wants, and how many of them must be over before its job goes on. */
export interface Wanted {
  wanted: readonly AttemptId[];
  needed: number;
}

export function wantedBy({ quests, raw, attempts, require = 'all' }: Ask, all: readonly object[]): Wanted {
  const wanted = [...quests, ...raw].flatMap(number =>
    attempts.map(attempt => attemptId(normalizeQuest(all[number]).id, attempt)),
  );
  return { wanted, needed: require === 'all' ? wanted.length : require === 'any' ? 1 : require.atLeast };
}

/** The body of the call. */
export function requestFor({ quests, raw, attempts, require }: Ask, all: readonly object[]): object {
  return {
    quests: quests.map(number => ({ desc: all[number], attempts })),
    ...(raw.length > 0 && {
      rawAttempts: Object.fromEntries(raw.map(number => [normalizeQuest(all[number]).id, attempts])),
    }),
    ...(require !== undefined && { require }),
  };
}
