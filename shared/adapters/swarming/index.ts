import { z } from 'zod';
import { isTransientHttpStatus, TransientError } from '../../core/errors.ts';
import type { ExecutionId } from '../../core/ids.ts';
import { isJsonObject, type JsonObject, parseJson } from '../../core/json.ts';
import type { QuestDesc } from '../../core/quest.ts';
import type { Distributor, DistributorType, RunOutcome, Services, TaskDescription } from '../contract.ts';
import { HttpStatusError } from '../http-answer.ts';
import { AnswerTooLarge, asOurselves, createRest } from '../rest.ts';
import { timeoutsMs } from '../timeouts.ts';
import { type SwarmingConfig, swarmingConfigSchema } from './config.ts';
import { parametersReader } from './parameters.ts';
import { decodePrpc, grpcCode } from './prpc.ts';
import { executionTag, newTask } from './request.ts';
import { isTaskId, statusOf, type TaskResult, taskResultSchema } from './status.ts';

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

/** All that LUCI's servers ask for: https://pkg.go.dev/go.chromium.org/luci/auth/scopes */
const SCOPE = 'https://www.googleapis.com/auth/userinfo.email';

/**
 * For how long Swarming knows a request_uuid: ExpireAt of TaskRequestID, written in one transaction with the task
 * (https://github.com/luci/luci-go/blob/main/swarming/server/tasks/create.go). A day less, as clocks differ.
 */
const REQUEST_UUID_MS = 6 * 24 * 60 * 60_000;

const newTaskSchema = z.object({
  taskId: z.string().refine(isTaskId, 'is not the id of a task'),
  /** What cannot be read of it is no reason to start the task again. */
  taskResult: taskResultSchema.optional().catch(undefined),
});
const listSchema = z.object({ items: z.array(taskResultSchema).default([]) });
const batchSchema = z.object({
  results: z.array(
    z.object({
      taskId: z.string(),
      /** One that cannot be read concerns no other. */
      result: taskResultSchema.optional().catch(undefined),
      error: z
        .object({ code: z.int().default(0), message: z.string().default('') })
        .optional()
        .catch(undefined),
    }),
  ),
});

