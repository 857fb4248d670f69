import { z } from 'zod';
import { isTransient } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { TaskStatus } from '../../core/result.ts';
import type { Services } from '../contract.ts';
import { HttpStatusError } from '../http-answer.ts';
import { cancelUnlessOver, noError, orGone, unlessStarted } from '../job-calls.ts';
import { asOurselves, createRest } from '../rest.ts';
import type { CloudBatchConfig } from './config.ts';
import { logsPage } from './links.ts';
import { type BatchJob, type BatchTask, hasFailed, isOver, jobSchema, statusOf, taskSchema } from './status.ts';

/**
 * The calls that we make (https://docs.cloud.google.com/batch/docs/reference/rest/v1). Jobs are named
 * `projects/P/locations/L/jobs/J`.
 */
export interface CloudBatch {
  /** Succeeds when the job is there, whoever created it: its name says that it is the same. */
  create(jobId: string, requestId: string, body: JsonObject): Promise<void>;
  status(name: string): Promise<TaskStatus>;
  /** Succeeds when the job is over or gone. */
  cancel(name: string): Promise<void>;
}

/** Of those that failed: enough to tell why. */
const MAX_TASKS = 20;

const createdSchema = z.object({ name: z.string() });
/** What says that it failed is no answer: the job goes on. */
const operationSchema = z.object({ ...noError, name: z.string() });
const tasksSchema = z.object({ tasks: z.array(taskSchema).default([]) });

export function createCloudBatch({ endpoint, project, location }: CloudBatchConfig, services: Services): CloudBatch {
  const rest = createRest({ services, endpoint, authorization: asOurselves(services) });
  const parent = `projects/${project}/locations/${location}`;

  // The definition may be large, and says nothing new.
  const get = (name: string): Promise<BatchJob> =>
    rest.call({ method: 'GET', path: `/v1/${name}`, query: { fields: 'name,uid,status' } }, jobSchema);

  async function failedTasks(name: string): Promise<readonly BatchTask[]> {
    const path = `/v1/${name}/taskGroups/group0/tasks`;
    const query = { filter: 'State=FAILED', pageSize: String(MAX_TASKS) };
    try {
      const { tasks } = await rest.call({ method: 'GET', path, query }, tasksSchema);
      return tasks.filter(({ status }) => status.state === 'FAILED');
    } catch (error) {
      if (isTransient(error)) throw error;
      // That it failed is known all the same, and its events may say why.
      return [];
    }
  }

  return {
    async create(jobId, requestId, body) {
      const query = { job_id: jobId, request_id: requestId };
      const created = rest.call({ method: 'POST', path: `/v1/${parent}/jobs`, query, body }, createdSchema);
      await created.catch(orThere).catch(unlessStarted(() => get(`${parent}/jobs/${jobId}`).catch(orGone)));
    },

    async status(name) {
      const job = await get(name);
      const tasks = hasFailed(job) ? await failedTasks(name) : [];
      return statusOf({ name, logs: logsPage(project, job.uid), job, failedTasks: tasks });
    },

    cancel: name =>
      cancelUnlessOver(rest.call({ method: 'POST', path: `/v1/${name}:cancel`, body: {} }, operationSchema), async () =>
        isOver(await get(name)),
      ),
  };
}

/** For `catch`: 409 is ALREADY_EXISTS, or ABORTED, which is transient. */
function orThere(error: unknown): undefined {
  if (!(error instanceof HttpStatusError && error.status === 409)) throw error;
}
