import { z } from 'zod';
import type { Notification, TaskQueueRequest } from '../adapters/contract.ts';
import { isTransient, messageOf } from '../core/errors.ts';
import { isLive, type PinnedDistributor, tokenOf } from '../core/execution.ts';
import { type ExecutionId, isExecutionId } from '../core/ids.ts';
import { jsonObjectSchema } from '../core/json.ts';
import { authToken } from '../core/tokens.ts';
import { adapterOf, withTimeout } from './call.ts';
import { describeTask } from './describe.ts';
import { loadExecution, loadQuest } from './load.ts';
import { poke } from './notify.ts';
import type { Parts } from './parts.ts';

export const adapterTaskSchema = z.strictObject({
  type: z.string(),
  version: z.string(),
  config: jsonObjectSchema,
  payload: jsonObjectSchema,
  executionId: z.custom<ExecutionId>(id => typeof id === 'string' && isExecutionId(id)).optional(),
});
export type AdapterQueueTask = z.infer<typeof adapterTaskSchema>;

/** Within the queue's own deadline for one delivery (Cloud Tasks: 10 min by default). */
const ADAPTER_TASK_TIMEOUT_MS = 9 * 60_000;

/**
 * Work that an adapter enqueued for itself. Resolves, with what became of it, when it need not come again. What it returns
 * goes through the notification topic like everybody's, signed for this distributor only.
 */
export async function handleAdapterTask(
  parts: Parts,
  name: string,
  task: AdapterQueueTask,
  retryCount: number,
): Promise<string> {
  const distributor: PinnedDistributor = { name, type: task.type, version: task.version, config: task.config };
  try {
    const request = await buildRequest(parts, task, retryCount);
    const adapter = adapterOf(parts, distributor);
    const notifications = await withTimeout(parts, ADAPTER_TASK_TIMEOUT_MS, () => adapter.handleTaskQueueTask(request));
    await Promise.all(notifications.map(notification => publish(parts, name, notification)));
    return 'done';
  } catch (error) {
    if (isTransient(error)) throw error;
    parts.log.error('an adapter task failed for good', {
      distributor: name,
      execution: task.executionId,
      error: messageOf(error),
      count: parts.count('adapter_tasks_failed'),
    });
    if (task.executionId !== undefined) {
      await poke(parts, task.executionId).catch((failure: unknown) => {
        // One that cannot be read will not be, however often the task comes.
        if (isTransient(failure)) throw failure;
      });
    }
    return 'failed';
  }
}

async function buildRequest(parts: Parts, task: AdapterQueueTask, retryCount: number): Promise<TaskQueueRequest> {
  const { payload, executionId: id } = task;
  if (id === undefined) return { payload, retryCount };
  const found = await loadExecution(parts, id);
  const execution = found?.docs.execution;
  if (execution === undefined) return { executionId: id, payload, retryCount };
  const token = tokenOf(execution);
  return {
    executionId: id,
    payload,
    retryCount,
    ...(token !== undefined && { token }),
    ...(isLive(execution) && {
      task: await describeTask(parts, execution, await loadQuest(parts, execution.quest)),
    }),
  };
}

/** Publishes on behalf of a distributor. One that names another distributor's execution is dropped when it arrives. */
export async function publish(parts: Parts, distributor: string, notification: Notification): Promise<void> {
  const { executionId, data, attributes } = notification;
  if (!isExecutionId(executionId)) throw new Error(`the notification names no execution: ${String(executionId)}`);
  const signed = authToken(
    parts.keyring,
    { execution: executionId, distributor },
    { issuedAt: parts.clock.now(), keyId: parts.keyring.current },
  );
  await parts.topic.publish({ data, attributes: { ...attributes, execution_id: executionId, auth_token: signed } });
}
