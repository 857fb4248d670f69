import type { FunctionName } from '../../functions/wiring.ts';

const COMMON = ['GOOGLE_CLOUD_PROJECT', 'LOCATION', 'QUEUES', 'TASKS_URL', 'TASKS_CALLER'] as const;

/** The variables that each deployed function must be given; WEB_TOKEN is a secret that a distributor names. */
export const REQUIRED = {
  api: COMMON,
  job: [...COMMON, 'TOPIC', 'SIGNING_KEY_1'],
  notify: [...COMMON, 'SIGNING_KEY_1', 'WEB_TOKEN'],
  tasks: [...COMMON, 'TOPIC', 'JOB_URL', 'SIGNING_KEY_1', 'WEB_TOKEN'],
  sweep: COMMON,
} as const satisfies Record<FunctionName, readonly string[]>;
