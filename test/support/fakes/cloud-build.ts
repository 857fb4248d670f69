import { z } from 'zod';
import { cloudBuildType } from '../../../shared/adapters/cloud-build/index.ts';
import type { Distributor, Services } from '../../../shared/adapters/contract.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../../shared/core/json.ts';
import { parseWith } from '../../../shared/core/validation.ts';
import type { FakeServices } from '../drive.ts';
import { type FakeCall, FakeError, type FakeService, impatientHttp, serveFake, strictBody } from '../fake-service.ts';
import { fakeServices } from '../services.ts';

/**
 * Cloud Build v1, as far as builds go. Written from
 * https://github.com/googleapis/googleapis/blob/master/google/devtools/cloudbuild/v1/cloudbuild.proto, the discovery document
 * (https://cloudbuild.googleapis.com/$discovery/rest?version=v1) and
 * https://cloud.google.com/build/docs/build-config-file-schema.
 */

const duration = z.string().regex(/^\d+(\.\d{1,9})?s$/);
const atMostADay = duration.refine(text => Number.parseFloat(text) > 0 && Number.parseFloat(text) <= 86_400);
const int64 = z.string().regex(/^\d{1,19}$/);
const text = z.string();
const texts = z.array(text);
const flag = z.boolean();
const tag = z.string().regex(/^[\w][\w.-]{0,127}$/);

const buildStep = z
  .strictObject({
    name: text.min(1),
    env: z.array(z.string().regex(/^[^=]+=/)).optional(),
    args: z.array(text.max(10_000)).max(100).optional(),
    dir: text.optional(),
    id: text.optional(),
    waitFor: texts.optional(),
    entrypoint: text.optional(),
    secretEnv: texts.optional(),
    volumes: z.array(z.strictObject({ name: text, path: text })).optional(),
    timeout: duration.optional(),
    allowFailure: flag.optional(),
    allowExitCodes: z.array(z.int()).optional(),
    script: text.optional(),
    automapSubstitutions: flag.optional(),
  })
  .refine(({ script, args, entrypoint }) => script === undefined || (args ?? entrypoint) === undefined);

/** `oneof source`. */
const source = z
  .strictObject({
    storageSource: z
      .strictObject({ bucket: text, object: text, generation: int64.optional(), sourceFetcher: text.optional() })
      .optional(),
    repoSource: z.strictObject({ projectId: text, repoName: text, branchName: text }).partial().optional(),
    gitSource: z.strictObject({ url: text, dir: text.optional(), revision: text.optional() }).optional(),
    connectedRepository: z.strictObject({ repository: text, dir: text.optional(), revision: text }).optional(),
  })
  .refine(one => Object.keys(one).length === 1);

const options = z.strictObject({
  sourceProvenanceHash: texts.optional(),
  requestedVerifyOption: z.enum(['NOT_VERIFIED', 'VERIFIED']).optional(),
  machineType: z
    .enum([
      'UNSPECIFIED',
      'N1_HIGHCPU_8',
      'N1_HIGHCPU_32',
      'E2_HIGHCPU_8',
      'E2_HIGHCPU_32',
      'E2_MEDIUM',
      'E2_STANDARD_2',
    ])
    .optional(),
  diskSizeGb: int64.optional(),
  substitutionOption: z.enum(['MUST_MATCH', 'ALLOW_LOOSE']).optional(),
  dynamicSubstitutions: flag.optional(),
  automapSubstitutions: flag.optional(),
  logStreamingOption: z.enum(['STREAM_DEFAULT', 'STREAM_ON', 'STREAM_OFF']).optional(),
  pool: z
    .strictObject({ name: z.string().regex(/^projects\/[^/]+\/locations\/[^/]+\/workerPools\/[^/]+$/) })
    .optional(),
  logging: z.enum(['LOGGING_UNSPECIFIED', 'LEGACY', 'GCS_ONLY', 'CLOUD_LOGGING_ONLY', 'NONE']).optional(),
  env: texts.optional(),
  pubsubTopic: z
    .string()
    .regex(/^projects\/[^/]+\/topics\/[^/]+$/)
    .optional(),
  defaultLogsBucketBehavior: text.optional(),
  enableStructuredLogging: flag.optional(),
});

