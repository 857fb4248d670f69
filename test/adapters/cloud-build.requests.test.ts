import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../shared/core/json.ts';
import type { QuestDesc } from '../../shared/core/quest.ts';
import { describeTask, questOf } from '../support/drive.ts';
import { setUpCloudBuild } from '../support/fakes/cloud-build.ts';
import { expectGolden } from '../support/golden.ts';

const MINIMAL: Partial<QuestDesc> = { distributorParameters: { steps: [{ name: 'ubuntu', args: ['true'] }] } };

const EVERYTHING: Partial<QuestDesc> = {
  parameters: { price: '$5', greeting: 'grüß "Gott"' },
  meta: {
    asAccount: 'second@my-project.iam.gserviceaccount.com',
    timeouts: { start: '600s', run: '1800.5s' },
  },
  distributorParameters: {
    steps: [
      {
        id: 'build',
        name: 'gcr.io/cloud-builders/docker',
        entrypoint: 'docker',
        args: ['build', '-t', '${_IMAGE}', '.'],
        env: ['DOCKER_BUILDKIT=1'],
        dir: 'app',
        timeout: '1200s',
      },
      { id: 'lint', name: 'node:24', script: 'npm run lint', waitFor: ['-'], allowFailure: true },
      { name: 'ubuntu', args: ['test'], waitFor: ['build', 'lint'], allowExitCodes: [3] },
    ],
    source: { storageSource: { bucket: 'my-sources', object: 'app.tar.gz' } },
    substitutions: { _IMAGE: 'us-docker.pkg.dev/my-project/apps/app' },
    images: ['${_IMAGE}'],
    artifacts: { objects: { location: 'gs://my-artifacts/$BUILD_ID/', paths: ['out/*'] } },
    machineType: 'E2_HIGHCPU_32',
  },
};

const FULL_CONFIG = {
  serviceAccounts: ['first@my-project.iam.gserviceaccount.com', 'second@my-project.iam.gserviceaccount.com'],
  machineTypes: ['E2_HIGHCPU_8', 'E2_HIGHCPU_32'],
  workerPool: 'projects/my-project/locations/us-central1/workerPools/my-pool',
  diskSizeGb: 200,
  topic: 'builds',
  logsBucket: 'gs://my-logs',
};

/** The body of the start of this quest. */
async function startOf(part: Partial<QuestDesc>, config: object = {}, previousState?: JsonObject): Promise<JsonObject> {
  const { service, distributor } = await setUpCloudBuild(config);
  const quest = questOf({ ...MINIMAL, ...part });
  distributor.validate(quest);
  await distributor.run(describeTask(quest, previousState && { previousState }));
  return JSON.parse(service.requests.find(({ method }) => method === 'POST')?.body ?? '') as JsonObject;
}

test('every request is as it was', async () => {
  const { service, distributor } = await setUpCloudBuild();
  const quest = questOf(MINIMAL);
  const task = describeTask(quest);
  const { token } = await distributor.run(task);
  await distributor.getStatus({ executionId: task.executionId, token }, quest);
  await distributor.cancel({ executionId: task.executionId }, quest);
  service.emptyPages = 1;
  await distributor.handleNotification({ executionId: task.executionId, data: '', attributes: {} }, quest);
  expectGolden('cloud-build', service.requests);
});

test('a start with everything is as it was', async () => {
  const { service, distributor } = await setUpCloudBuild(FULL_CONFIG);
  const quest = questOf(EVERYTHING);
  distributor.validate(quest);
  await distributor.run(describeTask(quest));
  expectGolden('cloud-build-everything', service.requests);
});

test('a project of a domain is one part of a path', async () => {
  const { service, distributor } = await setUpCloudBuild({ project: 'example.com:my-project' });
  const { token } = await distributor.run(describeTask(questOf(MINIMAL)));
  expect(token).toBe(`projects/example.com:my-project/locations/us-central1/builds/${service.builds[0]?.id}`);
  expect(service.requests[1]?.path).toBe('/v1/projects/example.com%3Amy-project/locations/us-central1/builds');
});

describe('time limits are passed on:', () => {
  type Timeouts = NonNullable<QuestDesc['meta']['timeouts']>;
  const DEFAULTS = { timeout: '86400s', queueTtl: '3600s' };

  test.each<[Timeouts, Timeouts, object]>([
    [{}, {}, DEFAULTS],
    [{}, { run: '60s', start: '30s' }, { timeout: '60s', queueTtl: '30s' }],
    [{ run: '10s' }, { run: '60s' }, { timeout: '10s' }],
    [{ run: '0.5s', start: '0.001s' }, {}, { timeout: '1s', queueTtl: '1s' }],
    [{ run: '0s', start: '0s' }, { run: '60s' }, { timeout: '86400s', queueTtl: '86400s' }],
    [{ run: '100000s', start: '100000s' }, {}, { timeout: '86400s', queueTtl: '86400s' }],
  ])("a quest's %j under a config's %j", async (timeouts, configured, expected) => {
    const { timeout, queueTtl } = await startOf({ meta: { timeouts } }, { timeouts: configured });
    expect({ timeout, queueTtl }).toMatchObject(expected);
  });
});

