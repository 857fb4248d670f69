import type { ExecutionId } from '../../core/ids.ts';
import type { Distributor, DistributorType, Services } from '../contract.ts';
import { executionName, executionOfName } from '../execution-name.ts';
import { executionUuid } from '../execution-uuid.ts';
import { pollUnlessTold } from '../timeouts.ts';
import { type CloudBatchConfig, cloudBatchConfigSchema } from './config.ts';
import { jobPage } from './links.ts';
import { parametersOf } from './parameters.ts';
import { jobOf } from './request.ts';
import { createCloudBatch } from './service.ts';

/**
 * Google Cloud Batch: containers or scripts on VMs that come and go with the job. The job's name follows from the execution,
 * and is its token: a second start finds the first, and a job can be found without its token.
 *
 * Unattended only: the activation token would have to become a secret of Secret Manager or KMS, which there is none for.
 */
export const cloudBatchType: DistributorType<CloudBatchConfig> = {
  type: 'cloud-batch',
  modes: ['unattended'],
  configSchema: cloudBatchConfigSchema,
  create: createCloudBatchDistributor,
};

/** Where there are no notifications and the config does not say. A VM takes about a minute to start. */
const POLL_AFTER_MS = 60_000;

function createCloudBatchDistributor(config: CloudBatchConfig, services: Services): Distributor {
  const { project, location } = config;
  const batch = createCloudBatch(config, services);
  const nameOf = (id: ExecutionId) => `projects/${project}/locations/${location}/jobs/${executionName(id)}`;

  return {
    async run(task) {
      const { executionId, quest } = task;
      const job = jobOf(task, parametersOf(quest, config), config);
      await batch.create(executionName(executionId), executionUuid(executionId), job);
      return { token: nameOf(executionId), ...pollUnlessTold(config, POLL_AFTER_MS) };
    },

    cancel: async ({ executionId }) => batch.cancel(nameOf(executionId)),

    async getStatus({ executionId, token }) {
      const name = nameOf(executionId);
      if (token !== name) throw new Error('no job was started under this token');
      return batch.status(name);
    },

    handleNotification: async ({ executionId }) => batch.status(nameOf(executionId)),

    // What attributes a message has is not documented; one of its texts names the job.
    executionOf({ data, attributes }) {
      for (const text of [...Object.values(attributes), data]) {
        for (const [word] of text.matchAll(/[a-z0-9-]+/g)) {
          const id = executionOfName(word);
          if (id !== undefined) return id;
        }
      }
      return undefined;
    },

    infoUrl: jobPage,

    handleTaskQueueTask: async () => [],

    validate: quest => void parametersOf(quest, config),
  };
}
