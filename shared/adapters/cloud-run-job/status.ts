import { parseDuration } from '../../core/duration.ts';
import type { JsonObject } from '../../core/json.ts';
import { type AbnormalStatus, abnormal, finished, pending, running, type TaskStatus } from '../../core/result.ts';
import { oneLine } from '../remote-text.ts';
import type { CloudRunExecution, CloudRunTask } from './resources.ts';

/** What Cloud Run says of an execution, in ours. Pure. */

/** By the state of the condition `Completed`. An execution that has none yet is as one whose state is not specified. */
const STATES: Readonly<Record<string, (execution: CloudRunExecution, tasks: readonly CloudRunTask[]) => TaskStatus>> = {
  STATE_UNSPECIFIED: underWay,
  CONDITION_PENDING: underWay,
  CONDITION_RECONCILING: underWay,
  CONDITION_SUCCEEDED: succeeded,
  CONDITION_FAILED: failed,
};

interface Failure {
  status: AbnormalStatus;
  /** While the execution has not completed, Cloud Run goes on by itself. */
  again?: true;
}

/** What CONDITION_FAILED comes to, by Condition's `executionReason` or `reason`. Where it is FAILED the tasks may know better. */
const FAILURES: Readonly<Record<string, Failure>> = {
  EXECUTION_REASON_UNDEFINED: { status: 'FAILED' },
  JOB_STATUS_SERVICE_POLLING_ERROR: { status: 'CRASHED', again: true },
  NON_ZERO_EXIT_CODE: { status: 'FAILED' },
  CANCELLED: { status: 'CANCELLED' },
  CANCELLING: { status: 'CANCELLED', again: true },
  DELETED: { status: 'MISSING' },
  DELAYED_START_PENDING: { status: 'EXPIRED', again: true },

  COMMON_REASON_UNDEFINED: { status: 'FAILED' },
  UNKNOWN: { status: 'FAILED' },
  REVISION_FAILED: { status: 'FAILED' },
  PROGRESS_DEADLINE_EXCEEDED: { status: 'EXPIRED' },
  CONTAINER_MISSING: { status: 'REJECTED' },
  CONTAINER_PERMISSION_DENIED: { status: 'REJECTED' },
  CONTAINER_IMAGE_UNAUTHORIZED: { status: 'REJECTED' },
  CONTAINER_IMAGE_AUTHORIZATION_CHECK_FAILED: { status: 'CRASHED' },
  ENCRYPTION_KEY_PERMISSION_DENIED: { status: 'REJECTED' },
  ENCRYPTION_KEY_CHECK_FAILED: { status: 'CRASHED' },
  SECRETS_ACCESS_CHECK_FAILED: { status: 'REJECTED' },
  WAITING_FOR_OPERATION: { status: 'CRASHED', again: true },
  IMMEDIATE_RETRY: { status: 'CRASHED', again: true },
  POSTPONED_RETRY: { status: 'CRASHED', again: true },
  INTERNAL: { status: 'CRASHED' },
};

/** `tasks`: of an execution that `needsTasks`, as many as were asked for. */
export function statusOf(execution: CloudRunExecution, tasks: readonly CloudRunTask[] = []): TaskStatus {
  const { state } = completed(execution);
  if (Object.hasOwn(STATES, state)) return STATES[state]!(execution, tasks);
  const reason = `Cloud Run reports the unknown state ${oneLine(state, 100)}: ${about(execution, tasks)}`;
  return finished(abnormal('RESULT_MALFORMED', reason));
}

/** Whether the tasks can say more of a failure than the execution does. */
export function needsTasks(execution: CloudRunExecution): boolean {
  const { state, reason } = completed(execution);
  return state === 'CONDITION_FAILED' && failureOf(reason).status === 'FAILED';
}

/** Nothing is left to be stopped, or it is being stopped. In a state that is not known here it may go on. */
export function isOver(execution: CloudRunExecution): boolean {
  const { state, reason } = completed(execution);
  return reason === 'CANCELLING' || (Object.hasOwn(STATES, state) && statusOf(execution).state === 'finished');
}

function completed({ conditions = [] }: CloudRunExecution): { state: string; reason: string; message: string } {
  const condition = conditions.find(({ type }) => type === 'Completed');
  return {
    state: condition?.state ?? 'STATE_UNSPECIFIED',
    reason: condition?.executionReason ?? condition?.reason ?? 'EXECUTION_REASON_UNDEFINED',
    message: condition?.message ?? '',
  };
}

function underWay(execution: CloudRunExecution): TaskStatus {
  return hasBegun(execution) ? running() : pending();
}

function hasBegun({ startTime, runningCount, succeededCount, failedCount }: CloudRunExecution): boolean {
  return startTime !== undefined || [runningCount, succeededCount, failedCount].some(isPositive);
}

function succeeded(execution: CloudRunExecution, tasks: readonly CloudRunTask[]): TaskStatus {
  // A cancelled execution is no success, whatever its condition says.
  if (isPositive(execution.cancelledCount)) return finished(abnormal('CANCELLED', about(execution, tasks)));
  return finished({ data: dataOf(execution) });
}

