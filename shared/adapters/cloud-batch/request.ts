import { formatDuration } from '../../core/duration.ts';
import type { JsonObject } from '../../core/json.ts';
import type { QuestDesc } from '../../core/quest.ts';
import type { TaskDescription } from '../contract.ts';
import { executionName } from '../execution-name.ts';
import { EXECUTION_VARIABLE, PARAMETERS_VARIABLE } from '../job-environment.ts';
import { ownTopicName } from '../own-topic.ts';
import { timeoutsMs } from '../timeouts.ts';
import { type CloudBatchConfig, EXECUTION_LABEL, MAX_RUN_MS } from './config.ts';
import type { JobParameters } from './parameters.ts';

/** A google.cloud.batch.v1.Job: https://github.com/googleapis/googleapis/blob/master/google/cloud/batch/v1/job.proto */
export function jobOf(
  task: Pick<TaskDescription, 'executionId' | 'quest' | 'prepareTopic'>,
  parameters: JobParameters,
  config: CloudBatchConfig,
): JsonObject {
  const { executionId, quest } = task;
  const { taskCount, parallelism, network, serviceAccount } = parameters;
  const labels = { ...config.labels, [EXECUTION_LABEL]: executionName(executionId) };
  return {
    taskGroups: [
      {
        taskSpec: {
          runnables: [runnableOf(parameters)],
          environment: environmentOf(parameters, executionId),
          ...computeOf(parameters),
          maxRunDuration: formatDuration(runLimitMs(quest, config)),
          // Retries are the distributor's.
          maxRetryCount: 0,
        },
        taskCount,
        ...(parallelism !== undefined && { parallelism }),
      },
    ],
    allocationPolicy: {
      instances: [instanceOf(parameters)],
      serviceAccount: { email: serviceAccount },
      ...(network !== undefined && {
        network: {
          networkInterfaces: [
            {
              network: network.network,
              subnetwork: network.subnetwork,
              ...(!network.externalIp && { noExternalIpAddress: true }),
            },
          ],
        },
      }),
      labels,
    },
    labels,
    logsPolicy: { destination: 'CLOUD_LOGGING' },
    ...(config.topic !== undefined && {
      notifications: [{ pubsubTopic: ownTopicName(config.topic, task), message: { type: 'JOB_STATE_CHANGED' } }],
    }),
  };
}

function runnableOf({ image, entrypoint, commands, script = '' }: JobParameters): JsonObject {
  if (image === undefined) return { script: { text: script } };
  return {
    container: {
      imageUri: image,
      ...(entrypoint !== undefined && { entrypoint }),
      ...(commands !== undefined && { commands }),
    },
  };
}

function environmentOf({ env, secretEnv, questParameters }: JobParameters, executionId: string): JsonObject {
  return {
    variables: { ...env, [EXECUTION_VARIABLE]: executionId, [PARAMETERS_VARIABLE]: questParameters },
    ...(Object.keys(secretEnv).length > 0 && { secretVariables: secretEnv }),
  };
}

function computeOf({ cpuMilli, memoryMib }: JobParameters): JsonObject {
  const computeResource = {
    ...(cpuMilli !== undefined && { cpuMilli }),
    ...(memoryMib !== undefined && { memoryMib }),
  };
  return Object.keys(computeResource).length > 0 ? { computeResource } : {};
}

function instanceOf({ machineType, provisioningModel, bootDisk, installGpuDrivers }: JobParameters): JsonObject {
  const { sizeGb, type } = bootDisk ?? {};
  return {
    policy: {
      ...(machineType !== undefined && { machineType }),
      provisioningModel,
      ...(bootDisk !== undefined && {
        bootDisk: { ...(sizeGb !== undefined && { sizeGb }), ...(type !== undefined && { type }) },
      }),
    },
    ...(installGpuDrivers && { installGpuDrivers }),
  };
}

/** How long each task may run; `"0s"` is unlimited, as far as Batch allows that. */
function runLimitMs(quest: QuestDesc, config: CloudBatchConfig): number {
  const { run } = timeoutsMs(quest, config);
  return run === 0 ? MAX_RUN_MS : Math.min(run, MAX_RUN_MS);
}
