import { TransientError } from '../../core/errors.ts';
import type { ExecutionId } from '../../core/ids.ts';
import { isJsonObject, parseJson } from '../../core/json.ts';
import type { Distributor, DistributorType, Services } from '../contract.ts';
import { executionName, executionOfName } from '../execution-name.ts';
import { pollUnlessTold } from '../timeouts.ts';
import { createBuilds } from './builds.ts';
import { type CloudBuildConfig, cloudBuildConfigSchema } from './config.ts';
import { parametersReader } from './parameters.ts';
import { buildOf } from './request.ts';
import { buildIdSchema, hasEnded, statusOf } from './status.ts';

/**
 * Google Cloud Build (https://cloud.google.com/build/docs/api/reference/rest/v1/projects.locations.builds). Its secrets stand
 * in Secret Manager before a build begins, so there is no way to hand a job the right to call back.
 */
export const cloudBuildType: DistributorType<CloudBuildConfig> = {
  type: 'cloud-build',
  modes: ['unattended'],
  configSchema: cloudBuildConfigSchema,
  create: createCloudBuildDistributor,
};

/** A start that begins later could still be under way when the engine has given `run` up and calls it again. */
const MAX_SEARCH_MS = 30_000;
/** Where nothing is notified and nobody says otherwise. */
const POLL_AFTER_MS = 30_000;

function createCloudBuildDistributor(config: CloudBuildConfig, services: Services): Distributor {
  const { clock } = services;
  const { project, location } = config;
  const builds = createBuilds(config, services);
  const parametersOf = parametersReader(config);

  // Made up here: in the name that the service gives a build, the project may be a number.
  const prefix = `projects/${project}/locations/${location}/builds/`;
  function idOf(token: string): string | undefined {
    return token.startsWith(prefix) ? buildIdSchema.safeParse(token.slice(prefix.length)).data : undefined;
  }

  return {
    async run(task) {
      const begunAt = clock.now();
      const tag = executionName(task.executionId);
      const [job, ...duplicates] = await builds.find(tag);
      // Starts that were not answered: nobody has their tokens, and no other call of `run` is under way.
      for (const { id } of duplicates.filter(build => !hasEnded(build))) await builds.stop(id);
      if (job === undefined && clock.now() - begunAt > MAX_SEARCH_MS)
        throw new TransientError('looking for an earlier start took so long that none can be made now');
      const parameters = parametersOf(task.quest);
      const id = job?.id ?? (await builds.start(buildOf(config, { task, parameters, tag })));
      return { token: `${prefix}${id}`, ...pollUnlessTold(config, POLL_AFTER_MS) };
    },

    async cancel({ executionId, token }) {
      // A token means that very build: where there are two, the other one may be the job.
      const id = token === undefined ? undefined : idOf(token);
      if (id !== undefined) return builds.stop(id);
      if (token !== undefined) return;
      const found = await builds.find(executionName(executionId));
      for (const build of found.filter(one => !hasEnded(one))) await builds.stop(build.id);
    },

    async getStatus({ token }) {
      const id = idOf(token);
      if (id === undefined) throw new Error(`the token is not the name of a build in ${prefix}`);
      return statusOf(await builds.read(id));
    },

    async handleNotification({ executionId }) {
      const [job] = await builds.find(executionName(executionId));
      return job && statusOf(await builds.read(job.id));
    },

    handleTaskQueueTask: async () => [],

    infoUrl(token) {
      const id = idOf(token);
      const page = `https://console.cloud.google.com/cloud-build/builds;region=${location}/${id}`;
      return id && `${page}?project=${encodeURIComponent(project)}`;
    },

    validate: quest => void parametersOf(quest),

    executionOf({ data }) {
      const build = parseJson(data);
      const tags = isJsonObject(build) && Array.isArray(build.tags) ? build.tags : [];
      return tags.map(executionOfTag).find(id => id !== undefined);
    },
  };
}

function executionOfTag(tag: unknown): ExecutionId | undefined {
  return typeof tag === 'string' ? executionOfName(tag) : undefined;
}
