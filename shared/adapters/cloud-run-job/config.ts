import { z } from 'zod';
import { allowList } from '../allow-list.ts';
import { commonConfig, ownTopic } from '../contract.ts';
import { googleProject, nameLike } from '../google-config.ts';
import { endpointSchema } from '../rest.ts';

export const cloudRunJobConfigSchema = z.strictObject({
  ...commonConfig,
  /** Where a log sink publishes the audit log entries of the jobs' ends. */
  ...ownTopic,
  endpoint: endpointSchema.default('https://run.googleapis.com'),
  project: googleProject,
  location: nameLike('must be a region such as "europe-west1"'),
  /** The jobs that quests may run. They exist already, and are set to `--max-retries=0`. */
  jobs: allowList(nameLike('must be the name of a job, without its path')),
});

export type CloudRunJobConfig = z.infer<typeof cloudRunJobConfigSchema>;
