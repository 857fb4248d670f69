import { type Attempt, idOfAttempt } from '../core/attempt.ts';
import type { Docs } from '../core/decide/decision.ts';
import { ApiError, UnreadableDocument } from '../core/errors.ts';
import { type Execution, idOfExecution, isLive } from '../core/execution.ts';
import {
  type AttemptId,
  attemptId,
  type ExecutionId,
  parseAttemptId,
  parseExecutionId,
  type QuestId,
} from '../core/ids.ts';
import type { Stored } from '../core/ports.ts';
import type { Quest } from '../core/quest.ts';
import type { Snapshot } from './loop.ts';
import type { Parts } from './parts.ts';

/** An attempt that a client names. Rejects with NOT_FOUND. */
export async function loadAttempt(parts: Parts, id: AttemptId): Promise<Stored<Attempt>> {
  const stored = await parts.store.get('attempt', id);
  if (stored !== undefined) return stored;
  const { quest, attempt } = parseAttemptId(id);
  throw new ApiError('NOT_FOUND', `there is no attempt ${attempt} of quest ${quest}`);
}

/** An attempt alone, which is known to exist. */
export async function loadAttemptOf(parts: Parts, id: AttemptId): Promise<Snapshot<{ attempt: Attempt }>> {
  const stored = await parts.store.get('attempt', id);
  if (stored === undefined) throw new UnreadableDocument(`attempt ${id} is gone`);
  return { docs: { attempt: stored.doc }, versions: { attempt: stored.version } };
}

export async function loadQuest(parts: Parts, id: QuestId): Promise<Quest> {
  const quest = await parts.quests.get(id);
  if (quest === undefined) throw new UnreadableDocument(`quest ${id} is gone although its attempts are there`);
  return quest;
}

/** An execution alone: enough for what its job says. */
export async function loadExecution(
  parts: Parts,
  id: ExecutionId,
): Promise<Snapshot<{ execution: Execution }> | undefined> {
  const execution = await parts.store.get('execution', id);
  return execution && { docs: { execution: execution.doc }, versions: { execution: execution.version } };
}

/** As `loadExecution`, for one that is known to exist. */
export async function loadExecutionOf(parts: Parts, id: ExecutionId): Promise<Snapshot<{ execution: Execution }>> {
  const found = await loadExecution(parts, id);
  if (found === undefined) throw new UnreadableDocument(`execution ${id} is gone`);
  return found;
}

const MAX_READS = 5;

/** An execution with its attempt and quest: enough for what may end it. */
export async function loadDocs(parts: Parts, id: ExecutionId): Promise<Snapshot<Docs> | undefined> {
  const { quest, attempt } = parseExecutionId(id);
  for (let reads = 1; ; reads++) {
    const [execution, owner, desc] = await Promise.all([
      parts.store.get('execution', id),
      parts.store.get('attempt', attemptId(quest, attempt)),
      parts.quests.get(quest),
    ]);
    if (!execution) return undefined;
    if (!owner || !desc) throw new UnreadableDocument(`attempt or quest of execution ${id} is gone`);
    const snapshot = snapshotOf(execution, owner, desc);
    if (!isTorn(snapshot.docs) || reads === MAX_READS) return snapshot;
  }
}

/**
 * An attempt is executing exactly while its current execution is live. Of two documents that are read one after the other,
 * one may show the time before a commit and one the time after it.
 */
function isTorn({ execution, attempt }: Docs): boolean {
  return isLive(execution) !== (attempt.state === 'EXECUTING' && attempt.executions === execution.execution);
}

/** As `loadDocs`, for an execution that is known to exist. */
export async function loadDocsOf(parts: Parts, id: ExecutionId): Promise<Snapshot<Docs>> {
  const snapshot = await loadDocs(parts, id);
  if (snapshot === undefined) throw new UnreadableDocument(`execution ${id} is gone`);
  return snapshot;
}

export async function withAttemptAndQuest(
  parts: Parts,
  { docs, versions }: Snapshot<{ execution: Execution }>,
): Promise<Snapshot<Docs>> {
  const { execution } = docs;
  const id = idOfAttempt(execution);
  const [attempt, quest] = await Promise.all([parts.store.get('attempt', id), loadQuest(parts, execution.quest)]);
  if (attempt === undefined) throw new UnreadableDocument(`attempt ${id} is gone although its executions are there`);
  const whole = {
    docs: { execution, attempt: attempt.doc, quest },
    versions: { ...versions, attempt: attempt.version },
  };
  return isTorn(whole.docs) ? loadDocsOf(parts, idOfExecution(execution)) : whole;
}

function snapshotOf(execution: Stored<Execution>, attempt: Stored<Docs['attempt']>, quest: Quest): Snapshot<Docs> {
  return {
    docs: { execution: execution.doc, attempt: attempt.doc, quest },
    versions: { execution: execution.version, attempt: attempt.version },
  };
}
