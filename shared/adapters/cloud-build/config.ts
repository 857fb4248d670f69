import { z } from 'zod';
import { commonConfig, ownTopic } from '../contract.ts';
import { serviceAccountEmail } from '../google-config.ts';
import { endpointSchema } from '../rest.ts';

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
    project: z.string().regex(/^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$/, 'must be a project id'),
    /** A region, or `global`. */
    location: z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'must be a region such as "us-central1", or "global"'),
    /** Which accounts builds may run as, by their e-mail addresses; the first one when a quest does not say. */
    serviceAccounts: z.array(serviceAccountSchema).min(1, 'must name at least one service account').optional(),
    /** The private pool that runs all builds. */
    workerPool: z
      .string()
      .regex(
        /^projects\/[^/]+\/locations\/[^/]+\/workerPools\/[^/]+$/,
        'must be "projects/P/locations/L/workerPools/W"',
      )
      .optional(),
    /** Which machines a quest may ask for; the first one when it does not. */
    machineTypes: z
      .array(z.string().regex(/^[A-Z][A-Z0-9_]+$/, 'must be a machine type such as "E2_HIGHCPU_8"'))
      .min(1)
      .optional(),
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
