import { z } from 'zod';
import { type AbnormalStatus, abnormal, finished, pending, running, type TaskStatus } from '../../core/result.ts';
import { oneLine } from '../remote-text.ts';
import { MAX_RUN_MS } from './config.ts';

const MAX_TEXT = 700;
const MAX_NAME = 100;
const textOf = (characters: number, absent = '') =>
  z
    .string()
    .default(absent)
    .transform(text => oneLine(text, characters));

/**
 * What Batch says of a job, in ours. The fields and states are those of google.cloud.batch.v1.JobStatus and TaskStatus
 * (https://github.com/googleapis/googleapis/tree/master/google/cloud/batch/v1). Zeros are left out.
 */
const statusEvents = z
  .array(
    z.object({
      description: textOf(MAX_TEXT),
      eventTime: z.string().default(''),
      /** Of a task that failed. */
      taskExecution: z.object({ exitCode: z.number().default(0) }).optional(),
    }),
  )
  .default([]);

export const jobSchema = z.object({
  name: z.string(),
  uid: textOf(MAX_NAME),
  status: z
    .object({
      state: textOf(MAX_NAME, 'STATE_UNSPECIFIED'),
      statusEvents,
      /** That the job was RUNNING. */
      runDuration: z.string().default('0s'),
    })
    .prefault({}),
});
type StatusEvent = z.infer<typeof statusEvents>[number];
export type BatchJob = z.infer<typeof jobSchema>;

export const taskSchema = z.object({ status: z.object({ state: z.string().optional(), statusEvents }).prefault({}) });
export type BatchTask = z.infer<typeof taskSchema>;

/** A job as it was seen. */
export interface Sight {
  /** Ours, not what the service answers: that may hold the number of the project. */
  name: string;
  /** Where its logs are. */
  logs: string;
  job: BatchJob;
  /** Of a job that `hasFailed`, as many as were asked for. */
  failedTasks: readonly BatchTask[];
}

/** Every state of google.cloud.batch.v1.JobStatus.State. */
const STATES: ReadonlyMap<string, (sight: Sight) => TaskStatus> = new Map([
  ['STATE_UNSPECIFIED', underWay],
  ['QUEUED', pending],
  ['SCHEDULED', pending],
  ['RUNNING', running],
  ['SUCCEEDED', succeeded],
  ['FAILED', failed],
  // Its VMs may still be there. Then it is gone, and 404 says so.
  ['DELETION_IN_PROGRESS', underWay],
  ['CANCELLATION_IN_PROGRESS', underWay],
  ['CANCELLED', cancelled],
]);

/** Nothing is left to be cancelled. */
const OVER: ReadonlySet<string> = new Set([
  'SUCCEEDED',
  'FAILED',
  'DELETION_IN_PROGRESS',
  'CANCELLATION_IN_PROGRESS',
  'CANCELLED',
]);

/** The job's state decides: an exit code may be that of a task which was tried again. */
export function statusOf(sight: Sight): TaskStatus {
  const { state } = sight.job.status;
  const row = STATES.get(state);
  if (row !== undefined) return row(sight);
  return finished(abnormal('RESULT_MALFORMED', `Batch reports the unknown state ${state}${about(sight)}`));
}

export function isOver({ status }: BatchJob): boolean {
  return OVER.has(status.state);
}

/** Its tasks say why. */
export function hasFailed({ status }: BatchJob): boolean {
  return status.state === 'FAILED';
}

function underWay({ job }: Sight): TaskStatus {
  return ranMs(job) > 0 ? running() : pending();
}

/** The persistent state. Batch reports no pinned inputs: give images by digest. */
function succeeded({ name, job, logs }: Sight): TaskStatus {
  return finished({ data: { exitCode: 0, job: name, uid: job.uid, runSeconds: ranMs(job) / 1000, logs } });
}

function cancelled(sight: Sight): TaskStatus {
  return finished(abnormal('CANCELLED', `the job was cancelled${about(sight)}`));
}

/**
 * Batch's own exit codes, https://docs.cloud.google.com/batch/docs/troubleshooting#reserved-exit-codes, and 50000 of
 * google.cloud.batch.v1.TaskExecution.
 */
