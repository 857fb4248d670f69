import { isCredentialError, isTransient, messageOf } from '../../core/errors.ts';
import type { Token } from '../../core/execution.ts';
import type { TaskStatus } from '../../core/result.ts';
import type { Distributor, DistributorType, Services } from '../contract.ts';
import { executionName } from '../execution-name.ts';
import { HttpStatusError } from '../http-answer.ts';
import { createRest } from '../rest.ts';
import { type TesConfig, tesConfigSchema } from './config.ts';
import { findTasks } from './find.ts';
import { askMany } from './many.ts';
import { readParameters, taskOf } from './parameters.ts';
import { isEnded, openStatus, statusOf } from './status.ts';
import { createTasks, isTaskId, showsMore, type View } from './tasks.ts';

/**
 * GA4GH Task Execution Service 1.1, as of Funnel, TESK and TES on Azure. It tells nobody of an end, so it is polled; it has no
 * channel for secrets, so jobs cannot call back; it has neither time limits nor retries of its own.
 * https://github.com/ga4gh/task-execution-schemas
 */
export const tesType: DistributorType<TesConfig> = {
  type: 'tes',
  modes: ['unattended'],
  configSchema: tesConfigSchema,
  maxStatuses: 2000,
  create: createTesDistributor,
};

function createTesDistributor(config: TesConfig, services: Services): Distributor {
  const { clock } = services;
  const { endpoint, taskPage = `${endpoint}/tasks/{id}?view=FULL` } = config;
  const tasks = createTasks(createRest({ services, endpoint, authorization: authorizationOf(config, services) }));

  /** The first look shows so much as `view`; where the end needs to be explained, there is a second. */
  async function ask(id: Token, view: View): Promise<TaskStatus> {
    if (!isTaskId(id)) throw new Error('this is not the id of a TES task');
    const task = await tasks.read(id, view);
    const needed = viewOf(task.state);
    return statusOf(showsMore(needed, view) ? await tasks.read(id, needed) : task);
  }

  /** Servers refuse in many ways to cancel what has ended: 400, 404, 409, and Funnel 500. */
  async function stop(id: Token): Promise<void> {
    try {
      await tasks.cancel(id);
    } catch (refusal) {
      if (isCredentialError(refusal) || !(await isGone(id))) throw refusal;
    }
  }

  async function isGone(id: Token): Promise<boolean> {
    try {
      return isEnded(await tasks.read(id, 'MINIMAL'));
    } catch (error) {
      return !isTransient(error) && !isCredentialError(error);
    }
  }

  return {
    async run(description) {
      const task = taskOf(description, config);
      const [oldest, ...others] = await findTasks(executionName(description.executionId), tasks, clock);
      // Two, since a server took a start for itself after we had given it up.
      await Promise.all(others.map(stop));
      return { token: oldest ?? (await tasks.create(task)) };
    },

    async cancel({ executionId, token }) {
      const found = token === undefined ? await findTasks(executionName(executionId), tasks, clock) : [token];
      await Promise.all(found.filter(isTaskId).map(stop));
    },

    getStatus: ({ token }) => ask(token, 'MINIMAL'),

    getStatuses: handles =>
      askMany(
        handles.map(({ token }) => token),
        { tasks, clock, ask: id => ask(id, 'BASIC') },
      ),

    infoUrl: token => (isTaskId(token) ? taskPage.replaceAll('{id}', () => encodeURIComponent(token)) : undefined),

    handleNotification: async () => undefined,

    handleTaskQueueTask: async () => [],

    validate: quest => void readParameters(quest),
  };
}

/** What a state's result needs: exit codes and outputs; after a failure also the logs. */
function viewOf(state: string): View {
  if (openStatus(state) !== undefined || state === 'UNKNOWN') return 'MINIMAL';
  return state === 'COMPLETE' ? 'BASIC' : 'FULL';
}

/**
 * The secret may change at any time. One that is missing, or that cannot be sent, is as if the server had refused it: that says
 * nothing of the jobs.
 */
function authorizationOf({ authorization }: TesConfig, services: Services): () => Promise<string | undefined> {
  return async () => {
    if (authorization === undefined) return undefined;
    const value = secretOf(authorization, services).trim();
    if (!/^[ -~]+$/.test(value))
      throw new HttpStatusError(`the secret ${authorization} is no Authorization header`, 401);
    return value;
  };
}

function secretOf(reference: string, services: Services): string {
  try {
    return services.secret(reference);
  } catch (error) {
    throw new HttpStatusError(messageOf(error), 401);
  }
}
