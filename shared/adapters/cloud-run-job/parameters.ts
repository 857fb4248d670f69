import { z } from 'zod';
import { InvalidArgument } from '../../core/errors.ts';
import type { QuestDesc } from '../../core/quest.ts';
import { parseWith } from '../../core/validation.ts';
import { chosen } from '../allow-list.ts';
import { nameLike } from '../google-config.ts';
import { parametersJson, plainText, recordOf, variableProblem } from '../job-environment.ts';
import type { CloudRunJobConfig } from './config.ts';

/** Of the value of one variable (google.cloud.run.v2.EnvVar); what a quest overrides altogether is held to the same. */
const MAX_ENV_BYTES = 32 * 1024;
/** https://docs.cloud.google.com/run/quotas */
const MAX_TASKS = 10_000;
/** https://docs.cloud.google.com/run/docs/container-contract#jobs-env-vars */
const RESERVED_VARIABLE = /^(CLOUD_RUN_|X_GOOGLE_|PORT$)/;

/** What a quest says of its job; everything else is as the job is configured. */
const jobSchema = z
  .strictObject({
    /** One of the distributor's `jobs`. */
    job: z.string(),
    /** Which of the job's containers the overrides are for, where it has several. */
    container: nameLike('must be the name of a container').optional(),
    /** In place of the job's own arguments; `[]` takes them away. */
    args: z.array(plainText).max(1000).optional(),
    /** Beside the job's own variables. They show in audit logs: no secrets. */
    env: recordOf(plainText, name => variableProblem(name, { reserved: RESERVED_VARIABLE })).default({}),
    taskCount: z.int().min(1).max(MAX_TASKS).optional(),
  })
  .superRefine(({ args = [], env }, context) => {
    const bytes = Buffer.byteLength([...args, ...Object.entries(env).flat()].join(''));
    const message = `args and env are ${bytes} bytes, more than ${MAX_ENV_BYTES}`;
    if (bytes > MAX_ENV_BYTES) context.addIssue({ code: 'custom', message });
  });

export type JobParameters = z.infer<typeof jobSchema> & {
  /** The value of `QUEST_PARAMETERS`. */
  questParameters: string;
};

/** What the quest asks for. Throws InvalidArgument naming the field. */
export function parametersOf(quest: QuestDesc, { jobs }: CloudRunJobConfig): JobParameters {
  const { distributorParameters, meta } = quest;
  const parameters = parseWith(jobSchema, distributorParameters, 'distributorParameters');
  chosen('distributorParameters.job', parameters.job, jobs);
  if (meta.asAccount !== undefined)
    throw new InvalidArgument(
      'meta.asAccount',
      'a Cloud Run job acts as the service account that it is configured with',
    );
  return { ...parameters, questParameters: parametersJson(quest, MAX_ENV_BYTES) };
}
