import { optionalDuration } from '../../core/quest.ts';
import type { JsonObject } from '../../core/json.ts';
import type { TaskDescription } from '../contract.ts';
import { EXECUTION_VARIABLE, PARAMETERS_VARIABLE } from '../job-environment.ts';
import { limitSeconds } from '../timeouts.ts';
import type { CloudRunJobConfig } from './config.ts';
import type { JobParameters } from './parameters.ts';

/** How long a task may take: https://docs.cloud.google.com/run/quotas */
const MAX_TASK_SECONDS = 168 * 60 * 60;

/** The body of `run`: a google.cloud.run.v2.RunJobRequest. */
export function runOf(
  { executionId, quest }: Pick<TaskDescription, 'executionId' | 'quest'>,
  { container, args, env, taskCount, questParameters }: JobParameters,
  { timeouts }: CloudRunJobConfig,
): JsonObject {
  // Where nobody says, the job's own limit stands. "0s" is unlimited, and Cloud Run's longest is as near as it gets.
  const runMs = optionalDuration(quest.meta.timeouts?.run ?? timeouts?.run);
  const variables = { ...env, [EXECUTION_VARIABLE]: executionId, [PARAMETERS_VARIABLE]: questParameters };
  return {
    overrides: {
      containerOverrides: [
        {
          ...(container !== undefined && { name: container }),
          ...(args !== undefined && (args.length > 0 ? { args } : { clearArgs: true })),
          env: Object.entries(variables).map(([name, value]) => ({ name, value })),
        },
      ],
      ...(taskCount !== undefined && { taskCount }),
      ...(runMs !== undefined && { timeout: `${limitSeconds(runMs, MAX_TASK_SECONDS)}s` }),
    },
  };
}
