import type { TaskDescription } from '../adapters/contract.ts';
import { type Execution, idOfExecution } from '../core/execution.ts';
import { executionId } from '../core/ids.ts';
import { canonicalCopy, type JsonObject } from '../core/json.ts';
import type { Quest } from '../core/quest.ts';
import { activationToken, authToken } from '../core/tokens.ts';
import type { Parts } from './parts.ts';

/**
 * What an adapter is told of an execution. Everything in it is fixed in documents that never change, so that each call
 * hands over identical bytes.
 */
export async function describeTask(parts: Parts, execution: Execution, quest: Quest): Promise<TaskDescription> {
  const { keyring, topic, jobUrl } = parts;
  const id = idOfExecution(execution);
  const executionUrl = `${jobUrl}/v1/quests/${execution.quest}/attempts/${execution.attempt}/executions/${execution.execution}`;
  const previousState = await loadPreviousState(parts, execution);
  return {
    quest: canonicalCopy(quest.desc as JsonObject) as Quest['desc'],
    executionId: id,
    executionUrl,
    executionAuth: { executionId: id, activationToken: activationToken(keyring, id, execution.auth) },
    ...(previousState !== undefined && { previousState: canonicalCopy(previousState) }),
    prepareTopic: () => ({
      topic: topic.name,
      attributes: {
        execution_id: id,
        auth_token: authToken(keyring, { execution: id, distributor: execution.distributor.name }, execution.auth),
      },
      notifyUrl: `${executionUrl}:notify`,
    }),
  };
}

/** What the last successful execution of its attempt left for this one. */
export async function loadPreviousState({ store }: Parts, execution: Execution): Promise<JsonObject | undefined> {
  if (execution.stateFrom === undefined) return undefined;
  const previous = await store.get('execution', executionId(execution.quest, execution.attempt, execution.stateFrom));
  return previous?.doc.state === 'FINISHED' ? previous.doc.result.data : undefined;
}
