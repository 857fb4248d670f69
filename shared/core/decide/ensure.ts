import { type Attempt, SCHEMA_VERSION } from '../attempt.ts';
import { attemptId, type QuestId, shardOf } from '../ids.ts';
import type { Quest, QuestDesc } from '../quest.ts';
import { type Context, commit, type Decision, ignored, reviseAttempt } from './decision.ts';

/** A client wants the n-th attempt of a quest. What exists already is left as it is: the same work is not run twice. */
export function decideEnsure(
  docs: { quest: Quest | undefined; attempt: Attempt | undefined },
  { id, desc, attempt: number }: { id: QuestId; desc: QuestDesc; attempt: number },
  { now }: Context,
): Decision {
  if (docs.attempt !== undefined) return ignored('exists');
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
    state: 'SCHEDULING',
    notBefore: now,
  };
  const attempt = reviseAttempt(created, created, now);
  return commit(docs.quest === undefined ? { attempt, quest: { id, desc, createdAt: now } } : { attempt });
}
