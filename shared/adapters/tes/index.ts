import type { Token } from '../../core/execution.ts';
import type { TaskStatus } from '../../core/result.ts';
import type { Distributor, DistributorType, Services } from '../contract.ts';
import { startWindow } from '../job-calls.ts';
import { type TesConfig, tesConfigSchema } from './config.ts';
import { findTasks } from './find.ts';
import { askMany } from './many.ts';
import { parametersOf } from './parameters.ts';
import { taskOf } from './request.ts';
import { createTes, isTaskId, showsMore, type View } from './service.ts';
import { openStatus, statusOf } from './status.ts';

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
  const tes = createTes(config, services);

  /** The first look shows so much as `view`; where the end needs to be explained, there is a second. */
  async function ask(id: Token, view: View): Promise<TaskStatus> {
    if (!isTaskId(id)) throw new Error('this is not the id of a TES task');
    const task = await tes.read(id, view);
    const needed = viewOf(task.state);
    return statusOf(showsMore(needed, view) ? await tes.read(id, needed) : task);
  }

  return {
    async run(description) {
      const window = startWindow(clock);
      const task = taskOf(description, parametersOf(description.quest), config);
      const [known, ...duplicates] = await findTasks(description.executionId, tes, window);
      // Two, since a server took a start for itself after we had given it up.
      await Promise.all(duplicates.map(tes.cancel));
      if (known === undefined) window.check();
      return { token: known ?? (await tes.create(task)) };
    },

    async cancel({ executionId, token }) {
      const ids = token === undefined ? await findTasks(executionId, tes, startWindow(clock)) : [token];
      await Promise.all(ids.filter(isTaskId).map(tes.cancel));
    },

    getStatus: ({ token }) => ask(token, 'MINIMAL'),

    getStatuses: handles =>
      askMany(
        handles.map(({ token }) => token),
        { tes, clock, ask: id => ask(id, 'BASIC') },
      ),

    infoUrl: token => (isTaskId(token) ? taskPage.replaceAll('{id}', () => encodeURIComponent(token)) : undefined),

    handleNotification: async () => undefined,

    handleTaskQueueTask: async () => [],

    validate: quest => void parametersOf(quest),
  };
}

/** What a state's result needs: exit codes and outputs; after a failure also the logs. */
function viewOf(state: string): View {
  if (openStatus(state) !== undefined || state === 'UNKNOWN') return 'MINIMAL';
  return state === 'COMPLETE' ? 'BASIC' : 'FULL';
}
