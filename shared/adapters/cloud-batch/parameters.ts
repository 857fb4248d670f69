import { z } from 'zod';
import type { QuestDesc } from '../../core/quest.ts';
import { parseWith } from '../../core/validation.ts';
import { chosen } from '../allow-list.ts';
import {
  MAX_ARGUMENT_BYTES,
  PARAMETERS_VARIABLE,
  parametersJson,
  plainText,
  recordOf,
  variableProblem,
} from '../job-environment.ts';
import { type CloudBatchConfig, machineTypeSchema } from './config.ts';

/**
 * https://docs.cloud.google.com/batch/quotas. A job has at most 1 MB, too, which none comes near: distributor parameters have at
 * most 256 KiB.
 */
const MAX_TASKS = 100_000;
const MAX_PARALLEL_TASKS = 5000;

function sizeProblem(text: string): string | undefined {
  const bytes = Buffer.byteLength(text);
  return bytes > MAX_ARGUMENT_BYTES ? `is ${bytes} bytes, more than ${MAX_ARGUMENT_BYTES}` : undefined;
}

const argument = plainText.superRefine((text, context) => {
  const message = sizeProblem(text);
  if (message !== undefined) context.addIssue({ code: 'custom', message });
});
const secretVersion = z
  .string()
  .regex(/^projects\/[^/\s]+\/secrets\/[\w-]+\/versions\/[\w-]+$/, 'must be "projects/P/secrets/S/versions/V"');

/** https://docs.cloud.google.com/batch/docs/create-run-job-environment-variables */
const problemOfVariable = (name: string) => variableProblem(name, { reserved: /^BATCH_/ });

/** What a quest says of its job. Numbers are as google.cloud.batch.v1.ComputeResource and TaskGroup have them. */
const jobSchema = z
  .strictObject({
    /** A container, … */
    image: z
      .string()
      .regex(/^\S{1,1000}$/, 'must be the URI of a container image')
      .optional(),
    entrypoint: argument.optional(),
    commands: z.array(argument).optional(),
    /** … or a shell script, run by the VM itself. */
    script: argument.refine(text => text !== '', 'must not be empty').optional(),
    /** Shown to everybody who may see the job: no secrets. */
    env: recordOf(argument, problemOfVariable).default({}),
    /** Variables whose values the VM reads from Secret Manager, as the job's service account. */
    secretEnv: recordOf(secretVersion, problemOfVariable).default({}),
    /** Of each task. */
    cpuMilli: z.int().min(1).max(1_000_000).optional(),
    memoryMib: z.int().min(1).max(100_000_000).optional(),
    machineType: machineTypeSchema.optional(),
    provisioningModel: z.enum(['STANDARD', 'SPOT']).default('STANDARD'),
    bootDisk: z
      .strictObject({
        sizeGb: z.int().min(1).max(65_536).optional(),
        type: z
          .string()
          .regex(/^[a-z][a-z0-9-]{1,62}$/, 'must be a disk type such as "pd-ssd"')
          .optional(),
      })
      .optional(),
    installGpuDrivers: z.boolean().default(false),
    taskCount: z.int().min(1).max(MAX_TASKS).default(1),
    parallelism: z.int().min(1).max(MAX_PARALLEL_TASKS).optional(),
    subnetwork: z.string().optional(),
  })
  .superRefine(({ image, script, entrypoint, commands, env, secretEnv }, context) => {
    const refuse = (message: string, ...path: string[]) => context.addIssue({ code: 'custom', message, path });
    if (image === undefined && script === undefined) refuse('is missing: give an image or a script', 'image');
    if (image !== undefined && script !== undefined) refuse('excludes an image', 'script');
    if (image === undefined && entrypoint !== undefined) refuse('needs an image', 'entrypoint');
    if (image === undefined && commands !== undefined) refuse('needs an image', 'commands');
    for (const [name, value] of Object.entries(env)) {
      const problem = sizeProblem(`${name}=${value}`);
      if (problem !== undefined) refuse(problem, 'env', name);
      if (Object.hasOwn(secretEnv, name)) refuse('is set by env', 'secretEnv', name);
    }
  });

export type JobParameters = z.infer<typeof jobSchema> & {
  serviceAccount: string;
  network: CloudBatchConfig['networks'][number] | undefined;
  /** The value of `QUEST_PARAMETERS`. */
  questParameters: string;
};

/** What the quest asks for, with the distributor's defaults. Throws InvalidArgument naming the field. */
export function parametersOf(quest: QuestDesc, config: CloudBatchConfig): JobParameters {
  const { distributorParameters, meta } = quest;
  const parameters = parseWith(jobSchema, distributorParameters, 'distributorParameters');
  const { networks, machineTypes, serviceAccounts } = config;
  const subnetworks = networks.map(({ subnetwork }) => subnetwork);
  const subnetwork = chosen('distributorParameters.subnetwork', parameters.subnetwork, subnetworks);
  const { machineType } = parameters;
  return {
    ...parameters,
    // Where the config has no list, a quest may choose any.
    machineType:
      machineTypes === undefined ? machineType : chosen('distributorParameters.machineType', machineType, machineTypes),
    network: networks.find(network => network.subnetwork === subnetwork),
    serviceAccount: chosen('meta.asAccount', meta.asAccount, serviceAccounts),
    questParameters: parametersJson(quest, MAX_ARGUMENT_BYTES - `${PARAMETERS_VARIABLE}=`.length),
  };
}
