import { z } from 'zod';
import { isTransient } from '../../core/errors.ts';
import type { ExecutionId } from '../../core/ids.ts';
import type { TaskStatus } from '../../core/result.ts';
import type { Distributor, DistributorType, Services } from '../contract.ts';
import { executionName, executionOfName } from '../execution-name.ts';
import { executionUuid } from '../execution-uuid.ts';
import { HttpStatusError } from '../http-answer.ts';
import { asOurselves, createRest } from '../rest.ts';
import { pollUnlessTold } from '../timeouts.ts';
import { type CloudBatchConfig, cloudBatchConfigSchema } from './config.ts';
import { jobPage, logsPage } from './links.ts';
import { parametersOf } from './parameters.ts';
import { jobOf } from './request.ts';
import { type BatchJob, type BatchTask, hasFailed, isOver, jobSchema, statusOf, taskSchema } from './status.ts';

/**
 * Google Cloud Batch: containers or scripts on VMs that come and go with the job. The job's name follows from the execution,
 * and is its token: a second start finds the first, and a job can be found without its token.
 *
 * Unattended only: the activation token would have to become a secret of Secret Manager or KMS, which there is none for.
 */
export const cloudBatchType: DistributorType<CloudBatchConfig> = {
  type: 'cloud-batch',
  modes: ['unattended'],
  configSchema: cloudBatchConfigSchema,
  create: createCloudBatchDistributor,
};

/** Where there are no notifications and the config does not say. A VM takes about a minute to start. */
const POLL_AFTER_MS = 60_000;
/** Of those that failed: enough to tell why. */
const MAX_TASKS = 20;

const createdSchema = z.object({ name: z.string() });
/** What says that it failed is no answer: the job goes on. */
const operationSchema = z.object({ name: z.string(), error: z.never().optional() });
const tasksSchema = z.object({ tasks: z.array(taskSchema).default([]) });

function createCloudBatchDistributor(config: CloudBatchConfig, services: Services): Distributor {
  const { endpoint, project, location } = config;
  const rest = createRest({ services, endpoint, authorization: asOurselves(services) });
  const parent = `projects/${project}/locations/${location}`;
  const nameOf = (id: ExecutionId) => `${parent}/jobs/${executionName(id)}`;

  async function getJob(name: string): Promise<BatchJob> {
    // The definition may be large, and says nothing new.
    return rest.call({ method: 'GET', path: `/v1/${name}`, query: { fields: 'name,uid,status' } }, jobSchema);
  }

  async function failedTasksOf(name: string): Promise<readonly BatchTask[]> {
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

  async function askStatus(name: string): Promise<TaskStatus> {
    const job = await getJob(name);
    const failedTasks = hasFailed(job) ? await failedTasksOf(name) : [];
    return statusOf({ name, logs: logsPage(project, job.uid), job, failedTasks });
  }

  async function isOverOrGone(name: string): Promise<boolean> {
    try {
      return isOver(await getJob(name));
    } catch (error) {
      if (isGone(error)) return true;
      throw error;
    }
  }

  return {
    async run(task) {
      const { executionId, quest } = task;
      const token = nameOf(executionId);
      const query = { job_id: executionName(executionId), request_id: executionUuid(executionId) };
      const body = jobOf(task, parametersOf(quest, config), config);
      try {
        await rest.call({ method: 'POST', path: `/v1/${parent}/jobs`, query, body }, createdSchema);
      } catch (error) {
        if (!isAlreadyThere(error)) throw error;
      }
      return { token, ...pollUnlessTold(config, POLL_AFTER_MS) };
    },

    async cancel({ executionId }) {
      const name = nameOf(executionId);
      try {
        await rest.call({ method: 'POST', path: `/v1/${name}:cancel`, body: {} }, operationSchema);
      } catch (error) {
        if (isGone(error)) return;
        if (!isRefusal(error) || !(await isOverOrGone(name))) throw error;
      }
    },

    async getStatus({ executionId, token }) {
      const name = nameOf(executionId);
      if (token !== name) throw new Error('no job was started under this token');
      return askStatus(name);
    },

    handleNotification: async ({ executionId }) => askStatus(nameOf(executionId)),

    // What attributes a message has is not documented; one of its texts names the job.
    executionOf({ data, attributes }) {
      for (const text of [...Object.values(attributes), data]) {
        for (const [word] of text.matchAll(/[a-z0-9-]+/g)) {
          const id = executionOfName(word);
          if (id !== undefined) return id;
        }
      }
      return undefined;
    },

    infoUrl: jobPage,

    handleTaskQueueTask: async () => [],

    validate: quest => void parametersOf(quest, config),
  };
}

function isAlreadyThere(error: unknown): boolean {
  return error instanceof HttpStatusError && error.status === 409 && error.code === 'ALREADY_EXISTS';
}

function isGone(error: unknown): boolean {
  return error instanceof HttpStatusError && error.status === 404;
}

/** FAILED_PRECONDITION is 400 in Google's APIs; be it 409, it means the same. */
function isRefusal(error: unknown): boolean {
  return error instanceof HttpStatusError && (error.status === 400 || error.status === 409);
}
