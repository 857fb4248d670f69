import { z } from 'zod';
import { isTransientHttpStatus, TransientError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Services } from '../contract.ts';
import { HttpStatusError } from '../http-answer.ts';
import { orGone } from '../job-calls.ts';
import { AnswerTooLarge, asOurselves, createRest } from '../rest.ts';
import { decodePrpc, grpcCode } from './prpc.ts';
import { isTaskId, type TaskResult, taskResultSchema } from './status.ts';

/** The calls that we make: https://github.com/luci/luci-go/blob/main/swarming/proto/api_v2/swarming_service.proto */
export interface Swarming {
  /** The task may be there already. Its result is what could be read of it. */
  newTask(
    body: JsonObject,
    secrets: readonly string[],
  ): Promise<{ taskId: string; taskResult?: TaskResult | undefined }>;
  /** Tasks that have all these tags, the newest first. */
  list(tags: readonly string[]): Promise<TaskResult[]>;
  result(taskId: string): Promise<TaskResult>;
  /** Those that the answer tells of, by their ids: an error is what `result` would have rejected with. */
  results(taskIds: readonly string[]): Promise<Map<string, TaskResult | Error>>;
  /** Succeeds when the task has ended or is gone. */
  cancel(taskId: string): Promise<void>;
}

/** All that LUCI's servers ask for: https://pkg.go.dev/go.chromium.org/luci/auth/scopes */
const SCOPE = 'https://www.googleapis.com/auth/userinfo.email';

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

export function createSwarming(endpoint: string, services: Services): Swarming {
  const rest = createRest({ services, endpoint, authorization: asOurselves(services, SCOPE), decode: decodePrpc });

  function call<T>(
    method: string,
    body: JsonObject,
    schema: z.ZodType<T>,
    secrets: readonly string[] = [],
  ): Promise<T> {
    return rest.call({ method: 'POST', path: `/prpc/swarming.v2.Tasks/${method}`, body, secrets }, schema);
  }

  async function batch(taskIds: readonly string[]): Promise<z.infer<typeof batchSchema>['results']> {
    if (taskIds.length === 0) return [];
    try {
      return (await call('BatchGetResult', { taskIds: [...taskIds] }, batchSchema)).results;
    } catch (error) {
      if (!(error instanceof AnswerTooLarge) || taskIds.length === 1) throw error;
      const half = Math.ceil(taskIds.length / 2);
      return [...(await batch(taskIds.slice(0, half))), ...(await batch(taskIds.slice(half)))];
    }
  }

  return {
    newTask: (body, secrets) => call('NewTask', body, newTaskSchema, secrets),

    list: async tags =>
      (await call('ListTasks', { tags: [...tags], state: 'QUERY_ALL', limit: 100 }, listSchema)).items,

    result: taskId => call('GetResult', { taskId }, taskResultSchema),

    async results(taskIds) {
      const told = await batch(taskIds);
      return new Map(
        told.flatMap(({ taskId, result, error }) => {
          const outcome = result ?? (error && errorOfTask(taskId, error));
          return outcome === undefined ? [] : [[taskId, outcome] as const];
        }),
      );
    },

    // `canceled: false` is said of a task that has ended, and of one that is being killed already.
    cancel: async taskId => void (await call('CancelTask', { taskId, killRunning: true }, z.object({})).catch(orGone)),
  };
}

function errorOfTask(taskId: string, { code, message }: { code: number; message: string }): Error {
  const [name, status] = grpcCode(code);
  const text = `task ${taskId}: ${message} (${name})`;
  return status >= 400 && !isTransientHttpStatus(status)
    ? new HttpStatusError(text, status, name)
    : new TransientError(text);
}
