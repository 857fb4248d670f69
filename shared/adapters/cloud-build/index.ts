import type { ExecutionId } from '../../core/ids.ts';
import { isJsonObject, parseJson } from '../../core/json.ts';
import type { Distributor, DistributorType, Services } from '../contract.ts';
import { executionName, executionOfName } from '../execution-name.ts';
import { startWindow } from '../job-calls.ts';
import { pollUnlessTold } from '../timeouts.ts';
import { type CloudBuildConfig, cloudBuildConfigSchema } from './config.ts';
import { parametersOf } from './parameters.ts';
import { buildOf } from './request.ts';
import { createCloudBuild } from './service.ts';
import { type Build, buildIdSchema, hasEnded, statusOf } from './status.ts';

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

/** Where nothing is notified and nobody says otherwise. */
const POLL_AFTER_MS = 30_000;

function createCloudBuildDistributor(config: CloudBuildConfig, services: Services): Distributor {
  const { project, location } = config;
  const cloudBuild = createCloudBuild(config, services);

  // Made up here: in the name that the service gives a build, the project may be a number.
  const prefix = `projects/${project}/locations/${location}/builds/`;
  function idOf(token: string): string | undefined {
    return token.startsWith(prefix) ? buildIdSchema.safeParse(token.slice(prefix.length)).data : undefined;
  }

  async function stopAll(builds: readonly Build[]): Promise<void> {
    await Promise.all(builds.filter(build => !hasEnded(build)).map(({ id }) => cloudBuild.cancel(id)));
  }

  return {
    async run(task) {
      const window = startWindow(services.clock);
      const build = buildOf(task, parametersOf(task.quest, config), config);
      const [known, ...duplicates] = await cloudBuild.find(executionName(task.executionId));
      // Starts that were not answered: nobody has their tokens, and no other call of `run` is under way.
      await stopAll(duplicates);
      if (known === undefined) window.check();
      const id = known?.id ?? (await cloudBuild.start(build));
      return { token: `${prefix}${id}`, ...pollUnlessTold(config, POLL_AFTER_MS) };
    },

    async cancel({ executionId, token }) {
      // A token means that very build: where there are two, the other one may be the job.
      const id = token === undefined ? undefined : idOf(token);
      if (id !== undefined) await cloudBuild.cancel(id);
      if (token === undefined) await stopAll(await cloudBuild.find(executionName(executionId)));
    },

    async getStatus({ token }) {
      const id = idOf(token);
      if (id === undefined) throw new Error(`the token is not the name of a build in ${prefix}`);
      return statusOf(await cloudBuild.get(id));
    },

    async handleNotification({ executionId }) {
      const [known] = await cloudBuild.find(executionName(executionId));
      return known && statusOf(await cloudBuild.get(known.id));
    },

    handleTaskQueueTask: async () => [],

    infoUrl(token) {
      const id = idOf(token);
      const page = `https://console.cloud.google.com/cloud-build/builds;region=${location}/${id}`;
      return id && `${page}?project=${encodeURIComponent(project)}`;
    },

    validate: quest => void parametersOf(quest, config),

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
