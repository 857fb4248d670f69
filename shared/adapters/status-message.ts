import type { ExecutionId } from '../core/ids.ts';
import { isJsonObject, parseJson } from '../core/json.ts';
import { normalizeStatus, type TaskStatus, taskStatusSchema } from '../core/result.ts';
import type { Notification } from './contract.ts';

/** A status as JSON text: what a job says of itself by `:notify`, and what an adapter tells itself. */

const STATES: ReadonlySet<unknown> = new Set(taskStatusSchema.options.map(option => option.shape.state.value));

export function statusNotification(executionId: ExecutionId, status: TaskStatus): Notification {
  return { executionId, data: JSON.stringify(status), attributes: {} };
}

/** `undefined`: not about a status. One that says `finished` and is broken otherwise is RESULT_MALFORMED. */
export function readStatus(text: string): TaskStatus | undefined {
  const value = parseJson(text);
  return isJsonObject(value) && STATES.has(value.state) ? normalizeStatus(value) : undefined;
}
