import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionId } from '../shared/core/ids.ts';
import type { JsonObject } from '../shared/core/json.ts';
import { abnormal, type TaskResult } from '../shared/core/result.ts';

/** What is known at the executor's side of one execution. */
export interface JobRecord {
  /** How often work on it was begun. */
  starts: number;
  /** Execution tokens whose activation was accepted. */
  activations: string[];
  /** Results of the attempt that were accepted. */
  finishes: JsonObject[];
  /** Results of work that came to its good end. */
  completions: JsonObject[];
  /** How it ended, as its executor reports it; absent while it is alive. */
  end?: TaskResult;
}

export function createRecord(): JobRecord {
  return { starts: 0, activations: [], finishes: [], completions: [] };
}

/** A job as its work sees it. */
export interface Job {
  id: ExecutionId;
  /** 1 for the first execution of an attempt. */
  execution: number;
  workMs: number;
  record: JobRecord;
  activationToken: string;
  /** Aborted when somebody cancels the job. */
  cancelled: AbortSignal;
  /** Insists on an answer of the `job` function. Resolves with its status. */
  call(verb: 'activate' | 'finish', bearer: string, body: object): Promise<number>;
}

export type Work = (job: Job) => Promise<TaskResult>;

/** Ways to do a job. They reject only when the job is cancelled. */
export const WORK = {
  succeed,
  fail,
  succeedThirdTime: job => (job.execution < 3 ? fail(job) : succeed(job)),
  endless: job => succeed({ ...job, workMs: ENDLESS_MS }),
  /** Interactive: activates, works, finishes, and leaves a state behind. */
  takePart,
  /** The same twice at the same time; only one may be let in. */
  async takePartTwice(job) {
    const ends = await Promise.all([takePart(job), takePart(job)]);
    return ends.find(end => 'data' in end) ?? ends[0];
  },
  async dieFirst(job) {
    if (job.execution > 1) return takePart(job);
    await activate(job);
    await work(job);
    return abnormal('CRASHED', 'this job dies the first time');
  },
  async dieFinished(job) {
    await takePart(job);
    return abnormal('CRASHED', 'this job dies once its result is accepted');
  },
  async forgetToFinish(job) {
    await activate(job);
    await work(job);
    return { data: {} };
  },
} as const satisfies Record<string, Work>;

export type WorkName = keyof typeof WORK;

/** Longer than any soak waits for something to settle. */
const ENDLESS_MS = 60 * 60_000;

async function work({ workMs, cancelled }: Job): Promise<void> {
  await sleep(workMs, undefined, { signal: cancelled });
}

async function succeed(job: Job): Promise<TaskResult> {
  await work(job);
  return complete(job);
}

async function fail(job: Job): Promise<TaskResult> {
  await work(job);
  return abnormal('FAILED', 'this job fails');
}

function complete(job: Job): TaskResult {
  const data = receipt(job);
  job.record.completions.push(data);
  return { data };
}

/** A result that nobody else could have given. */
function receipt({ id }: Job): JsonObject {
  return { execution: id, receipt: randomUUID() };
}

async function takePart(job: Job): Promise<TaskResult> {
  const token = await activate(job);
  if (token === undefined) return abnormal('CRASHED', 'was not let in');
  await work(job);
  const data = receipt(job);
  if ((await job.call('finish', token, { data })) !== 200) return abnormal('CRASHED', 'its result was not accepted');
  job.record.finishes.push(data);
  return complete(job);
}

async function activate({ call, activationToken, record }: Job): Promise<string | undefined> {
  const executionToken = randomBytes(32).toString('base64url');
  if ((await call('activate', activationToken, { executionToken })) !== 200) return undefined;
  record.activations.push(executionToken);
  return executionToken;
}
