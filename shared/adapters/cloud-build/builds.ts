import { z } from 'zod';
import { TransientError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Services } from '../contract.ts';
import { HttpStatusError } from '../http-answer.ts';
import { asOurselves, createRest } from '../rest.ts';
import type { CloudBuildConfig } from './config.ts';
import { buildIdOf, operationSchema } from './operation.ts';
import { type Build, buildSchema, hasEnded, STATUS_FIELDS } from './status.ts';

/** The builds of one project and location, as the adapter calls the service for them. */
export interface Builds {
  /** All with this tag, the oldest first. */
  find(tag: string): Promise<Build[]>;
  /** Resolves with the id. A transient error says nothing about whether there is a build now. */
  start(build: JsonObject): Promise<string>;
  read(id: string): Promise<Build>;
  /** Succeeds when the build has ended or is gone. */
  stop(id: string): Promise<void>;
}

const listSchema = z.object({
  builds: z.array(buildSchema).optional(),
  nextPageToken: z.string().optional(),
  /** An error in place of a list must not be read as an empty one. */
  error: z.never().optional(),
});
const LIST_FIELDS = 'nextPageToken,builds(id,status,createTime,tags)';
/** A filtered list may have empty pages before the one that matters (https://google.aip.dev/158). */
const MAX_PAGES = 10;

/**
 * There is no request id, and nothing says how soon a list shows a build whose start was not answered. So it is given this
 * time before it is looked for; if it is not there then, another one is started.
 */
const SETTLE_MS = 30_000;

export function createBuilds(config: CloudBuildConfig, services: Services): Builds {
  const rest = createRest({ services, endpoint: config.endpoint, authorization: asOurselves(services) });
  const collection = `/v1/projects/${encodeURIComponent(config.project)}/locations/${config.location}/builds`;

  const read = (id: string): Promise<Build> =>
    rest.call({ method: 'GET', path: `${collection}/${id}`, query: { fields: STATUS_FIELDS } }, buildSchema);

  return {
    read,

    async find(tag) {
      const found: Build[] = [];
      const query = { filter: `tags="${tag}"`, pageSize: '100', fields: LIST_FIELDS };
      let pageToken: string | undefined;
      for (let page = 0; page < MAX_PAGES; page++) {
        const answer = await rest.call({ method: 'GET', path: collection, query: { ...query, pageToken } }, listSchema);
        found.push(...(answer.builds ?? []).filter(({ tags = [] }) => tags.includes(tag)));
        pageToken = answer.nextPageToken;
        if (pageToken === undefined || pageToken === '') return found.toSorted(byAge);
      }
      throw new TransientError(`the builds with the tag ${tag} are on more than ${MAX_PAGES} pages`);
    },

    async start(build) {
      try {
        const call = { method: 'POST', path: collection, body: build, once: true } as const;
        return buildIdOf(await rest.call(call, operationSchema));
      } catch (error) {
        if (!(error instanceof TransientError) || error.retryAfterMs !== undefined) throw error;
        throw new TransientError(error.message, { cause: error, retryAfterMs: SETTLE_MS });
      }
    },

    async stop(id) {
      try {
        await rest.call({ method: 'POST', path: `${collection}/${id}:cancel`, body: {} }, buildSchema);
      } catch (error) {
        if (!(error instanceof HttpStatusError)) throw error;
        if (error.status === 404) return;
        // FAILED_PRECONDITION when it has ended.
        if (error.status !== 400 || !hasEnded(await read(id))) throw error;
      }
    },
  };
}

function byAge(one: Build, other: Build): number {
  const at = ({ createTime = '' }: Build) => Date.parse(createTime) || 0;
  return at(one) - at(other) || (one.id < other.id ? -1 : 1);
}
