import { z } from 'zod';
import { ATTEMPT_STATES, numberSchema } from '../../core/attempt.ts';
import { durationSchema, parseDuration } from '../../core/duration.ts';
import { InvalidArgument } from '../../core/errors.ts';
import { type AttemptId, attemptId, parseAttemptId, questId } from '../../core/ids.ts';
import { parseWith } from '../../core/validation.ts';
import { MAX_ATTEMPTS, maxDataSizeSchema } from '../graph-request.ts';
import type { Way } from './edges.ts';
import { decodePageToken, hashOfWalk, type Position } from './token.ts';

/** Of one attempt; others are read by their numbers. */
const MAX_EXECUTIONS = 20;

const numbersSchema = z.array(numberSchema).min(1);
const attemptsSchema = z.record(z.string(), numbersSchema).default({});
const timeSchema = z.iso
  .datetime({ offset: true, error: 'must be an RFC 3339 time, such as "2026-11-24T03:00:00Z"' })
  .transform(text => Date.parse(text))
  .optional();

/** All attempts of which all of this is true. */
const searchSchema = z.strictObject({
  distributor: z.string().max(100).optional(),
  state: z.enum(ATTEMPT_STATES).optional(),
  createdAfter: timeSchema,
  createdBefore: timeSchema,
});

const querySchema = z.strictObject({
  attempts: attemptsSchema,
  ranges: z.array(z.strictObject({ quest: z.string(), first: numberSchema, last: numberSchema })).default([]),
  search: searchSchema.optional(),
});

const walkSchema = z.strictObject({
  query: querySchema,
  direction: z.enum(['forwards', 'backwards', 'both']).default('forwards'),
  limit: z
    .strictObject({
      /** Edges from where the walk begins. Unless it is given the walk goes to the end: pages keep the answers small. */
      maxDepth: z.int().min(-1, 'must be 0 or more, or -1 for as far as it goes').default(-1),
      maxTime: durationSchema.default('30s'),
      maxDataSize: maxDataSizeSchema,
    })
    .prefault({}),
  include: z
    .strictObject({
      /** The descriptions of the quests. */
      quest: z.boolean().default(false),
      /** Without it attempts are not read: there are only their numbers and edges. */
      attempt: z.boolean().default(true),
      result: z.boolean().default(true),
      /** So many of the newest. */
      executions: z.int().min(0).max(MAX_EXECUTIONS).default(0),
      /** Unless they are given, the edges are shown that the walk follows. */
      dependencies: z.boolean().optional(),
      dependents: z.boolean().optional(),
    })
    .prefault({}),
  exclude: z.strictObject({ quests: z.array(z.string()).default([]), attempts: attemptsSchema }).prefault({}),
  pageSize: z.int().min(1).max(MAX_ATTEMPTS).default(1000),
  pageToken: z.string().max(1000).optional(),
});

type Query = z.infer<typeof querySchema>;
/** Times are epoch milliseconds, both exclusive. */
export type Search = z.infer<typeof searchSchema>;

const WAYS = {
  forwards: ['dependencies'],
  backwards: ['dependents'],
  both: ['dependencies', 'dependents'],
} as const satisfies Record<string, readonly Way[]>;

/** A request to walk over the graph, its form checked. */
export interface WalkRequest {
  /** Where the walk begins, in order, each once; and at all that is found by `search`. */
  starts: readonly AttemptId[];
  search: Search | undefined;
  ways: readonly Way[];
  /** Infinity when the walk goes to the end. */
  maxDepth: number;
  maxTimeMs: number;
  /** Bytes of JSON. */
  maxDataSize: number;
  include: Record<'quest' | 'attempt' | 'result' | Way, boolean> & { executions: number };
  /** Of attempts that are not visited. */
  isExcluded(id: AttemptId): boolean;
  pageSize: number;
  /** Everything up to here was shown by the pages before. */
  after: Position | undefined;
  /** Of all that decides which attempts are visited, in which order. */
  hash: string;
}

/** A `maxTime` over `longestMs` is cut to it. Throws InvalidArgument, naming the field. */
export function parseWalkRequest(request: unknown, longestMs: number): WalkRequest {
  const { query, direction, limit, include, exclude, pageSize, pageToken } = parseWith(walkSchema, request);
  const ways: readonly Way[] = WAYS[direction];
  const listed = startsOf(query);
  const quests = new Set(exclude.quests.map((text, i) => questId(text, `exclude.quests[${i}]`)));
  const attempts = new Set(idsOf(exclude.attempts, 'exclude.attempts'));
  const isExcluded = (id: AttemptId) => attempts.has(id) || quests.has(parseAttemptId(id).quest);
  const hash = hashOfWalk([listed, query.search, ways, limit.maxDepth, [...quests, ...attempts].toSorted()]);
  return {
    starts: listed.filter(id => !isExcluded(id)),
    search: query.search,
    ways,
    maxDepth: limit.maxDepth === -1 ? Infinity : limit.maxDepth,
    maxTimeMs: Math.min(parseDuration(limit.maxTime), longestMs),
    maxDataSize: limit.maxDataSize,
    include: {
      ...include,
      dependencies: include.dependencies ?? ways.includes('dependencies'),
      dependents: include.dependents ?? ways.includes('dependents'),
    },
    isExcluded,
    pageSize,
    after: pageToken === undefined ? undefined : decodePageToken(pageToken, hash),
    hash,
  };
}

function startsOf({ attempts, ranges, search }: Query): AttemptId[] {
  if (Object.keys(attempts).length === 0 && ranges.length === 0 && search === undefined) {
    throw new InvalidArgument('query', 'needs attempts, ranges or a search');
  }
  const { createdAfter = -Infinity, createdBefore = Infinity } = search ?? {};
  if (createdAfter >= createdBefore) {
    throw new InvalidArgument('query.search.createdBefore', 'must be later than createdAfter');
  }
  const ids = new Set([...idsOf(attempts, 'query.attempts'), ...idsIn(ranges, 'query.ranges')]);
  return [...ids].toSorted();
}

function idsOf(attempts: Record<string, number[]>, field: string): AttemptId[] {
  const all = Object.entries(attempts);
  checkCount(
    all.reduce((sum, [, numbers]) => sum + numbers.length, 0),
    field,
  );
  return all.flatMap(([text, numbers]) => {
    const quest = questId(text, `${field}.${text}`);
    return numbers.map(number => attemptId(quest, number));
  });
}

function idsIn(ranges: Query['ranges'], field: string): AttemptId[] {
  const starts = ranges.map(({ quest, first, last }, i) => {
    if (last < first) throw new InvalidArgument(`${field}[${i}].last`, 'must not be less than first');
    return { quest: questId(quest, `${field}[${i}].quest`), first, count: last - first + 1 };
  });
  checkCount(
    starts.reduce((sum, { count }) => sum + count, 0),
    field,
  );
  return starts.flatMap(({ quest, first, count }) =>
    Array.from({ length: count }, (_, n) => attemptId(quest, first + n)),
  );
}

function checkCount(count: number, field: string): void {
  if (count > MAX_ATTEMPTS) throw new InvalidArgument(field, `${count} attempts, more than ${MAX_ATTEMPTS}`);
}