describe('who and where is the config to say:', () => {
  test('the first account and machine are used where a quest does not say', async () => {
    expect(await startOf({}, FULL_CONFIG)).toMatchObject({
      serviceAccount: 'projects/my-project/serviceAccounts/first@my-project.iam.gserviceaccount.com',
      options: { machineType: 'E2_HIGHCPU_8' },
    });
  });

  test('an account of its own logs to Cloud Logging, since it may not write to the default bucket', async () => {
    const { serviceAccounts } = FULL_CONFIG;
    expect(await startOf({}, { serviceAccounts })).toMatchObject({ options: { logging: 'CLOUD_LOGGING_ONLY' } });
  });

  test.each([
    [undefined, undefined],
    ['projects/my-project/topics/cloud-builds', undefined],
    ['projects/another/topics/cloud-builds', 'projects/another/topics/cloud-builds'],
    // In the distributor's project, where deploy.sh subscribes to it.
    ['builds', 'projects/test/topics/builds'],
  ])('with the topic %s it is told to publish to %s', async (topic, pubsubTopic) => {
    const { options } = await startOf({}, topic === undefined ? {} : { topic });
    expect((options as JsonObject).pubsubTopic).toBe(pubsubTopic);
  });
});

test('parameters reach the steps as JSON in which nothing is substituted', async () => {
  const parameters = { a: '$PROJECT_ID ${_X} $$', b: ['ü', '\u2028', { $: 1 }] };
  const { options } = await startOf({ parameters });
  const [variable = ''] = (options as { env: string[] }).env;
  expect(variable).toMatch(/^QUEST_PARAMETERS=[^$]*$/);
  expect(JSON.parse(variable.replace('QUEST_PARAMETERS=', ''))).toEqual(parameters);
});

describe('inputs that were resolved before are used again:', () => {
  const REPOSITORY = 'projects/my-project/locations/us-central1/connections/c/repositories/r';

  test.each<[string, JsonObject, JsonObject, JsonObject]>([
    [
      'the generation of an object',
      { storageSource: { bucket: 'bucket', object: 'o' } },
      { storageSource: { bucket: 'bucket', object: 'o', generation: '17' } },
      { storageSource: { bucket: 'bucket', object: 'o', generation: '17' } },
    ],
    [
      'the commit of a Git repository',
      { gitSource: { url: 'https://h.test/r', revision: 'main', dir: 'sub' } },
      { gitSource: { url: 'https://h.test/r', revision: 'c0ffee', dir: 'sub' } },
      { gitSource: { url: 'https://h.test/r', revision: 'c0ffee', dir: 'sub' } },
    ],
    [
      'the commit of a connected repository',
      { connectedRepository: { repository: REPOSITORY, revision: 'main' } },
      { connectedRepository: { repository: REPOSITORY, revision: 'c0ffee' } },
      { connectedRepository: { repository: REPOSITORY, revision: 'c0ffee' } },
    ],
    [
      'nothing of another object',
      { storageSource: { bucket: 'bucket', object: 'o' } },
      { storageSource: { bucket: 'bucket', object: 'p', generation: '17' } },
      { storageSource: { bucket: 'bucket', object: 'o' } },
    ],
    [
      'nothing of another kind of source',
      { gitSource: { url: 'https://h.test/r', revision: 'main' } },
      { storageSource: { bucket: 'bucket', object: 'o', generation: '17' } },
      { gitSource: { url: 'https://h.test/r', revision: 'main' } },
    ],
    [
      'nothing that was not resolved',
      { gitSource: { url: 'https://h.test/r', revision: 'main' } },
      { gitSource: { url: 'https://h.test/r' } },
      { gitSource: { url: 'https://h.test/r', revision: 'main' } },
    ],
    [
      'nothing that is not a source',
      { gitSource: { url: 'https://h.test/r', revision: 'main' } },
      { gitSource: 'https://h.test/r' },
      { gitSource: { url: 'https://h.test/r', revision: 'main' } },
    ],
  ])('%s', async (_, source, resolved, expected) => {
    const steps = [{ name: 'ubuntu' }];
    const body = await startOf({ distributorParameters: { steps, source } }, {}, { source: resolved });
    expect(body.source).toEqual(expected);
  });

  test('none where the quest has no source', async () => {
    expect((await startOf({}, {}, { source: { gitSource: { url: 'https://h.test/r' } } })).source).toBeUndefined();
  });
});
