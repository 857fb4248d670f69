import { z } from 'zod';
import { TransientError } from '../../core/errors.ts';
import type { Token } from '../../core/execution.ts';
import type { ExecutionId } from '../../core/ids.ts';
import type { TaskStatus } from '../../core/result.ts';
import type { Distributor, DistributorType, Services } from '../contract.ts';
import { typedDocuments } from '../documents.ts';
import { HttpStatusError } from '../http-answer.ts';
import { orGone, startWindow } from '../job-calls.ts';
import { pollUnlessTold } from '../timeouts.ts';
import { type CloudRunJobConfig, cloudRunJobConfigSchema } from './config.ts';
import { executionOfEntry, isExecutionName, isOf, nameInEntry, pageOf } from './names.ts';
import { parametersOf } from './parameters.ts';
import { runOf } from './request.ts';
import type { CloudRunExecution } from './resources.ts';
import { createCloudRun, SETTLE_MS } from './service.ts';
import { needsTasks, statusOf } from './status.ts';

/**
 * Executions of Cloud Run jobs that exist already. The token is the execution's resource name. Unattended only: the one way
 * to hand over a secret for a single execution is its environment, which shows in audit logs.
 */
export const cloudRunJobType: DistributorType<CloudRunJobConfig> = {
  type: 'cloud-run-job',
  modes: ['unattended'],
  configSchema: cloudRunJobConfigSchema,
  create: createCloudRunJobDistributor,
};

/** Written before the first start, so that nothing is looked for where nothing can be, nor further back than it can be. */
const launchSchema = z.object({
  begunAt: z.number(),
  /** When it was last started. */
  startedAt: z.number(),
});

/** For longer than an execution is run, cancelled and given up on. */
const KEEP_MS = 30 * 24 * 60 * 60_000;

/** Without a topic only polls tell that a job has ended; most take minutes. */
const POLL_AFTER_MS = 30_000;

function createCloudRunJobDistributor(config: CloudRunJobConfig, services: Services): Distributor {
  const { clock, log } = services;
  const cloudRun = createCloudRun(config, services);
  const launches = typedDocuments(services.documents, launchSchema);

  /** Starts are not idempotent: after the first, every start is preceded by a search. */
  async function startOnce(executionId: ExecutionId, job: string, start: () => Promise<Token>): Promise<Token> {
    const now = clock.now();
    const options = { expireAt: now + KEEP_MS };
    const launch = await launches.update(executionId, known => known ?? { begunAt: now, startedAt: now }, {
      ...options,
      from: 'absent',
    });
    if (launch.written) return start();
    const [token, ...duplicates] = await cloudRun.find(job, { id: executionId, since: launch.doc.begunAt });
    if (duplicates.length > 0)
      log.warn('an execution was started more than once', { execution: executionId, first: token });
    // Starts that were not answered: nobody has their tokens, and no other call of `run` is under way.
    await Promise.all(duplicates.map(cloudRun.cancel));
    if (token !== undefined) return token;
    await launches.update(executionId, ({ begunAt } = launch.doc) => ({ begunAt, startedAt: now }), options);
    return start();
  }

  async function read(execution: CloudRunExecution): Promise<TaskStatus> {
    return statusOf(execution, needsTasks(execution) ? await cloudRun.tasks(execution.name) : []);
  }

  /** An execution without a token: all of its starts are stopped. */
  async function stopStarted(executionId: ExecutionId, job: string): Promise<void> {
    const launch = (await launches.read(executionId))?.doc;
    if (launch === undefined) return;
    const names = await cloudRun.find(job, { id: executionId, since: launch.begunAt });
    await Promise.all(names.map(cloudRun.cancel));
    const settledAt = launch.startedAt + SETTLE_MS;
    if (names.length === 0 && clock.now() < settledAt) {
      const retryAfterMs = settledAt - clock.now();
      throw new TransientError('an execution that was just started may still appear', { retryAfterMs });
    }
  }

  return {
    async run(task) {
      const window = startWindow(clock);
      const parameters = parametersOf(task.quest, config);
      const { job } = parameters;
      const token = await startOnce(task.executionId, job, async () => {
        await cloudRun.checkJob(job);
        window.check();
        return cloudRun.start(job, runOf(task, parameters, config));
      });
      return { token, ...pollUnlessTold(config, POLL_AFTER_MS) };
    },

    async cancel({ executionId, token }, quest) {
      if (token === undefined) return stopStarted(executionId, parametersOf(quest, config).job);
      if (isExecutionName(token)) await cloudRun.cancel(token);
    },

    async getStatus({ token }) {
      if (!isExecutionName(token)) throw new HttpStatusError('not the name of a Cloud Run execution', 404);
      return read(await cloudRun.get(token));
    },

    async handleNotification({ executionId, ...message }, quest) {
      const name = nameInEntry(message);
      if (name === undefined) return undefined;
      const execution = await cloudRun.get(cloudRun.nameOf(parametersOf(quest, config).job, name)).catch(orGone);
      return execution !== undefined && isOf(execution, executionId) ? read(execution) : undefined;
    },

    executionOf: executionOfEntry,

    infoUrl: pageOf,

    handleTaskQueueTask: async () => [],

    validate: quest => void parametersOf(quest, config),
  };
}
