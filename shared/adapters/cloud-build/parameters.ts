import { z } from 'zod';
import { durationSchema, parseDuration } from '../../core/duration.ts';
import { InvalidArgument } from '../../core/errors.ts';
import type { QuestDesc } from '../../core/quest.ts';
import { parseWith } from '../../core/validation.ts';
import type { CloudBuildConfig } from './config.ts';
import { parametersVariable, timeoutSeconds } from './request.ts';
import { sourceSchema } from './source.ts';

/** Limits of https://cloud.google.com/build/docs/build-config-file-schema. */
const MAX_STEPS = 300;
const MAX_ARGUMENTS = 100;
const MAX_ARGUMENT_CHARACTERS = 10_000;
/** Limits of https://cloud.google.com/build/docs/configuring-builds/substitute-variable-values. */
const MAX_SUBSTITUTIONS = 200;
const MAX_KEY_CHARACTERS = 100;
const MAX_VALUE_BYTES = 4000;

/** One container after the other, by the names of cloudbuild.yaml. */
const stepSchema = z
  .strictObject({
    /** The image. */
    name: z.string().min(1),
    entrypoint: z.string().min(1).optional(),
    args: z.array(z.string().max(MAX_ARGUMENT_CHARACTERS)).max(MAX_ARGUMENTS).optional(),
    env: z.array(z.string().regex(/^[^=\s]+=/, 'must be "KEY=VALUE"')).optional(),
    dir: z.string().min(1).optional(),
    script: z.string().min(1).optional(),
    id: z.string().min(1).optional(),
    waitFor: z.array(z.string().min(1)).optional(),
    timeout: durationSchema.refine(text => parseDuration(text) > 0, 'must be more than zero').optional(),
    allowFailure: z.boolean().optional(),
    allowExitCodes: z.array(z.int().min(0).max(255)).optional(),
  })
  .refine(({ script, entrypoint, args }) => script === undefined || (entrypoint ?? args) === undefined, {
    path: ['script'],
    message: 'must not be given together with entrypoint or args',
  });

type Step = z.infer<typeof stepSchema>;

function checkOrder(steps: readonly Step[], context: z.RefinementCtx): void {
  const ids = new Set<string>();
  for (const [i, { id }] of steps.entries()) {
    if (id === undefined) continue;
    if (ids.has(id)) context.addIssue({ code: 'custom', path: [i, 'id'], message: `"${id}" is another step's, too` });
    ids.add(id);
  }
  // "-" is the API's word for: at once.
  for (const [i, { id, waitFor = [] }] of steps.entries())
    for (const [j, other] of waitFor.entries())
      if (other !== '-' && (!ids.has(other) || other === id))
        context.addIssue({ code: 'custom', path: [i, 'waitFor', j], message: `no other step has the id "${other}"` });
}

const parametersSchema = z.strictObject({
  steps: z.array(stepSchema).min(1).max(MAX_STEPS).superRefine(checkOrder),
  source: sourceSchema.optional(),
  substitutions: z
    .record(
      z
        .string()
        .max(MAX_KEY_CHARACTERS)
        .regex(/^_[A-Z0-9_]+$/, 'must begin with "_" and hold only A-Z, 0-9 and "_"'),
      z.string().refine(text => Buffer.byteLength(text) <= MAX_VALUE_BYTES, `must be at most ${MAX_VALUE_BYTES} bytes`),
    )
    .refine(
      substitutions => Object.keys(substitutions).length <= MAX_SUBSTITUTIONS,
      `must be at most ${MAX_SUBSTITUTIONS} of them`,
    )
    .optional(),
  /** Pushed when all steps have succeeded. */
  images: z.array(z.string().min(1)).optional(),
  artifacts: z
    .strictObject({
      objects: z.strictObject({
        location: z.string().regex(/^gs:\/\/[^/]+/, 'must be "gs://BUCKET/PATH"'),
        paths: z.array(z.string().min(1)).min(1),
      }),
    })
    .optional(),
  machineType: z.string().optional(),
});

export type BuildParameters = z.infer<typeof parametersSchema>;

/** Returns the reader of a quest's distributor parameters. It throws InvalidArgument naming the field. */
export function parametersReader(config: CloudBuildConfig): (quest: QuestDesc) => BuildParameters {
  const { project, serviceAccounts = [], machineTypes = [] } = config;
  return quest => {
    const parameters = parseWith(parametersSchema, quest.distributorParameters, 'distributorParameters');
    const { steps, source, machineType } = parameters;
    const refuse = (field: string, problem: string): never => {
      throw new InvalidArgument(field, problem);
    };

    const { asAccount } = quest.meta;
    if (asAccount !== undefined && !serviceAccounts.includes(asAccount))
      refuse('meta.asAccount', `"${asAccount}" is not among the distributor's serviceAccounts`);
    if (machineType !== undefined && !machineTypes.includes(machineType))
      refuse('distributorParameters.machineType', `"${machineType}" is not among the distributor's machineTypes`);
    const repository = source?.connectedRepository?.repository;
    if (repository !== undefined && repository.split('/')[1] !== project)
      refuse('distributorParameters.source.connectedRepository.repository', `must be in the project "${project}"`);

    const timeout = timeoutSeconds(quest, config);
    for (const [i, step] of steps.entries())
      if (step.timeout !== undefined && parseDuration(step.timeout) > timeout * 1000)
        refuse(`distributorParameters.steps[${i}].timeout`, `must be at most the time-out of the build, "${timeout}s"`);
    // It has a size limit.
    parametersVariable(quest);
    return parameters;
  };
}