const RESERVED: ReadonlyMap<number, Cause> = new Map([
  [50000, { status: 'CRASHED', reason: 'a task failed for a reason that Batch does not name' }],
  [50001, { status: 'PREEMPTED', reason: 'a Spot VM was preempted' }],
  [50002, { status: 'CRASHED', reason: 'a VM was no longer heard of' }],
  [50003, { status: 'CRASHED', reason: 'a VM rebooted while a task ran' }],
  [50004, { status: 'CRASHED', reason: 'a task no longer responded and could not be cancelled' }],
  [50005, { status: 'TIMED_OUT', reason: 'a task ran for longer than it may' }],
  [50006, { status: 'CRASHED', reason: 'a VM was recreated while a task ran' }],
]);

/** What processes exit with goes up to here. */
const MAX_PROCESS_EXIT_CODE = 255;

/** Where tasks failed for several reasons: what would happen again comes first. */
const GRAVEST_FIRST: readonly AbnormalStatus[] = ['FAILED', 'TIMED_OUT', 'CRASHED', 'PREEMPTED'];

interface Cause {
  status: AbnormalStatus;
  reason: string;
}

function failed(sight: Sight): TaskStatus {
  const causes = causesOf(sight).toSorted((a, b) => GRAVEST_FIRST.indexOf(a.status) - GRAVEST_FIRST.indexOf(b.status));
  const reasons = causes.map(({ reason }) => reason).join('; ');
  return finished(abnormal(causes[0]?.status ?? 'CRASHED', `${reasons}${about(sight)}`));
}

function causesOf(sight: Sight): readonly Cause[] {
  const exitCodes = exitCodesOf(eventsOf(sight));
  if (exitCodes.length > 0) return exitCodes.map(causeOf);
  const runMs = ranMs(sight.job);
  if (runMs >= MAX_RUN_MS) return [{ status: 'TIMED_OUT', reason: 'the job ran for as long as Batch allows' }];
  if (runMs > 0) return [{ status: 'CRASHED', reason: 'the job failed, and none of its tasks says why' }];
  // No quota, no VM to be had, none that reported for duty, or 2 days in the queue: nothing of the job itself has failed.
  return [{ status: 'EXPIRED', reason: 'the job failed before any of its tasks ran' }];
}

function causeOf(exitCode: number): Cause {
  const { status, reason } = RESERVED.get(exitCode) ?? {
    status: exitCode > MAX_PROCESS_EXIT_CODE ? 'CRASHED' : 'FAILED',
    reason: 'a task failed',
  };
  return { status, reason: `${reason} (exit code ${exitCode})` };
}

const MAX_EXIT_CODES = 10;

/** Different ones, without 0. Where no event has the field, the documented messages have the code in their text. */
function exitCodesOf(events: readonly StatusEvent[]): number[] {
  const given = events.map(({ taskExecution }) => taskExecution?.exitCode ?? 0).filter(isFailure);
  const told = () =>
    events.flatMap(({ description }) =>
      Array.from(description.matchAll(/with exit code (\d{1,6})\b/g), match => Number(match[1])),
    );
  return [...new Set(given.length > 0 ? given : told().filter(isFailure))].slice(0, MAX_EXIT_CODES);
}

function isFailure(exitCode: number): boolean {
  return exitCode !== 0;
}

function ranMs({ status }: BatchJob): number {
  const [, seconds = '0'] = /^(\d{1,12}(?:\.\d{1,9})?)s$/.exec(status.runDuration) ?? [];
  return Math.round(Number(seconds) * 1000);
}

function eventsOf({ job, failedTasks }: Sight): readonly StatusEvent[] {
  return [job, ...failedTasks].flatMap(({ status }) => status.statusEvents);
}

const MAX_EVENTS = 3;

/** For people: where to look, and the latest of what Batch said. */
function about(sight: Sight): string {
  const latestFirst = eventsOf(sight).toSorted((a, b) => b.eventTime.localeCompare(a.eventTime));
  const texts = [...new Set(latestFirst.map(({ description }) => description))].filter(text => text !== '');
  return [`; logs: ${sight.logs}`, ...texts.slice(0, MAX_EVENTS)].join('; ');
}