function createSwarmingDistributor(config: SwarmingConfig, services: Services): Distributor {
  const { endpoint } = config;
  const authorization = asOurselves(services, SCOPE);
  const rest = createRest({ services, endpoint, authorization, decode: decodePrpc });
  const parametersOf = parametersReader(config);

  function call<T>(
    method: string,
    body: JsonObject,
    schema: z.ZodType<T>,
    secrets: readonly string[] = [],
  ): Promise<T> {
    return rest.call({ method: 'POST', path: `/prpc/swarming.v2.Tasks/${method}`, body, secrets }, schema);
  }

  /** Tasks of an execution, the newest first. */
  async function find(executionId: ExecutionId, quest: QuestDesc): Promise<TaskResult[]> {
    // Without a pool, only who may list all the server's tasks may list any.
    const tags = [`pool:${parametersOf(quest).pool}`, executionTag(executionId)];
    return (await call('ListTasks', { tags, state: 'QUERY_ALL', limit: 100 }, listSchema)).items;
  }

  /** Of several, which is one too many, always the same. */
  async function findStarted({ executionId, quest }: TaskDescription): Promise<RunOutcome | undefined> {
    const oldest = (await find(executionId, quest)).at(-1);
    return oldest && { token: oldest.taskId, status: statusOf(oldest) };
  }

  async function startTask(task: TaskDescription): Promise<RunOutcome> {
    const { body, secrets } = newTask(task, parametersOf(task.quest), config);
    try {
      const { taskId, taskResult } = await call('NewTask', body, newTaskSchema, secrets);
      return { token: taskId, ...(taskResult && { status: statusOf(taskResult) }) };
    } catch (error) {
      if (!(error instanceof HttpStatusError)) throw error;
      // Swarming validates before it deduplicates: what is refused now may have been accepted before, and the answer lost.
      const known = await findStarted(task);
      if (known === undefined) throw error;
      return known;
    }
  }

  async function cancelTask(taskId: string): Promise<void> {
    try {
      // `canceled: false` is said of a task that has ended, and of one that is being killed already.
      await call('CancelTask', { taskId, killRunning: true }, z.object({}));
    } catch (error) {
      if (!(error instanceof HttpStatusError && error.status === 404)) throw error;
    }
  }

  async function resultsOf(taskIds: readonly string[]): Promise<z.infer<typeof batchSchema>['results']> {
    if (taskIds.length === 0) return [];
    try {
      return (await call('BatchGetResult', { taskIds: [...taskIds] }, batchSchema)).results;
    } catch (error) {
      if (!(error instanceof AnswerTooLarge) || taskIds.length === 1) throw error;
      const half = Math.ceil(taskIds.length / 2);
      return [...(await resultsOf(taskIds.slice(0, half))), ...(await resultsOf(taskIds.slice(half)))];
    }
  }

  return {
    async run(task) {
      const { start } = timeoutsMs(task.quest, config);
      const known = start === 0 || start > REQUEST_UUID_MS ? await findStarted(task) : undefined;
      return known ?? startTask(task);
    },

    async cancel({ executionId, token }, quest) {
      const taskIds = token === undefined ? (await find(executionId, quest)).map(({ taskId }) => taskId) : [token];
      for (const taskId of taskIds.filter(isTaskId)) await cancelTask(taskId);
    },

    async getStatus({ token }) {
      if (!isTaskId(token)) throw notATask(token);
      return statusOf(await call('GetResult', { taskId: token }, taskResultSchema));
    },

    async getStatuses(handles) {
      const tokens = new Set(handles.map(({ token }) => token));
      const results = await resultsOf([...tokens].filter(isTaskId));
      const outcomes = new Map(results.map(({ taskId, result, error }) => [taskId, result ?? error]));
      return handles.map(({ token }) => {
        const outcome = outcomes.get(token);
        if (outcome === undefined)
          return isTaskId(token)
            ? new TransientError(`Swarming says nothing of task ${token} that can be read`)
            : notATask(token);
        return 'state' in outcome ? statusOf(outcome) : errorOfTask(token, outcome);
      });
    },

    infoUrl: token => (isTaskId(token) ? `${endpoint}/task?id=${token}` : undefined),

    async handleNotification({ executionId, data }) {
      const taskId = taskIdOf(data);
      if (taskId === undefined) return undefined;
      const result = await call('GetResult', { taskId }, taskResultSchema);
      // The message could name any task; only ours has our tag.
      return result.tags?.includes(executionTag(executionId)) ? statusOf(result) : undefined;
    },

    handleTaskQueueTask: async () => [],

    validate: quest => void parametersOf(quest),
  };
}

function notATask(token: string): Error {
  return new Error(`"${token.slice(0, 50)}" is not the id of a Swarming task`);
}

/** What the same task's GetResult would have thrown. */
function errorOfTask(taskId: string, { code, message }: { code: number; message: string }): Error {
  const [name, status] = grpcCode(code);
  const text = `task ${taskId}: ${message} (${name})`;
  return status >= 400 && !isTransientHttpStatus(status)
    ? new HttpStatusError(text, status, name)
    : new TransientError(text);
}

/** `{"task_id", "userdata"}`, as PubSubNotification of luci-go's swarming/server/notifications has it. */
function taskIdOf(data: string): string | undefined {
  const message = parseJson(data);
  const taskId = isJsonObject(message) ? message.task_id : undefined;
  // A run's id differs from its task's in the last digit.
  const whole = typeof taskId === 'string' ? `${taskId.slice(0, -1)}0` : '';
  return isTaskId(whole) ? whole : undefined;
}
