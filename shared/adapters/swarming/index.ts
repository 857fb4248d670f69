import { TransientError } from '../../core/errors.ts';
import type { ExecutionId } from '../../core/ids.ts';
import { isJsonObject, parseJson } from '../../core/json.ts';
import type { QuestDesc } from '../../core/quest.ts';
import type { Distributor, DistributorType, RunOutcome, Services, TaskDescription } from '../contract.ts';
import { searched, unlessStarted } from '../job-calls.ts';
import { timeoutsMs } from '../timeouts.ts';
import { type SwarmingConfig, swarmingConfigSchema } from './config.ts';
import { parametersOf } from './parameters.ts';
import { executionTag, newTaskOf } from './request.ts';
import { createSwarming } from './service.ts';
import { isTaskId, statusOf, type TaskResult } from './status.ts';

/**
 * Tasks of a LUCI Swarming server (v2 of its API). The server publishes every change of a task's state to our topic, with the
 * execution's auth token. The token is the task's id.
 */
export const swarmingType: DistributorType<SwarmingConfig> = {
  type: 'swarming',
  modes: ['unattended', 'interactive'],
  configSchema: swarmingConfigSchema,
  // BatchGetResult takes 1000, but a result tells all of its bot's dimensions, and an answer that is too large is no answer.
  maxStatuses: 200,
  create: createSwarmingDistributor,
};

/**
 * For how long Swarming knows a request_uuid: ExpireAt of TaskRequestID, written in one transaction with the task
 * (https://github.com/luci/luci-go/blob/main/swarming/server/tasks/create.go). A day less, as clocks differ.
 */
const REQUEST_UUID_MS = 6 * 24 * 60 * 60_000;

function createSwarmingDistributor(config: SwarmingConfig, services: Services): Distributor {
  const { endpoint } = config;
  const swarming = createSwarming(endpoint, services);

  /** Tasks of an execution, the newest first. */
  async function find(executionId: ExecutionId, quest: QuestDesc): Promise<TaskResult[]> {
    // Without a pool, only who may list all the server's tasks may list any.
    return searched(swarming.list([`pool:${parametersOf(quest, config).pool}`, executionTag(executionId)]));
  }

  /** Of several, which is one too many, always the same. */
  async function findStarted({ executionId, quest }: TaskDescription): Promise<RunOutcome | undefined> {
    const oldest = (await find(executionId, quest)).at(-1);
    return oldest && { token: oldest.taskId, status: statusOf(oldest) };
  }

  async function start(task: TaskDescription): Promise<RunOutcome> {
    const { body, secrets } = newTaskOf(task, parametersOf(task.quest, config), config);
    const { taskId, taskResult } = await swarming.newTask(body, secrets);
    return { token: taskId, ...(taskResult && { status: statusOf(taskResult) }) };
  }

  return {
    async run(task) {
      const startMs = timeoutsMs(task.quest, config).start;
      const known = startMs === 0 || startMs > REQUEST_UUID_MS ? await findStarted(task) : undefined;
      // Swarming validates before it looks at the request_uuid.
      return known ?? start(task).catch(unlessStarted(() => findStarted(task)));
    },

    async cancel({ executionId, token }, quest) {
      const taskIds = token === undefined ? (await find(executionId, quest)).map(({ taskId }) => taskId) : [token];
      await Promise.all(taskIds.filter(isTaskId).map(swarming.cancel));
    },

    async getStatus({ token }) {
      if (!isTaskId(token)) throw notATask(token);
      return statusOf(await swarming.result(token));
    },

    async getStatuses(handles) {
      const tokens = new Set(handles.map(({ token }) => token));
      const results = await swarming.results([...tokens].filter(isTaskId));
      return handles.map(({ token }) => {
        if (!isTaskId(token)) return notATask(token);
        const result =
          results.get(token) ?? new TransientError(`Swarming says nothing of task ${token} that can be read`);
        return result instanceof Error ? result : statusOf(result);
      });
    },

    async handleNotification({ executionId, data }) {
      const taskId = taskIdOf(data);
      if (taskId === undefined) return undefined;
      const result = await swarming.result(taskId);
      // The message could name any task; only ours has our tag.
      return result.tags?.includes(executionTag(executionId)) ? statusOf(result) : undefined;
    },

    infoUrl: token => (isTaskId(token) ? `${endpoint}/task?id=${token}` : undefined),

    handleTaskQueueTask: async () => [],

    validate: quest => void parametersOf(quest, config),
  };
}

function notATask(token: string): Error {
  return new Error(`"${token.slice(0, 50)}" is not the id of a Swarming task`);
}

/** `{"task_id", "userdata"}`, as PubSubNotification of luci-go's swarming/server/notifications has it. */
function taskIdOf(data: string): string | undefined {
  const message = parseJson(data);
  const taskId = isJsonObject(message) ? message.task_id : undefined;
  // A run's id differs from its task's in the last digit.
  const whole = typeof taskId === 'string' ? `${taskId.slice(0, -1)}0` : '';
  return isTaskId(whole) ? whole : undefined;
}
