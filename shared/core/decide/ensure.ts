import { type Attempt, isAttemptOver, rankOf, SCHEMA_VERSION } from '../attempt.ts';
import { attemptId, type QuestId, shardOf } from '../ids.ts';
import type { Quest, QuestDesc } from '../quest.ts';
import { type Context, commit, type Decision, ignored, reviseAttempt } from './decision.ts';
import { MUST_BE_ORDERED } from './depend.ts';

/** Who wants an attempt: a client, or another attempt, for which it must have at least this rank. */
export type Wanting = 'client' | { rank: number };

/**
 * Somebody wants the n-th attempt of a quest. What exists already is left as it is, but for who wants it: the same work is not
 * run twice.
 */
export function decideEnsure(
  docs: { quest: Quest | undefined; attempt: Attempt | undefined },
  { id, desc, attempt: number }: { id: QuestId; desc: QuestDesc; attempt: number },
  wanting: Wanting,
  { now }: Context,
): Decision {
  const wish = wanting === 'client' ? ({ requested: true } as const) : ({ awaited: true } as const);
  if (docs.attempt !== undefined) {
    const { attempt } = docs;
    if (isAttemptOver(attempt)) return ignored('exists');
    if (wanting !== 'client' && rankOf(attempt) < wanting.rank) return ignored(MUST_BE_ORDERED);
    const known = wanting === 'client' ? attempt.requested === true : attempt.awaited === true;
    if (known && attempt.doomed === undefined) return ignored('exists');
    return commit({ attempt: reviseAttempt(attempt, { ...attempt, ...wish, doomed: undefined }, now) });
  }
  const created: Attempt = {
    schemaVersion: SCHEMA_VERSION,
    quest: id,
    attempt: number,
    revision: 0,
    shard: shardOf(attemptId(id, number)),
    createdAt: now,
    updatedAt: now,
    distributor: desc.distributorConfigName,
    executions: 0,
    retries: {},
    ...wish,
    ...(wanting !== 'client' && { rank: wanting.rank }),
    state: 'SCHEDULING',
    notBefore: now,
  };
  const attempt = reviseAttempt(created, created, now);
  return commit(docs.quest === undefined ? { attempt, quest: { id, desc, createdAt: now } } : { attempt });
}