/** What a client may write of a Build. */
const buildBody = z.strictObject({
  source: source.optional(),
  steps: z.array(buildStep).min(1).max(300),
  timeout: atMostADay.optional(),
  images: texts.optional(),
  queueTtl: atMostADay.optional(),
  artifacts: z
    .strictObject({ images: texts.optional(), objects: z.strictObject({ location: text, paths: texts }).optional() })
    .optional(),
  logsBucket: text.optional(),
  options: options.optional(),
  substitutions: z.record(z.string().regex(/^_[A-Z0-9_]+$/), text).optional(),
  tags: z.array(tag).optional(),
  serviceAccount: z
    .string()
    .regex(/^projects\/[^/]+\/serviceAccounts\/[^/]+$/)
    .optional(),
});

const IN_PROGRESS = new Set(['PENDING', 'QUEUED', 'WORKING']);
/** In names that it makes, the service writes the project's number. */
const PROJECT_NUMBER = '123456789012';

export type FakeBuild = JsonObject & { id: string; name: string; projectId: string; status: string; tags: string[] };

export interface FakeCloudBuild extends FakeService {
  /** All that were started, the oldest first; tests write their states. */
  builds: FakeBuild[];
  /** Lists do not show builds that were started meanwhile. */
  lagging: boolean;
  /** How many empty pages come before each list. */
  emptyPages: number;
  /** After the retention period. */
  forget(id: string): void;
}

export async function serveCloudBuild(): Promise<FakeCloudBuild> {
  const builds: FakeBuild[] = [];
  const unlisted = new Set<FakeBuild>();

  function find({ params: { project = '', location = '', id = '' } }: FakeCall): FakeBuild {
    const build = builds.find(one => one.id === id && one.projectId === project && isIn(one, location));
    if (build === undefined) throw new FakeError(404, 'NOT_FOUND', 'Requested entity was not found.');
    return build;
  }

  const collection = '/v1/projects/{project}/locations/{location}/builds';
  const service = await serveFake({
    [`POST ${collection}`]: call => {
      const build = strictBody(buildBody, call);
      checkLogs(build);
      const { project = '', location = '' } = call.params;
      const number = builds.length + 1;
      const id = `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
      const created: FakeBuild = {
        ...(build as JsonObject),
        tags: build.tags ?? [],
        id,
        name: `projects/${PROJECT_NUMBER}/locations/${location}/builds/${id}`,
        projectId: project,
        status: 'QUEUED',
        // Of nanoseconds; zeros at the end are left out.
        createTime: `2026-11-24T00:00:${String(number).padStart(2, '0')}${number % 2 === 0 ? '.000000001' : ''}Z`,
        logUrl: `https://console.cloud.google.com/cloud-build/builds;region=${location}/${id}?project=${PROJECT_NUMBER}`,
      };
      builds.push(created);
      if (fake.lagging) unlisted.add(created);
      return {
        body: {
          name: `operations/build/${project}/${Buffer.from(id).toString('base64')}`,
          metadata: {
            '@type': 'type.googleapis.com/google.devtools.cloudbuild.v1.BuildOperationMetadata',
            build: created,
          },
        },
      };
    },

    [`GET ${collection}`]: ({ params, query }) => {
      checkQuery(query, ['filter', 'pageSize', 'pageToken', 'fields']);
      const [, wanted] = /^tags="([^"]*)"$/.exec(query.get('filter') ?? '') ?? [];
      if (wanted === undefined)
        throw new FakeError(400, 'INVALID_ARGUMENT', 'fake: knows no other filter than tags="…"');
      const [, page = '0'] = /^page-(\d+)$/.exec(query.get('pageToken') ?? '') ?? [];
      if (Number(page) < fake.emptyPages) return { body: { nextPageToken: `page-${Number(page) + 1}` } };
      const found = builds.filter(
        one => !unlisted.has(one) && one.projectId === params.project && isIn(one, params.location ?? ''),
      );
      // Sorted by create_time, descending.
      const listed = found.filter(one => one.tags.includes(wanted)).toReversed();
      return { body: mask(listed.length === 0 ? {} : { builds: listed }, query.get('fields')) };
    },

    [`GET ${collection}/{id}`]: call => {
      checkQuery(call.query, ['fields']);
      return { body: mask(find(call), call.query.get('fields')) };
    },

    [`POST ${collection}/{id}:cancel`]: call => {
      strictBody(z.strictObject({}), call);
      const build = find(call);
      if (!IN_PROGRESS.has(build.status))
        throw new FakeError(400, 'FAILED_PRECONDITION', `build is in a terminal state: ${build.status}`);
      build.status = 'CANCELLED';
      return { body: build };
    },
  });

  const fake: FakeCloudBuild = Object.assign(service, {
    builds,
    lagging: false,
    emptyPages: 0,
    forget(id: string) {
      builds.splice(
        builds.findIndex(build => build.id === id),
        1,
      );
    },
  });
  return fake;
}

