import { z } from 'zod';
import { type Attempt, numberSchema } from '../core/attempt.ts';
import { decideEnsure } from '../core/decide/ensure.ts';
import { ApiError, InvalidArgument } from '../core/errors.ts';
import { type AttemptId, attemptId, type QuestId, questId } from '../core/ids.ts';
import { normalizeQuest, type Quest, type QuestDesc } from '../core/quest.ts';
import { parseWith } from '../core/validation.ts';
import { applyEvent, type Snapshot } from './loop.ts';
import type { Parts } from './parts.ts';

const MAX_ATTEMPTS = 1000;
/** Attempts that are written at the same time. */
const CONCURRENCY = 16;

const numbersSchema = z.array(numberSchema).min(1);

/** `desc` is validated by `normalizeQuest`, which names its fields. */
export const ensureSchema = z.strictObject({
  quests: z.array(z.strictObject({ desc: z.unknown(), attempts: numbersSchema.default([1]) })).default([]),
  rawAttempts: z.record(z.string(), numbersSchema).default({}),
});

export interface Ensured {
  /** In the order of the request's `quests`. */
  questIds: QuestId[];
  /** The attempts asked for, in order, as they stand now. */
  attempts: Attempt[];
}

interface Wanted {
  id: QuestId;
  desc: QuestDesc;
  attempt: number;
}

/** Makes sure that attempts exist; those that do not are created and started. All is validated before the first write. */
export async function ensureGraph(parts: Parts, request: unknown): Promise<Ensured> {
  const { quests, rawAttempts } = parseWith(ensureSchema, request);
  if (quests.length === 0 && Object.keys(rawAttempts).length === 0) {
    throw new InvalidArgument('quests', 'at least one quest or raw attempt is needed');
  }
  const asked = [...quests.map(({ attempts }) => attempts), ...Object.values(rawAttempts)];
  const total = asked.reduce((sum, numbers) => sum + numbers.length, 0);
  if (total > MAX_ATTEMPTS)
    throw new InvalidArgument('quests', `${total} attempts in one call, more than ${MAX_ATTEMPTS}`);

  const described = quests.map(({ desc, attempts }, i) => {
    const quest = normalizeQuest(desc, `quests[${i}].desc`);
    resolveOrThrow(parts, quest.desc, `quests[${i}].desc`);
    return { ...quest, attempts };
  });
  const known = await Promise.all(Object.entries(rawAttempts).map(([id, attempts]) => loadKnown(parts, id, attempts)));

  // The same attempt may be asked for twice in one call.
  const wanted = new Map<AttemptId, Wanted>();
  for (const { id, desc, attempts } of [...described, ...known]) {
    for (const attempt of attempts) wanted.set(attemptId(id, attempt), { id, desc, attempt });
  }
  return {
    questIds: described.map(({ id }) => id),
    attempts: await mapConcurrently([...wanted.values()], CONCURRENCY, item => ensureAttempt(parts, item)),
  };
}

function resolveOrThrow({ registry }: Parts, desc: QuestDesc, field: string): void {
  try {
    registry.resolve(desc);
  } catch (error) {
    throw error instanceof InvalidArgument ? error.under(field) : error;
  }
}

async function loadKnown(parts: Parts, text: string, attempts: number[]): Promise<Quest & { attempts: number[] }> {
  const field = `rawAttempts.${text}`;
  const quest = await parts.quests.get(questId(text, field));
  if (quest === undefined) throw new ApiError('NOT_FOUND', `${field}: there is no such quest`);
  resolveOrThrow(parts, quest.desc, field);
  return { ...quest, attempts };
}

async function ensureAttempt(parts: Parts, wanted: Wanted): Promise<Attempt> {
  const load = async (): Promise<Snapshot<{ quest: Quest | undefined; attempt: Attempt | undefined }>> => {
    const attempt = await parts.store.get('attempt', attemptId(wanted.id, wanted.attempt));
    // Not the cache: an attempt must not be created whose quest was lost with a database.
    const quest = attempt === undefined ? await parts.store.get('quest', wanted.id) : undefined;
    return {
      docs: { quest: quest?.doc, attempt: attempt?.doc },
      versions: attempt ? { attempt: attempt.version } : {},
    };
  };
  const { docs } = await applyEvent(parts, load, (found, context) => decideEnsure(found, wanted, context));
  if (docs.quest !== undefined) parts.quests.remember(docs.quest);
  if (docs.attempt === undefined) throw new Error('bug: an ensured attempt is missing');
  return docs.attempt;
}

async function mapConcurrently<In, Out>(items: In[], limit: number, map: (item: In) => Promise<Out>): Promise<Out[]> {
  const results: Out[] = [];
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < items.length; i = next++) results[i] = await map(items[i]!);
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
}