const MAX_IMAGES = 20;

/** The persistent state. The images are how Cloud Run pinned the job's inputs; a later execution cannot be told to use them. */
function dataOf(execution: CloudRunExecution): JsonObject {
  const { name, taskCount = 1, startTime, completionTime, template, logUri } = execution;
  const texts = Object.entries({ startTime, completionTime, logUri });
  return {
    execution: oneLine(name),
    exitCode: 0,
    taskCount,
    images: (template?.containers ?? []).slice(0, MAX_IMAGES).map(({ image = '' }) => oneLine(image)),
    ...Object.fromEntries(texts.flatMap(([key, text]) => (text === undefined ? [] : [[key, oneLine(text)]]))),
  };
}

function failed(execution: CloudRunExecution, tasks: readonly CloudRunTask[]): TaskStatus {
  const { reason } = completed(execution);
  const { status, again } = failureOf(reason);
  if (again && execution.completionTime === undefined) return underWay(execution);
  return finished(abnormal(refined(status, execution, tasks), about(execution, tasks)));
}

/** Whatever a reason that nobody has heard of means, the state says that the execution failed. */
function failureOf(reason: string): Failure {
  return (Object.hasOwn(FAILURES, reason) ? FAILURES[reason] : undefined) ?? { status: 'FAILED' };
}

/** https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto */
const DEADLINE_EXCEEDED = 4;
const INFRASTRUCTURE_CODES: ReadonlySet<unknown> = new Set([13, 14]); // INTERNAL, UNAVAILABLE
/** As Cloud Run words it (https://github.com/PrefectHQ/prefect/pull/14497); the reason is NON_ZERO_EXIT_CODE all the same. */
const TIMEOUT_MESSAGE = /\btimeout was reached\b|\bmaximum timeout\b/i;

function refined(status: AbnormalStatus, execution: CloudRunExecution, tasks: readonly CloudRunTask[]): AbnormalStatus {
  if (status === 'EXPIRED') return hasBegun(execution) ? 'TIMED_OUT' : 'EXPIRED';
  if (status !== 'FAILED') return status;
  const { reason, message } = completed(execution);
  const [first] = tasks.filter(isFailed);
  if (TIMEOUT_MESSAGE.test(message) || (first !== undefined && hasOverrun(first, execution))) return 'TIMED_OUT';
  const { status: attempt, exitCode, termSignal } = first?.lastAttemptResult ?? {};
  if (INFRASTRUCTURE_CODES.has(attempt?.code) && !exitCode && !termSignal) return 'CRASHED';
  // When a task fails the others are cancelled; where none failed, somebody cancelled them.
  const unexplained = reason !== 'NON_ZERO_EXIT_CODE' && !isPositive(execution.failedCount);
  return unexplained && isPositive(execution.cancelledCount) ? 'CANCELLED' : 'FAILED';
}

/** By the code, the words or the clock: which of them Cloud Run gives for a task that it stopped is not documented. */
function hasOverrun(
  { startTime = '', completionTime = '', lastAttemptResult }: CloudRunTask,
  execution: CloudRunExecution,
) {
  const { status, exitCode } = lastAttemptResult ?? {};
  if (exitCode) return false;
  const ranMs = Date.parse(completionTime) - Date.parse(startTime);
  return (
    status?.code === DEADLINE_EXCEEDED || TIMEOUT_MESSAGE.test(status?.message ?? '') || ranMs >= limitMs(execution)
  );
}

function limitMs({ template }: CloudRunExecution): number {
  try {
    return parseDuration(template?.timeout ?? '');
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

function isFailed({ lastAttemptResult: { status, exitCode, termSignal } = {} }: CloudRunTask): boolean {
  return [status?.code, exitCode, termSignal].some(isPositive);
}

const MAX_TASKS_SHOWN = 5;

/** For people: the service's own words, the exit codes, and where to look. */
function about(execution: CloudRunExecution, tasks: readonly CloudRunTask[]): string {
  const { taskCount = 1, failedCount = 0, cancelledCount = 0, logUri, name } = execution;
  const { reason, message } = completed(execution);
  const counts = Object.entries({ failed: failedCount, cancelled: cancelledCount }).filter(([, count]) => count > 0);
  return [
    message === '' ? 'Cloud Run gives no message' : oneLine(message),
    `(${oneLine(reason, 100)}${counts.map(([what, count]) => `, ${count} of ${taskCount} tasks ${what}`).join('')})`,
    ...tasks.filter(isFailed).slice(0, MAX_TASKS_SHOWN).map(describeTask),
    `logs: ${oneLine(logUri ?? name)}`,
  ].join('; ');
}

function describeTask({ index = 0, lastAttemptResult: { status, exitCode, termSignal } = {} }: CloudRunTask): string {
  const end = termSignal ? `signal ${termSignal}` : exitCode ? `exit code ${exitCode}` : 'no exit code';
  return `task ${index}: ${end}${status?.message ? `, ${oneLine(status.message, 300)}` : ''}`;
}

function isPositive(count: number | undefined): boolean {
  return count !== undefined && count > 0;
}
