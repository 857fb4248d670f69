import type { JsonObject } from '../../core/json.ts';
import type { TaskDescription } from '../contract.ts';
import { executionName } from '../execution-name.ts';
import { PARAMETERS_VARIABLE } from '../job-environment.ts';
import { EXECUTION_TAG, type TesConfig } from './config.ts';
import type { TaskParameters } from './parameters.ts';

/** The tesTask that is created for an execution; the same execution has the same bytes. */
export function taskOf(
  { executionId }: Pick<TaskDescription, 'executionId'>,
  { questParameters, ...task }: TaskParameters,
  { tags, backendParameters, backendParametersStrict }: TesConfig,
): JsonObject {
  const name = executionName(executionId);
  const resources = {
    ...task.resources,
    ...(backendParameters && { backend_parameters: backendParameters }),
    ...(backendParametersStrict !== undefined && { backend_parameters_strict: backendParametersStrict }),
  };
  return {
    ...task,
    name,
    description: `execution ${executionId}`,
    tags: { ...tags, [EXECUTION_TAG]: name },
    executors: task.executors.map(executor => ({
      ...executor,
      env: { ...executor.env, [PARAMETERS_VARIABLE]: questParameters },
    })),
    ...(Object.keys(resources).length > 0 && { resources }),
  } as JsonObject;
}
