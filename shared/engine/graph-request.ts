import { z } from 'zod';
import { numberSchema } from '../core/attempt.ts';
import { ApiError, InvalidArgument } from '../core/errors.ts';
import { type AttemptId, attemptId, type QuestId, questId } from '../core/ids.ts';
import { normalizeQuest, type Quest, type QuestDesc } from '../core/quest.ts';
import { parseWith } from '../core/validation.ts';
import type { Parts } from './parts.ts';

/** Of attempts, in one call; those of a graph of a million come in several. */
export const MAX_ATTEMPTS = 10_000;

const MIB = 1024 * 1024;
/** Of results, in one answer; a function's answer may have 32 MiB (https://cloud.google.com/run/quotas). */
export const maxDataSizeSchema = z
  .int()
  .min(0)
  .max(30 * MIB)
  .default(16 * MIB);

const numbersSchema = z.array(numberSchema).min(1);
const atLeastSchema = z.strictObject({ atLeast: z.int().min(1) });

/** `desc` is validated by `normalizeQuest`, which names its fields. */
const clientSchema = z.strictObject({
  quests: z.array(z.strictObject({ desc: z.unknown(), attempts: numbersSchema.default([1]) })).default([]),
  rawAttempts: z.record(z.string(), numbersSchema).default({}),
  include: z.strictObject({ attempt: z.strictObject({ result: z.boolean().default(true) }).prefault({}) }).prefault({}),
  limit: z.strictObject({ maxDataSize: maxDataSizeSchema }).prefault({}),
});

const executionSchema = z.strictObject({
  ...clientSchema.shape,
  /** How many of them must be over before the execution goes on. */
  require: z.union([z.enum(['all', 'any']), atLeastSchema]).default('all'),
});

/** A request to see to it that attempts exist, its form checked and its quests normalized. */
export interface GraphRequest {
  /** In the order of the request's `quests`. */
  questIds: QuestId[];
  /** The attempts asked for, in order, each once. */
  wanted: Map<AttemptId, Wanted>;
  /** How many of them are waited for. */
  needed: number;
  withResults: boolean;
  /** Bytes of JSON. */
  maxDataSize: number;
}

export interface Wanted {
  quest: QuestId;
  attempt: number;
  /** Absent for a raw attempt, whose quest must be known already. */
  desc?: QuestDesc;
  /** Where it stands in the request. */
  field: string;
}

/** What a client asks for. Throws InvalidArgument, naming the field. */
export function parseGraphRequest(request: unknown): GraphRequest {
  const parsed = parseWith(clientSchema, request);
  return read({ ...parsed, require: 'all' });
}

/** What an execution asks for; `own` is its attempt. Throws InvalidArgument, naming the field. */
export function parseDependencies(request: unknown, own: AttemptId): GraphRequest {
  const parsed = read(parseWith(executionSchema, request));
  const self = parsed.wanted.get(own);
  if (self !== undefined) throw new InvalidArgument(self.field, 'an attempt cannot depend on itself');
  return parsed;
}

function read({ quests, rawAttempts, include, limit, require }: z.infer<typeof executionSchema>): GraphRequest {
  const raw = Object.entries(rawAttempts);
  if (quests.length === 0 && raw.length === 0) {
    throw new InvalidArgument('quests', 'at least one quest or raw attempt is needed');
  }
  const total = [...quests.map(({ attempts }) => attempts), ...Object.values(rawAttempts)]
    .map(numbers => numbers.length)
    .reduce((sum, count) => sum + count, 0);
  if (total > MAX_ATTEMPTS) {
    const field = quests.length > 0 ? 'quests' : 'rawAttempts';
    throw new InvalidArgument(field, `${total} attempts in one call, more than ${MAX_ATTEMPTS}`);
  }
  const wanted = new Map<AttemptId, Wanted>();
  const questIds = quests.map(({ desc, attempts }, i) => {
    const field = `quests[${i}].desc`;
    const quest = normalizeQuest(desc, field);
    for (const attempt of attempts) {
      wanted.set(attemptId(quest.id, attempt), { quest: quest.id, attempt, desc: quest.desc, field });
    }
    return quest.id;
  });
  for (const [text, attempts] of raw) {
    const field = `rawAttempts.${text}`;
    const quest = questId(text, field);
    // The same attempt may be asked for in both ways.
    for (const attempt of attempts) {
      const id = attemptId(quest, attempt);
      if (!wanted.has(id)) wanted.set(id, { quest, attempt, field });
    }
  }
  return {
    questIds,
    wanted,
    needed: neededOf(require, wanted.size),
    withResults: include.attempt.result,
    maxDataSize: limit.maxDataSize,
  };
}

function neededOf(require: z.infer<typeof executionSchema>['require'], count: number): number {
  if (require === 'all') return count;
  if (require === 'any') return 1;
  if (require.atLeast > count) {
    throw new InvalidArgument('require.atLeast', `is more than the ${count} attempts that are asked for`);
  }
  return require.atLeast;
}

/** As `Wanted`, its quest known to be one that can be run. */
export type Runnable = Wanted & { desc: QuestDesc };

/**
 * Everything that a request asks for, or nothing: all of it is checked before the first write. Throws InvalidArgument or
 * NOT_FOUND, naming the field.
 */
export async function checkRunnable(parts: Parts, { wanted }: GraphRequest): Promise<Map<AttemptId, Runnable>> {
  const runnable = new Map<AttemptId, Runnable>();
  const resolved = new Set<QuestId>();
  for (const [id, item] of wanted) {
    const desc = item.desc ?? (await knownQuest(parts, item)).desc;
    if (!resolved.has(item.quest)) resolveOrThrow(parts, desc, item.field);
    resolved.add(item.quest);
    runnable.set(id, { ...item, desc });
  }
  return runnable;
}

async function knownQuest(parts: Parts, { quest, field }: Wanted): Promise<Quest> {
  const known = await parts.quests.get(quest);
  if (known === undefined)
    throw new ApiError('NOT_FOUND', `${field}: there is no such quest`, [
      { field, description: 'there is no such quest' },
    ]);
  return known;
}

function resolveOrThrow({ registry }: Parts, desc: QuestDesc, field: string): void {
  try {
    registry.resolve(desc);
  } catch (error) {
    throw error instanceof InvalidArgument ? error.under(field) : error;
  }
}