function isIn({ name }: FakeBuild, location: string): boolean {
  return name.split('/')[3] === location;
}

function checkQuery(query: URLSearchParams, known: readonly string[]): void {
  for (const name of query.keys())
    if (!known.includes(name))
      throw new FakeError(400, 'INVALID_ARGUMENT', `Invalid JSON payload received. Unknown name "${name}"`);
}

function checkLogs({ serviceAccount, logsBucket, options: given }: z.infer<typeof buildBody>): void {
  if (serviceAccount === undefined || logsBucket !== undefined) return;
  if (!['CLOUD_LOGGING_ONLY', 'NONE'].includes(given?.logging ?? ''))
    throw new FakeError(
      400,
      'INVALID_ARGUMENT',
      "if 'build.service_account' is specified, the build must either (a) specify 'build.logs_bucket' or (b) use either " +
        'CLOUD_LOGGING_ONLY / NONE logging options',
    );
}

/** A partial response: `fields=a,b(c,d)` (https://cloud.google.com/apis/docs/system-parameters). */
function mask(value: JsonObject, fields: string | null): JsonObject {
  return fields === null ? value : (select(value, fields) as JsonObject);
}

function select(value: JsonValue | undefined, fields: string): JsonValue | undefined {
  if (Array.isArray(value)) return value.map(item => select(item, fields) ?? null);
  if (!isJsonObject(value)) return value;
  const selected: JsonObject = {};
  for (const [, name = '', inner] of fields.matchAll(/(\w+)(?:\(((?:[^()]|\([^()]*\))*)\))?/g)) {
    const child = inner === undefined ? value[name] : select(value[name], inner);
    if (child !== undefined) selected[name] = child;
  }
  return selected;
}

export interface CloudBuildSetUp {
  service: FakeCloudBuild;
  services: FakeServices;
  distributor: Distributor;
}

/** A distributor with a service of its own. */
export async function setUpCloudBuild(
  config: object = {},
  overrides: Partial<Services> = {},
): Promise<CloudBuildSetUp> {
  const service = await serveCloudBuild();
  const services = fakeServices({ http: impatientHttp, accessToken: async () => 'ya29.secret', ...overrides });
  const distributor = cloudBuildType.create(
    parseWith(cloudBuildType.configSchema, {
      project: 'my-project',
      location: 'us-central1',
      endpoint: service.url,
      ...config,
    }),
    services,
  );
  return { service, services, distributor };
}
