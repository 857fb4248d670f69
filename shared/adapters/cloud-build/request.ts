import type { JsonObject } from '../../core/json.ts';
import type { QuestDesc } from '../../core/quest.ts';
import type { TaskDescription } from '../contract.ts';
import { PARAMETERS_VARIABLE, parametersJson } from '../job-environment.ts';
import { ownTopicName } from '../own-topic.ts';
import { limitSeconds, timeoutsMs } from '../timeouts.ts';
import type { CloudBuildConfig } from './config.ts';
import type { BuildParameters } from './parameters.ts';
import { pinSource } from './source.ts';

/**
 * What a build may run for (https://cloud.google.com/build/docs/build-config-file-schema). How long it may be queued is not
 * said there; a day will do.
 */
const MAX_SECONDS = 24 * 60 * 60;
/** Half of what Linux takes as one variable (execve(2), MAX_ARG_STRLEN). */
const MAX_VARIABLE_BYTES = 64 * 1024;
/** Where Cloud Build publishes unless it is told otherwise. */
const DEFAULT_TOPIC = 'cloud-builds';

export interface BuildRequest {
  task: Pick<TaskDescription, 'quest' | 'previousState' | 'prepareTopic'>;
  parameters: BuildParameters;
  tag: string;
}

/** The body of `builds.create`: a Build of google/devtools/cloudbuild/v1/cloudbuild.proto. */
export function buildOf(config: CloudBuildConfig, { task, parameters, tag }: BuildRequest): JsonObject {
  const { quest, previousState } = task;
  const { project, serviceAccounts = [], machineTypes = [], workerPool, diskSizeGb, logsBucket } = config;
  const { machineType = machineTypes[0], ...given } = parameters;
  const account = quest.meta.asAccount ?? serviceAccounts[0];
  const build = {
    ...given,
    source: pinSource(given.source, previousState),
    tags: [tag],
    timeout: `${timeoutSeconds(quest, config)}s`,
    queueTtl: `${limitSeconds(timeoutsMs(quest, config).start, MAX_SECONDS)}s`,
    serviceAccount: account === undefined ? undefined : `projects/${project}/serviceAccounts/${account}`,
    logsBucket,
    options: {
      env: [parametersVariable(quest)],
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

/** How long the build may run, in seconds; an unlimited one has the service's maximum. */
export function timeoutSeconds(quest: QuestDesc, config: CloudBuildConfig): number {
  return limitSeconds(timeoutsMs(quest, config).run, MAX_SECONDS);
}

/**
 * The quest's parameters for all steps. A `$` would begin a substitution, where those are made; in JSON it can be written
 * otherwise. Throws InvalidArgument when they are too large.
 */
export function parametersVariable(quest: QuestDesc): string {
  const json = parametersJson(quest, MAX_VARIABLE_BYTES, text => text.replaceAll('$', String.raw`\u0024`));
  return `${PARAMETERS_VARIABLE}=${json}`;
}

/** For its default topic Cloud Build's own agent publishes; for any other one the build's account must be allowed to. */
function topicOf({ project, topic }: CloudBuildConfig, task: BuildRequest['task']): string | undefined {
  if (topic === undefined) return undefined;
  const name = ownTopicName(topic, task);
  return name === `projects/${project}/topics/${DEFAULT_TOPIC}` ? undefined : name;
}
