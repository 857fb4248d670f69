import type { Attempt } from '../core/attempt.ts';
import { decideEnsure, type Wanting } from '../core/decide/ensure.ts';
import { type AttemptId, attemptId, type QuestId } from '../core/ids.ts';
import type { Quest } from '../core/quest.ts';
import { checkRunnable, parseGraphRequest, type Runnable } from './graph-request.ts';
import { applyEvent, type Outcome, type Snapshot } from './loop.ts';
import { pagesOf } from './pages.ts';
import type { Parts } from './parts.ts';
import { createBudget, type GraphAttempt } from './shown.ts';

export interface Ensured {
  /** In the order of the request's `quests`. */
  questIds: QuestId[];
  /** The attempts asked for, in order, as they stand now. */
  attempts: GraphAttempt[];
}

/** Makes sure that attempts exist; those that do not are created and started. All is validated before the first write. */
export async function ensureGraph(parts: Parts, request: unknown): Promise<Ensured> {
  const parsed = parseGraphRequest(request);
  const wanted = await checkRunnable(parts, parsed);
  const budget = createBudget(parsed);
  const attempts: GraphAttempt[] = [];
  for (const page of pagesOf(wanted.values())) {
    const ensured = await Promise.all(page.map(item => ensureAttempt(parts, item, 'client')));
    attempts.push(...ensured.map(({ docs }) => budget.show(docs.attempt)));
  }
  return { questIds: parsed.questIds, attempts };
}

export interface EnsureDocs {
  quest: Quest | undefined;
  attempt: Attempt | undefined;
}

/** `first` spares the first load. */
export async function ensureAttempt(
  parts: Parts,
  wanted: Runnable,
  wanting: Wanting,
  first?: Snapshot<EnsureDocs>,
): Promise<Outcome<EnsureDocs & { attempt: Attempt }, undefined>> {
  const { quest: id, desc, attempt } = wanted;
  const outcome = await applyEvent(
    parts,
    () => loadWanted(parts, attemptId(id, attempt), id),
    (found, context) => decideEnsure(found, { id, desc, attempt }, wanting, context),
    first,
  );
  if (outcome.docs.quest !== undefined) parts.quests.remember(outcome.docs.quest);
  if (outcome.docs.attempt === undefined) throw new Error('bug: an ensured attempt is missing');
  return outcome as Outcome<EnsureDocs & { attempt: Attempt }, undefined>;
}

export async function loadWanted({ store }: Parts, id: AttemptId, questId: QuestId): Promise<Snapshot<EnsureDocs>> {
  const attempt = await store.get('attempt', id);
  // Not the cache: an attempt must not be created whose quest was lost with a database.
  const quest = attempt === undefined ? await store.get('quest', questId) : undefined;
  return {
    docs: { quest: quest?.doc, attempt: attempt?.doc },
    versions: attempt ? { attempt: attempt.version } : {},
  };
}
