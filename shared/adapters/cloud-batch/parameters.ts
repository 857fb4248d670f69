import { z } from 'zod';
import { InvalidArgument } from '../../core/errors.ts';
import type { QuestDesc } from '../../core/quest.ts';
import { parseWith } from '../../core/validation.ts';
import { EXECUTION_VARIABLE, PARAMETERS_VARIABLE, parametersJson, plainText } from '../job-environment.ts';
import { type CloudBatchConfig, machineTypeSchema } from './config.ts';

/**
 * Linux takes no longer argument or variable (MAX_ARG_STRLEN, https://man7.org/linux/man-pages/man2/execve.2.html), its end
 * included. With that, and as distributor parameters have at most 256 KiB, no job comes near the 1 MB that Batch takes.
 */
const MAX_ARGUMENT_BYTES = 128 * 1024 - 1;

/** https://docs.cloud.google.com/batch/quotas */
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
    env: z.record(z.string(), argument).default({}),
    /** Variables whose values the VM reads from Secret Manager, as the job's service account. */
    secretEnv: z.record(z.string(), secretVersion).default({}),
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
      const problem = variableProblem(name) ?? sizeProblem(`${name}=${value}`);
      if (problem !== undefined) refuse(problem, 'env', name);
    }
    for (const name of Object.keys(secretEnv)) {
      const problem = Object.hasOwn(env, name) ? 'is set by env' : variableProblem(name);
      if (problem !== undefined) refuse(problem, 'secretEnv', name);
    }
  });

export type JobParameters = z.infer<typeof jobSchema> & {
  serviceAccount: string;
  network: CloudBatchConfig['networks'][number] | undefined;
  /** The value of `QUEST_PARAMETERS`. */
  parametersJson: string;
};

function variableProblem(name: string): string | undefined {
  if (name === EXECUTION_VARIABLE || name === PARAMETERS_VARIABLE) return 'is set by the distributor';
  // https://docs.cloud.google.com/batch/docs/create-run-job-environment-variables
  if (name.startsWith('BATCH_')) return 'is set by Batch';
  return /^[A-Za-z_]\w{0,255}$/.test(name) ? undefined : 'is not the name of an environment variable';
}

/** What the quest asks for, with the distributor's defaults. Throws InvalidArgument naming the field. */
export function parametersOf(quest: QuestDesc, config: CloudBatchConfig): JobParameters {
  const { distributorParameters, meta } = quest;
  const parameters = parseWith(jobSchema, distributorParameters, 'distributorParameters');
  const { networks, machineTypes, serviceAccounts } = config;
  const subnetworks = networks.map(({ subnetwork }) => subnetwork);
  checkAllowed(meta.asAccount, serviceAccounts, 'meta.asAccount');
  checkAllowed(parameters.subnetwork, subnetworks, 'distributorParameters.subnetwork');
  checkAllowed(parameters.machineType, machineTypes, 'distributorParameters.machineType');
  const { subnetwork = subnetworks[0], machineType = machineTypes?.[0] } = parameters;
  return {
    ...parameters,
    machineType,
    network: networks.find(network => network.subnetwork === subnetwork),
    serviceAccount: meta.asAccount ?? serviceAccounts[0],
    parametersJson: parametersJson(quest, MAX_ARGUMENT_BYTES - `${PARAMETERS_VARIABLE}=`.length),
  };
}

/** `allowed` is undefined where the distributor does not restrict it. */
function checkAllowed(asked: string | undefined, allowed: readonly string[] | undefined, field: string): void {
  if (asked === undefined || allowed === undefined || allowed.includes(asked)) return;
  const problem = allowed.length === 0 ? 'the distributor allows none' : `must be one of ${allowed.join(', ')}`;
  throw new InvalidArgument(field, problem);
}
