import { z } from 'zod';
import { allowList } from '../allow-list.ts';
import { commonConfig, ownTopic } from '../contract.ts';
import { googleProject, serviceAccountEmail } from '../google-config.ts';
import { recordOf } from '../job-environment.ts';
import { endpointSchema } from '../rest.ts';

/** On the job and its VMs; its value is the execution's name. */
export const EXECUTION_LABEL = 'distributor-execution';

/** In state RUNNING, before Batch fails the job: https://docs.cloud.google.com/batch/quotas */
export const MAX_RUN_MS = 14 * 24 * 60 * 60_000;

/** https://cloud.google.com/compute/docs/labeling-resources#restrictions */
const MAX_LABELS = 64;

const labelsSchema = recordOf(
  z.string().regex(/^[a-z0-9_-]{0,63}$/, 'must have up to 63 characters [a-z0-9_-]'),
  labelProblem,
).refine(labels => Object.keys(labels).length < MAX_LABELS, `must be fewer than ${MAX_LABELS}`);

function labelProblem(key: string): string | undefined {
  if (key === EXECUTION_LABEL) return 'is set by the distributor';
  if (/^goog(le)?-/.test(key)) return 'begins with a prefix that Google reserves';
  return /^[a-z][a-z0-9_-]{0,62}$/.test(key) ? undefined : 'is not the name of a label: a letter, then [a-z0-9_-]';
}

/** Full or partial names, as google.cloud.batch.v1.AllocationPolicy.NetworkInterface takes them, without the host. */
const networkSchema = z.strictObject({
  network: z
    .string()
    .regex(/^(projects\/[a-z0-9.:-]+\/)?global\/networks\/[a-z0-9-]+$/, 'must be "[projects/P/]global/networks/N"'),
  subnetwork: z
    .string()
    .regex(
      /^(projects\/[a-z0-9.:-]+\/)?regions\/[a-z0-9-]+\/subnetworks\/[a-z0-9-]+$/,
      'must be "[projects/P/]regions/R/subnetworks/S"',
    ),
  /** Without one, the VMs reach Google by Private Google Access and the internet by Cloud NAT, if at all. */
  externalIp: z.boolean().default(true),
});

export const machineTypeSchema = z
  .string()
  .regex(/^[a-z][a-z0-9-]{1,62}$/, 'must be a machine type such as "e2-standard-4"');

export const cloudBatchConfigSchema = z.strictObject({
  ...commonConfig,
  ...ownTopic,
  endpoint: endpointSchema.default('https://batch.googleapis.com'),
  project: googleProject,
  location: z.string().regex(/^[a-z]+(-[a-z]+)+\d+$/, 'must be a region such as "us-central1"'),
  /** What a quest's jobs may run as (`meta.asAccount`); the first is the default. */
  serviceAccounts: allowList(serviceAccountEmail),
  /** What a quest may choose from (`subnetwork`); the first is the default. None: the project's default network. */
  networks: z.array(networkSchema).default([]),
  /** What a quest may choose from (`machineType`); the first is the default. Absent: any, and Batch picks one. */
  machineTypes: allowList(machineTypeSchema).optional(),
  labels: labelsSchema.default({}),
});

export type CloudBatchConfig = z.infer<typeof cloudBatchConfigSchema>;
