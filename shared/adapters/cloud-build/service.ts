import { z } from 'zod';
import { TransientError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Services } from '../contract.ts';
import { cancelUnlessOver, noError, oldestFirst, orGone, searched, settling } from '../job-calls.ts';
import { asOurselves, createRest } from '../rest.ts';
import type { CloudBuildConfig } from './config.ts';
import { buildIdOf, operationSchema } from './operation.ts';
import { type Build, buildSchema, hasEnded, STATUS_FIELDS } from './status.ts';

/**
 * The calls that we make (https://cloud.google.com/build/docs/api/reference/rest/v1/projects.locations.builds), for the builds of
 * one project and location.
 */
export interface CloudBuild {
  /** All with this tag, the oldest first. */
  find(tag: string): Promise<Build[]>;
  /** Resolves with the id. A transient error says nothing about whether there is a build now. */
  start(build: JsonObject): Promise<string>;
  get(id: string): Promise<Build>;
  /** Succeeds when the build has ended or is gone. */
  cancel(id: string): Promise<void>;
}

const listSchema = z.object({
  ...noError,
  builds: z.array(buildSchema).optional(),
  nextPageToken: z.string().optional(),
});
const LIST_FIELDS = 'nextPageToken,builds(id,status,createTime,tags)';
/** A filtered list may have empty pages before the one that matters (https://google.aip.dev/158). */
const MAX_PAGES = 10;

/**
 * There is no request id, and nothing says how soon a list shows a build whose start was not answered. So it is given this
 * time before it is looked for; if it is not there then, another one is started.
 */
const SETTLE_MS = 30_000;

export function createCloudBuild(config: CloudBuildConfig, services: Services): CloudBuild {
  const rest = createRest({ services, endpoint: config.endpoint, authorization: asOurselves(services) });
  const collection = `/v1/projects/${encodeURIComponent(config.project)}/locations/${config.location}/builds`;

  const get = (id: string): Promise<Build> =>
    rest.call({ method: 'GET', path: `${collection}/${id}`, query: { fields: STATUS_FIELDS } }, buildSchema);

  return {
    get,

    async find(tag) {
      const found: Build[] = [];
      const query = { filter: `tags="${tag}"`, pageSize: '100', fields: LIST_FIELDS };
      let pageToken: string | undefined;
      for (let page = 0; page < MAX_PAGES; page++) {
        const call = { method: 'GET', path: collection, query: { ...query, pageToken } } as const;
        // Where the project is unknown there are none, and a start says so.
        const { builds = [], nextPageToken } = (await searched(rest.call(call, listSchema).catch(orGone))) ?? {};
        found.push(...builds.filter(({ tags = [] }) => tags.includes(tag)));
        if (!nextPageToken) return oldestFirst(found, ({ id, createTime: createdAt }) => ({ id, createdAt }));
        pageToken = nextPageToken;
      }
      throw new TransientError(`the builds with the tag ${tag} are on more than ${MAX_PAGES} pages`);
    },

    async start(build) {
      const call = { method: 'POST', path: collection, body: build, once: true } as const;
      return settling(rest.call(call, operationSchema).then(buildIdOf), SETTLE_MS);
    },

    cancel: id =>
      cancelUnlessOver(
        rest.call({ method: 'POST', path: `${collection}/${id}:cancel`, body: {} }, buildSchema),
        async () => hasEnded(await get(id)),
      ),
  };
}
