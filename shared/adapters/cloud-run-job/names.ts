import type { Token } from '../../core/execution.ts';
import { type ExecutionId, isExecutionId } from '../../core/ids.ts';
import { isJsonObject, type JsonValue, parseJson } from '../../core/json.ts';
import type { TopicMessage } from '../../core/ports.ts';
import { EXECUTION_VARIABLE } from '../job-environment.ts';
import type { CloudRunExecution } from './resources.ts';

/** How a Cloud Run execution and one of ours lead to each other. Pure; nothing here throws. */

const NAME = /^projects\/([a-z0-9.:-]+)\/locations\/([a-z0-9-]+)\/jobs\/[a-z0-9-]+\/executions\/([a-z0-9-]+)$/;

/** Whether it is the resource name of an execution; it may then stand in a path as it is. */
export function isExecutionName(text: string): text is Token {
  return text.length <= 500 && NAME.test(text);
}

/** The execution's page in the console. */
export function pageOf(token: Token): string | undefined {
  const [, project, location, execution] = NAME.exec(token.slice(0, 500)) ?? [];
  if (project === undefined) return undefined;
  return `https://console.cloud.google.com/run/jobs/executions/details/${location}/${execution}?project=${project}`;
}

export function isOf({ template }: CloudRunExecution, executionId: ExecutionId): boolean {
  const variables = template?.containers?.flatMap(({ env = [] }) => env) ?? [];
  return variables.some(({ name, value }) => name === EXECUTION_VARIABLE && value === executionId);
}

/** Of a log entry, of which the execution is a small part. */
const MAX_VALUES = 10_000;

/**
 * An audit log entry of a job's end (method "/Jobs.RunJob") holds the execution in the form of v1, environment and all; one of
 * a start, the request. Both name the variable like this, wherever it stands.
 */
export function executionOfEntry({ data }: TopicMessage): ExecutionId | undefined {
  if (!data.includes(EXECUTION_VARIABLE)) return undefined;
  const values: JsonValue[] = [parseJson(data) ?? null];
  for (let looked = 0; looked < MAX_VALUES && values.length > 0; looked++) {
    const value = values.pop();
    if (Array.isArray(value)) values.push(...value.slice(0, MAX_VALUES));
    if (!isJsonObject(value)) continue;
    const id = value.name === EXECUTION_VARIABLE ? value.value : undefined;
    if (typeof id === 'string' && isExecutionId(id)) return id;
    values.push(...Object.values(value).slice(0, MAX_VALUES));
  }
  return undefined;
}

/** The short name of the execution that an audit log entry is about. */
export function nameInEntry({ data }: TopicMessage): string | undefined {
  const entry = parseJson(data);
  const labels = isJsonObject(entry) ? entry.labels : undefined;
  const name = isJsonObject(labels) ? labels['run.googleapis.com/execution_name'] : undefined;
  return typeof name === 'string' && /^[a-z0-9-]{1,63}$/.test(name) ? name : undefined;
}
