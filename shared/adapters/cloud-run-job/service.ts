import type { z } from 'zod';
import { isTransient, TransientError } from '../../core/errors.ts';
import type { Token } from '../../core/execution.ts';
import type { ExecutionId } from '../../core/ids.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Services } from '../contract.ts';
import { HttpStatusError } from '../http-answer.ts';
import { cancelUnlessOver, oldestFirst, orGone, searched, settling } from '../job-calls.ts';
import { asOurselves, createRest } from '../rest.ts';
import type { CloudRunJobConfig } from './config.ts';
import { isOf } from './names.ts';
import {
  type CloudRunExecution,
  type CloudRunTask,
  cancelSchema,
  executionPageSchema,
  executionSchema,
  jobSchema,
  startSchema,
  taskPageSchema,
} from './resources.ts';
import { isOver } from './status.ts';

/** The calls that we make (https://docs.cloud.google.com/run/docs/reference/rest/v2). Jobs are named by their short names. */
export interface CloudRun {
  /** Rejects finally when the job cannot be run as it must be. */
  checkJob(job: string): Promise<void>;
  /** Starts an execution, every time. */
  start(job: string, body: JsonObject): Promise<Token>;
  /** The executions of the job that were created since then and are ours of this id; the oldest first. */
  find(job: string, options: { id: ExecutionId; since: number }): Promise<Token[]>;
  /** The resource name of an execution of the job. */
  nameOf(job: string, execution: string): Token;
  get(name: Token): Promise<CloudRunExecution>;
  /** The first tasks of an execution; none where they cannot be had. */
  tasks(name: Token): Promise<CloudRunTask[]>;
  /** Succeeds when the execution is over or gone. */
  cancel(name: Token): Promise<void>;
}

/**
 * Whoever sent a start whose answer is lost should not look for its execution earlier: Cloud Run may still be creating it.
 */
export const SETTLE_MS = 60_000;

/** Executions hold up to 64 KiB of ours and the job's own environment; a page of them must be small enough to be read. */
const PAGE_SIZE = 25;
/** Executions that were created in the meantime; more than a region runs at once. */
const MAX_PAGES = 80;
/** How far Cloud Run's clock may be behind ours. */
const SKEW_MS = 5 * 60_000;
const MAX_TASKS_READ = 100;

export function createCloudRun({ endpoint, project, location }: CloudRunJobConfig, services: Services): CloudRun {
  const rest = createRest({ services, endpoint, authorization: asOurselves(services) });
  const pathOf = (job: string) => `/v2/projects/${project}/locations/${location}/jobs/${job}`;

  const get = (name: Token) => rest.call({ method: 'GET', path: `/v2/${name}` }, executionSchema);

  async function pageOf(job: string, pageToken: string | undefined): Promise<z.infer<typeof executionPageSchema>> {
    const fields = 'nextPageToken,executions/name,executions/createTime,executions/template/containers/env';
    const query = { pageSize: String(PAGE_SIZE), pageToken, fields };
    return rest.call({ method: 'GET', path: `${pathOf(job)}/executions`, query }, executionPageSchema);
  }

  return {
    // Retries cannot be overridden, and those of Cloud Run would be hidden from us.
    async checkJob(job) {
      const { name, template } = await rest.call({ method: 'GET', path: pathOf(job) }, jobSchema);
      const { maxRetries = 3 } = template.template;
      if (maxRetries === 0) return;
      const remedy = `gcloud run jobs update ${job} --max-retries=0 --region=${location} --project=${project}`;
      throw new HttpStatusError(
        `${name} retries failed tasks ${maxRetries} times by itself; switch it off: ${remedy}`,
        400,
      );
    },

    async start(job, body) {
      const call = { method: 'POST', path: `${pathOf(job)}:run`, body, once: true } as const;
      return (await settling(rest.call(call, startSchema), SETTLE_MS)).metadata.name;
    },

    async find(job, { id, since }) {
      const found: CloudRunExecution[] = [];
      let pageToken: string | undefined;
      for (let pages = 0; pages < MAX_PAGES; pages++) {
        // Without its job no execution is left.
        const { executions = [], nextPageToken } = (await searched(pageOf(job, pageToken).catch(orGone))) ?? {};
        found.push(...executions.filter(execution => isOf(execution, id)));
        if (!nextPageToken || isPast(executions, since - SKEW_MS)) return byAge(found);
        pageToken = nextPageToken;
      }
      if (found.length > 0) return byAge(found);
      throw new TransientError(`${job} has too many executions to look for the one of ${id}`);
    },

    nameOf: (job, execution) => `projects/${project}/locations/${location}/jobs/${job}/executions/${execution}`,

    get,

    async tasks(name) {
      const fields = 'tasks/index,tasks/startTime,tasks/completionTime,tasks/lastAttemptResult';
      const query = { pageSize: String(MAX_TASKS_READ), fields };
      try {
        return (await rest.call({ method: 'GET', path: `/v2/${name}/tasks`, query }, taskPageSchema)).tasks ?? [];
      } catch (error) {
        // They only explain a failure that is known.
        if (isTransient(error)) throw error;
        return [];
      }
    },

    async cancel(name) {
      const call = rest.call({ method: 'POST', path: `/v2/${name}:cancel`, body: {} }, cancelSchema);
      await cancelUnlessOver(call, async () => isOver(await get(name)));
    },
  };
}

/**
 * Whether only older executions follow. They come newest first, but that is not documented: pages in another order are all
 * looked at.
 */
function isPast(executions: readonly CloudRunExecution[], since: number): boolean {
  const first = createdAt(executions[0]);
  const last = createdAt(executions.at(-1));
  return last <= first && last < since;
}

function byAge(executions: readonly CloudRunExecution[]): Token[] {
  return oldestFirst(executions, ({ name, createTime }) => ({ id: name, createdAt: createTime })).map(
    ({ name }) => name,
  );
}

function createdAt(execution: CloudRunExecution | undefined): number {
  return Date.parse(execution?.createTime ?? '');
}
