import { z } from 'zod';
import type { QuestDesc } from '../../core/quest.ts';
import { allowList } from '../allow-list.ts';
import { commonConfig, ownTopic } from '../contract.ts';
import { googleProject, nameLike, serviceAccountEmail } from '../google-config.ts';
import { endpointSchema } from '../rest.ts';
import { limitSeconds, timeoutsMs } from '../timeouts.ts';

/** Builds cannot be told to use Cloud Build's own old account (https://cloud.google.com/build/docs/build-config-file-schema). */
const serviceAccountSchema = serviceAccountEmail.refine(
  email => !email.endsWith('@cloudbuild.gserviceaccount.com'),
  'is an account that builds cannot be told to use',
);

/** Where builds run, and what a quest may choose. */
export const cloudBuildConfigSchema = z
  .strictObject({
    ...commonConfig,
    ...ownTopic,
    endpoint: endpointSchema.default('https://cloudbuild.googleapis.com'),
    project: googleProject,
    /** A region, or `global`. */
    location: nameLike('must be a region such as "us-central1", or "global"'),
    /** Which accounts builds may run as, by their e-mail addresses; the first one when a quest does not say. */
    serviceAccounts: allowList(serviceAccountSchema).optional(),
    /** The private pool that runs all builds. */
    workerPool: z
      .string()
      .regex(
        /^projects\/[^/]+\/locations\/[^/]+\/workerPools\/[^/]+$/,
        'must be "projects/P/locations/L/workerPools/W"',
      )
      .optional(),
    /** Which machines a quest may ask for; the first one when it does not. */
    machineTypes: allowList(
      z.string().regex(/^[A-Z][A-Z0-9_]+$/, 'must be a machine type such as "E2_HIGHCPU_8"'),
    ).optional(),
    diskSizeGb: z.int().min(1).max(4000).optional(),
    /** Where logs go instead of Cloud Logging. */
    logsBucket: z
      .string()
      .regex(/^gs:\/\/[a-z0-9][a-z0-9._-]+$/, 'must be "gs://BUCKET"')
      .optional(),
  })
  .superRefine(({ location, workerPool }, context) => {
    if (workerPool !== undefined && workerPool.split('/')[3] !== location)
      context.addIssue({ code: 'custom', path: ['workerPool'], message: `must be in the location "${location}"` });
  });

export type CloudBuildConfig = z.infer<typeof cloudBuildConfigSchema>;

/**
 * What a build may run for (https://cloud.google.com/build/docs/build-config-file-schema). How long it may be queued is not
 * said there; a day will do.
 */
export const MAX_SECONDS = 24 * 60 * 60;

/** How long the build may run, in seconds; an unlimited one has the service's maximum. */
export function timeoutSeconds(quest: QuestDesc, config: CloudBuildConfig): number {
  return limitSeconds(timeoutsMs(quest, config).run, MAX_SECONDS);
}
