import type { JsonObject } from '../../core/json.ts';
import type { TaskDescription } from '../contract.ts';
import { executionName } from '../execution-name.ts';
import { PARAMETERS_VARIABLE } from '../job-environment.ts';
import { ownTopicName } from '../own-topic.ts';
import { limitSeconds, timeoutsMs } from '../timeouts.ts';
import { type CloudBuildConfig, MAX_SECONDS, timeoutSeconds } from './config.ts';
import type { BuildParameters } from './parameters.ts';
import { pinSource } from './source.ts';

/** Where Cloud Build publishes unless it is told otherwise. */
const DEFAULT_TOPIC = 'cloud-builds';

type Task = Pick<TaskDescription, 'executionId' | 'quest' | 'previousState' | 'prepareTopic'>;

/** The body of `builds.create`: a Build of google/devtools/cloudbuild/v1/cloudbuild.proto. */
export function buildOf(task: Task, parameters: BuildParameters, config: CloudBuildConfig): JsonObject {
  const { quest, executionId, previousState } = task;
  const { project, workerPool, diskSizeGb, logsBucket } = config;
  const { machineType, serviceAccount, questParameters, ...given } = parameters;
  const build = {
    ...given,
    source: pinSource(given.source, previousState),
    tags: [executionName(executionId)],
    timeout: `${timeoutSeconds(quest, config)}s`,
    queueTtl: `${limitSeconds(timeoutsMs(quest, config).start, MAX_SECONDS)}s`,
    serviceAccount: serviceAccount && `projects/${project}/serviceAccounts/${serviceAccount}`,
    logsBucket,
    options: {
      env: [`${PARAMETERS_VARIABLE}=${questParameters}`],
      // An account of one's own cannot write to the default bucket
      // (https://cloud.google.com/build/docs/securing-builds/configure-user-specified-service-accounts).
      logging: logsBucket === undefined ? 'CLOUD_LOGGING_ONLY' : 'GCS_ONLY',
      machineType,
      diskSizeGb: diskSizeGb === undefined ? undefined : String(diskSizeGb),
      pool: workerPool === undefined ? undefined : { name: workerPool },
      pubsubTopic: topicOf(config, task),
    },
  };
  // Leaves out what is undefined.
  return JSON.parse(JSON.stringify(build)) as JsonObject;
}

/** For its default topic Cloud Build's own agent publishes; for any other one the build's account must be allowed to. */
function topicOf({ project, topic }: CloudBuildConfig, task: Task): string | undefined {
  if (topic === undefined) return undefined;
  const name = ownTopicName(topic, task);
  return name === `projects/${project}/topics/${DEFAULT_TOPIC}` ? undefined : name;
}
