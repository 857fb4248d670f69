import { z } from 'zod';
import { durationSchema, parseDuration } from '../../core/duration.ts';
import { InvalidArgument } from '../../core/errors.ts';
import type { QuestDesc } from '../../core/quest.ts';
import { parseWith } from '../../core/validation.ts';
import { chosen } from '../allow-list.ts';
import { parametersJson, recordOf } from '../job-environment.ts';
import { type CloudBuildConfig, timeoutSeconds } from './config.ts';
import { sourceSchema } from './source.ts';

/** Limits of https://cloud.google.com/build/docs/build-config-file-schema. */
const MAX_STEPS = 300;
const MAX_ARGUMENTS = 100;
const MAX_ARGUMENT_CHARACTERS = 10_000;
/** Half of what Linux takes as one variable (execve(2), MAX_ARG_STRLEN). */
const MAX_VARIABLE_BYTES = 64 * 1024;
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

function problemOfSubstitution(key: string): string | undefined {
  if (key.length > MAX_KEY_CHARACTERS) return `must have at most ${MAX_KEY_CHARACTERS} characters`;
  return /^_[A-Z0-9_]+$/.test(key) ? undefined : 'must begin with "_" and hold only A-Z, 0-9 and "_"';
}

const parametersSchema = z.strictObject({
  steps: z.array(stepSchema).min(1).max(MAX_STEPS).superRefine(checkOrder),
  source: sourceSchema.optional(),
  substitutions: recordOf(
    z.string().refine(text => Buffer.byteLength(text) <= MAX_VALUE_BYTES, `must be at most ${MAX_VALUE_BYTES} bytes`),
    problemOfSubstitution,
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

export type BuildParameters = z.infer<typeof parametersSchema> & {
  /** An email. */
  serviceAccount: string | undefined;
  /** The value of `QUEST_PARAMETERS`. A `$` would begin a substitution, where those are made; in JSON it can be written otherwise. */
  questParameters: string;
};

/** What the quest asks for, with the distributor's defaults. Throws InvalidArgument naming the field. */
export function parametersOf(quest: QuestDesc, config: CloudBuildConfig): BuildParameters {
  const { distributorParameters, meta } = quest;
  const { project, serviceAccounts, machineTypes } = config;
  const parameters = parseWith(parametersSchema, distributorParameters, 'distributorParameters');
  const { steps, source, machineType } = parameters;

  const repository = source?.connectedRepository?.repository;
  if (repository !== undefined && repository.split('/')[1] !== project)
    throw new InvalidArgument(
      'distributorParameters.source.connectedRepository.repository',
      `must be in the project "${project}"`,
    );
  const timeout = timeoutSeconds(quest, config);
  for (const [i, step] of steps.entries())
    if (step.timeout !== undefined && parseDuration(step.timeout) > timeout * 1000)
      throw new InvalidArgument(
        `distributorParameters.steps[${i}].timeout`,
        `must be at most the time-out of the build, "${timeout}s"`,
      );
  return {
    ...parameters,
    machineType: chosen('distributorParameters.machineType', machineType, machineTypes),
    serviceAccount: chosen('meta.asAccount', meta.asAccount, serviceAccounts),
    questParameters: parametersJson(quest, MAX_VARIABLE_BYTES, json => json.replaceAll('$', String.raw`\u0024`)),
  };
}
