import { z } from 'zod';
import { durationSchema } from '../../core/duration.ts';
import { commonConfig } from '../contract.ts';
import { recordOf } from '../job-environment.ts';
import { endpointSchema } from '../rest.ts';

/** The tag by which a task is found by its execution; the value is the execution's name. */
export const EXECUTION_TAG = 'distributor_execution';

const nameProblem = (name: string) => (name === '' ? 'must have a name' : undefined);
const tagProblem = (name: string) => (name === EXECUTION_TAG ? 'is set by the distributor' : nameProblem(name));

export const tesConfigSchema = z.strictObject({
  ...commonConfig,
  /** Nothing but a poll tells the end, so tasks are asked about more often than others. */
  pollInterval: durationSchema.default('30s'),
  /** Where the API is, such as `https://tes.example.org/ga4gh/tes/v1`: `/tasks` is appended. */
  endpoint: endpointSchema,
  /** The secret that holds the whole value of the Authorization header: `Bearer …`, `Basic …`. */
  authorization: z
    .string()
    .regex(/^env:[A-Za-z_]\w*$/, 'is a secret: name it as "env:NAME"')
    .optional(),
  /** The page where people look at a task: `{id}` is filled in. The task in the API when absent. */
  taskPage: z
    .string()
    .regex(/^https?:\/\/[^\s/?#@{}]+\/\S*\{id\}\S*$/, 'must be an https URL with "{id}" in its path')
    .optional(),
  /** On every task. Some servers decide by tags who may see a task. */
  tags: recordOf(z.string(), tagProblem).default({}),
  /** The server's own settings of a task, such as a machine type; a quest cannot choose them. */
  backendParameters: recordOf(z.string(), nameProblem).optional(),
  /** Whether the server shall refuse tasks with backend parameters that it does not know. */
  backendParametersStrict: z.boolean().optional(),
});

export type TesConfig = z.infer<typeof tesConfigSchema>;
