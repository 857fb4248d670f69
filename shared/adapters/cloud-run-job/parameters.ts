import { z } from 'zod';
import { parseDuration } from '../../core/duration.ts';
import { InvalidArgument } from '../../core/errors.ts';
import type { ExecutionId } from '../../core/ids.ts';
import type { JsonObject } from '../../core/json.ts';
import type { QuestDesc } from '../../core/quest.ts';
import { parseWith } from '../../core/validation.ts';
import { nameLike } from '../google-config.ts';
import { EXECUTION_VARIABLE, PARAMETERS_VARIABLE, parametersJson, plainText, recordOf } from '../job-environment.ts';
import { limitSeconds } from '../timeouts.ts';
import type { CloudRunJobConfig } from './config.ts';

/** Of the value of one variable (google.cloud.run.v2.EnvVar); what a quest overrides altogether is held to the same. */
const MAX_ENV_BYTES = 32 * 1024;
/** https://docs.cloud.google.com/run/quotas: tasks of an execution, and how long one may take. */
const MAX_TASKS = 10_000;
const MAX_TASK_SECONDS = 168 * 60 * 60;

/** Names that Cloud Run or we set: https://docs.cloud.google.com/run/docs/container-contract#jobs-env-vars */
const RESERVED_VARIABLE = /^(CLOUD_RUN_|X_GOOGLE_|(DISTRIBUTOR_EXECUTION|QUEST_PARAMETERS|PORT)$)/;

/** What a quest says of its job; everything else is as the job is configured. */
interface JobParameters {
  /** One of the distributor's `jobs`. */
  job: string;
  /** Which of the job's containers the overrides are for, where it has several. */
  container?: string | undefined;
  /** In place of the job's own arguments; `[]` takes them away. */
  args?: string[] | undefined;
  /** Beside the job's own variables. They show in audit logs: no secrets. */
  env: Record<string, string>;
  taskCount?: number | undefined;
}

function problemOfVariable(name: string): string | undefined {
  if (!/^[A-Za-z_]\w{0,255}$/.test(name)) return 'must be a name of letters, digits and underscores';
  return RESERVED_VARIABLE.test(name) ? 'is set by Cloud Run or by the distributor' : undefined;
}

/** A quest's job and the body of `run` (google.cloud.run.v2.RunJobRequest) but for the execution. */
export interface JobRequest {
  job: string;
  bodyFor(executionId: ExecutionId): JsonObject;
}

/** Returns the reader of a quest. It throws InvalidArgument naming the field. */
export function requestReader({ jobs, timeouts }: CloudRunJobConfig): (quest: QuestDesc) => JobRequest {
  const schema: z.ZodType<JobParameters> = z
    .strictObject({
      job: z.enum(jobs as [string, ...string[]]),
      container: nameLike('must be the name of a container').optional(),
      args: z.array(plainText).max(1000).optional(),
      env: recordOf(plainText, problemOfVariable).default({}),
      taskCount: z.int().min(1).max(MAX_TASKS).optional(),
    })
    .superRefine(({ args = [], env }, context) => {
      const bytes = Buffer.byteLength([...args, ...Object.entries(env).flat()].join(''));
      const message = `args and env are ${bytes} bytes, more than ${MAX_ENV_BYTES}`;
      if (bytes > MAX_ENV_BYTES) context.addIssue({ code: 'custom', message });
    });

  return quest => {
    const { job, container, args, env, taskCount } = parseWith(
      schema,
      quest.distributorParameters,
      'distributorParameters',
    );
    if (quest.meta.asAccount !== undefined)
      throw new InvalidArgument(
        'meta.asAccount',
        'a Cloud Run job acts as the service account that it is configured with',
      );
    const parameters = parametersJson(quest, MAX_ENV_BYTES);
    const timeout = taskTimeout(quest.meta.timeouts?.run ?? timeouts?.run);

    return {
      job,
      bodyFor: executionId => ({
        overrides: {
          containerOverrides: [
            {
              ...(container !== undefined && { name: container }),
              ...(args !== undefined && (args.length > 0 ? { args } : { clearArgs: true })),
              env: [
                ...Object.entries(env).map(([name, value]) => ({ name, value })),
                { name: EXECUTION_VARIABLE, value: executionId },
                { name: PARAMETERS_VARIABLE, value: parameters },
              ],
            },
          ],
          ...(taskCount !== undefined && { taskCount }),
          ...(timeout !== undefined && { timeout }),
        },
      }),
    };
  };
}

/** Whole seconds of each task. `"0s"` is unlimited, and Cloud Run's longest is as near as it gets. */
function taskTimeout(runTimeout: string | undefined): string | undefined {
  if (runTimeout === undefined) return undefined;
  return `${limitSeconds(parseDuration(runTimeout), MAX_TASK_SECONDS)}s`;
}
