import { z } from 'zod';
import { TransientError } from '../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../core/json.ts';
import {
  type AbnormalStatus,
  abnormal,
  finished,
  pending,
  running,
  type TaskResult,
  type TaskStatus,
} from '../../core/result.ts';
import { oneLine, told } from '../remote-text.ts';

const executorLogSchema = z.object({ exit_code: told(z.int()), stdout: told(z.string()), stderr: told(z.string()) });
const outputLogSchema = z.object({
  url: z.string(),
  path: told(z.string()),
  /** An int64: a string in the API, a number on some servers. */
  size_bytes: told(z.union([z.string(), z.number()])),
});
const taskLogSchema = z.object({
  logs: told(z.array(executorLogSchema)),
  outputs: told(z.array(outputLogSchema)),
  metadata: told(z.record(z.string(), z.unknown())),
  start_time: told(z.string()),
  end_time: told(z.string()),
  system_logs: told(z.array(z.string())),
});

/**
 * tesTask, as far as we read it; the smaller views leave most of it out.
 * https://github.com/ga4gh/task-execution-schemas/blob/develop/openapi/task_execution_service.openapi.yaml
 */
export const taskSchema = z.object({
  id: z.string(),
  /** Left out, it is UNKNOWN: the spec's default. */
  state: z
    .string()
    .nullish()
    .transform(state => state ?? 'UNKNOWN'),
  name: told(z.string()),
  tags: told(z.record(z.string(), z.unknown())),
  creation_time: told(z.string()),
  /** One for each time that the server tried. */
  logs: told(z.array(taskLogSchema)),
});

export type Task = z.infer<typeof taskSchema>;

const OPEN: ReadonlyMap<string, () => TaskStatus> = new Map([
  ['QUEUED', pending],
  ['INITIALIZING', pending],
  ['RUNNING', running],
  ['PAUSED', running],
  // Cancelled, and not gone yet.
  ['CANCELING', running],
]);

const ENDED: ReadonlyMap<string, (task: Task) => TaskResult> = new Map([
  ['COMPLETE', (task: Task): TaskResult => ({ data: dataOf(task) })],
  ['EXECUTOR_ERROR', (task: Task) => failed('FAILED', task, executorFailure(task))],
  ['SYSTEM_ERROR', (task: Task) => failed('CRASHED', task, `the TES server could not run it${systemLogs(task)}`)],
  ['PREEMPTED', (task: Task) => failed('PREEMPTED', task, `the TES server took its machine away${systemLogs(task)}`)],
  ['CANCELED', (task: Task) => failed('CANCELLED', task, 'it was cancelled at the TES server')],
]);

/** The status that a state alone tells; `undefined` when the task has ended or the state is none that we know. */
export function openStatus(state: string): TaskStatus | undefined {
  return OPEN.get(state)?.();
}

export function isEnded({ state }: Task): boolean {
  return ENDED.has(state);
}

/** Throws TransientError for UNKNOWN, by which a server says that it does not know: it is no end, and no beginning. */
export function statusOf(task: Task): TaskStatus {
  const { state } = task;
  if (state === 'UNKNOWN')
    throw new TransientError(`the TES server does not know the state of task ${task.id} (UNKNOWN)`);
  const resultOf = ENDED.get(state) ?? unheardOf;
  return openStatus(state) ?? finished(resultOf(task));
}

function unheardOf(task: Task): TaskResult {
  return failed('RESULT_MALFORMED', task, `its state is "${oneLine(task.state, 100)}", which TES 1.1 does not have`);
}

function failed(status: AbnormalStatus, { id }: Task, reason: string): TaskResult {
  return abnormal(status, `task ${oneLine(id, 100)}: ${reason}`.toWellFormed());
}

/** Servers stop at the first executor that fails, unless told to ignore its error: the last failure is the reason. */
function executorFailure(task: Task): string {
  const executors = lastLog(task)?.logs ?? [];
  const index = executors.findLastIndex(({ exit_code: code }) => code !== 0 && code !== undefined && code !== null);
  const executor = executors[index];
  if (executor === undefined) return `an executor failed, and the server does not say how${systemLogs(task)}`;
  const output = executor.stderr?.trim() ? executor.stderr : executor.stdout;
  return `executor ${index + 1} exited with code ${executor.exit_code}${tail(output)}`;
}

function systemLogs(task: Task): string {
  return tail(lastLog(task)?.system_logs?.join('\n'));
}

const MAX_TAIL_CHARACTERS = 1500;

/** `: ` and the end of a log, where errors stand. */
function tail(log: string | null | undefined): string {
  const line = (log ?? '')
    .slice(-10 * MAX_TAIL_CHARACTERS)
    .replaceAll(/\s+/g, ' ')
    .trim();
  if (line === '') return '';
  return line.length <= MAX_TAIL_CHARACTERS ? `: ${line}` : `: …${line.slice(1 - MAX_TAIL_CHARACTERS)}`;
}

const MAX_OUTPUTS_BYTES = 128 * 1024;
const MAX_METADATA_BYTES = 16 * 1024;
const MAX_EXIT_CODES = 100;

/** What the next execution gets to know. */
function dataOf(task: Task): JsonObject {
  const { logs, outputs, metadata, start_time: startTime, end_time: endTime } = lastLog(task) ?? {};
  // An executor of a COMPLETE task without a code: some servers leave out zeros, and some forget.
  const exitCodes = logs?.map(({ exit_code: code }) => code ?? 0) ?? [];
  const files = (outputs ?? []).map(({ url, path, size_bytes: size }) => ({
    url: url.toWellFormed(),
    ...(typeof path === 'string' && { path: path.toWellFormed() }),
    ...(size !== undefined && size !== null && { sizeBytes: oneLine(String(size), 20) }),
  }));
  const kept = fitting(files, MAX_OUTPUTS_BYTES);
  const texts = Object.entries(metadata ?? {}).flatMap(([key, value]) =>
    typeof value === 'string' ? [[key.toWellFormed(), value.toWellFormed()] as [string, string]] : [],
  );
  return {
    taskId: oneLine(task.id, 1500),
    ...(exitCodes.length > 0 && { exitCode: exitCodes.at(-1) }),
    ...(exitCodes.length > 1 && { exitCodes: exitCodes.slice(0, MAX_EXIT_CODES) }),
    outputs: kept,
    ...(kept.length < files.length && { outputsLeftOut: files.length - kept.length }),
    ...(startTime && { startTime: oneLine(startTime, 100) }),
    ...(endTime && { endTime: oneLine(endTime, 100) }),
    ...(texts.length > 0 && { metadata: Object.fromEntries(fitting(texts, MAX_METADATA_BYTES)) }),
  } as JsonObject;
}

function lastLog({ logs }: Task) {
  return logs?.at(-1);
}

/** As many as fit: a reference is kept whole or not at all. */
function fitting<T extends JsonValue>(items: readonly T[], maxBytes: number): T[] {
  let bytes = 0;
  return items.filter(item => {
    const size = Buffer.byteLength(JSON.stringify(item));
    if (bytes + size > maxBytes) return false;
    bytes += size;
    return true;
  });
}
