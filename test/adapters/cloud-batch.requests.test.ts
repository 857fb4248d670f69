import { describe, expect, test } from 'vitest';
import { executionUuid } from '../../shared/adapters/execution-uuid.ts';
import { executionName } from '../../shared/adapters/execution-name.ts';
import { cloudBatchType } from '../../shared/adapters/cloud-batch/index.ts';
import { isTransient, messageOf } from '../../shared/core/errors.ts';
import { type ExecutionId, executionId } from '../../shared/core/ids.ts';
import type { QuestDesc } from '../../shared/core/quest.ts';
import { parseWith } from '../../shared/core/validation.ts';
import { describeTask, questOf } from '../support/drive.ts';
import { ACCOUNT, type FakeJob, serveCloudBatch } from '../support/fakes/cloud-batch.ts';
import { CONFIG, createBatch, createDistributor, IMAGE } from '../support/fakes/cloud-batch-adapter.ts';
import { impatientHttp } from '../support/fake-service.ts';
import { expectGolden } from '../support/golden.ts';
import { fakeServices } from '../support/services.ts';

const QUEST = questOf({ distributorParameters: { image: IMAGE } });
const TASK = describeTask(QUEST);
const { executionId: ID } = TASK;

const failureOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    answer => expect.fail(`answered ${JSON.stringify(answer)}`),
    (error: unknown) => error,
  );

const FULL_CONFIG = {
  topic: 'batch-jobs',
  serviceAccounts: [ACCOUNT, 'big-jobs@acme-jobs.iam.gserviceaccount.com'],
  networks: [
    { network: 'global/networks/plain', subnetwork: 'regions/us-central1/subnetworks/plain' },
    {
      network: 'projects/acme-net/global/networks/shared',
      subnetwork: 'projects/acme-net/regions/us-central1/subnetworks/jobs',
      externalIp: false,
    },
  ],
  machineTypes: ['e2-standard-4', 'g2-standard-8'],
  labels: { team: 'video', cost_center: '42' },
};

const FULL_QUEST = questOf({
  parameters: { title: 'Ωmega', frames: [1, 2] },
  distributorParameters: {
    image: IMAGE,
    entrypoint: '/bin/encode',
    commands: ['--fast', 'a b'],
    env: { MODE: 'final' },
    secretEnv: { API_KEY: 'projects/acme-jobs/secrets/api-key/versions/latest' },
    cpuMilli: 4000,
    memoryMib: 16_384,
    machineType: 'g2-standard-8',
    provisioningModel: 'SPOT',
    bootDisk: { sizeGb: 100, type: 'pd-ssd' },
    installGpuDrivers: true,
    taskCount: 10,
    parallelism: 5,
    subnetwork: 'projects/acme-net/regions/us-central1/subnetworks/jobs',
  },
  meta: { asAccount: 'big-jobs@acme-jobs.iam.gserviceaccount.com', timeouts: { run: '5400.5s' } },
});

test('every request that is sent is as in the golden file', async () => {
  const service = await serveCloudBatch({ accounts: FULL_CONFIG.serviceAccounts });
  const services = fakeServices({ http: impatientHttp, accessToken: async () => 'ya29.secret' });
  const plain = createDistributor({ endpoint: service.url }, services);
  const full = createDistributor({ endpoint: service.url, ...FULL_CONFIG }, services);
  const script = questOf({ distributorParameters: { script: '#!/bin/bash\nmake "$QUEST_PARAMETERS"\n' } });

  const { token } = await plain.run(TASK);
  await full.run(describeTask(FULL_QUEST, { attempt: 2, execution: 3 }));
  await full.run(describeTask(script));
  await plain.getStatus({ executionId: ID, token }, QUEST);
  await plain.handleNotification({ executionId: ID, data: '', attributes: {} }, QUEST);
  service.jobs.get(token)!.status = { state: 'FAILED' };
  await plain.getStatus({ executionId: ID, token }, QUEST);
  await plain.cancel({ executionId: ID }, QUEST);
  expectGolden('cloud-batch', service.requests);
});

describe('a start', () => {
  test('of the same execution is one job by its name, when the request id is long forgotten', async () => {
    let now = 0;
    const service = await serveCloudBatch({ now: () => now });
    const services = fakeServices({ http: impatientHttp, accessToken: async () => 'ya29.secret' });
    const distributor = createDistributor({ endpoint: service.url }, services);
    const first = await distributor.run(TASK);
    now += 61 * 60_000;
    service.only().status = { state: 'RUNNING' };
    expect(await distributor.run(TASK)).toEqual(first);
    expect(service.only().name).toBe(first.token);
  });

  test('is found again though the process and all its memory are lost', async () => {
    const { service, distributor } = await createBatch();
    service.fail(/^POST/, 'lost');
    await failureOf(distributor.run(TASK));
    const services = fakeServices({ http: impatientHttp, accessToken: async () => 'ya29.secret' });
    const { token } = await createDistributor({ endpoint: service.url }, services).run(describeTask(QUEST));
    expect(service.only().name).toBe(token);
  });

  test('names the job by its execution, and labels the job and its VMs', async () => {
    const { service, distributor, nameOf } = await createBatch();
    expect(await distributor.run(TASK)).toEqual({ token: nameOf(executionName(ID)), pollAfterMs: 60_000 });
    const { labels, allocationPolicy } = service.only().definition;
    expect(labels).toEqual({ 'distributor-execution': executionName(ID) });
    expect(allocationPolicy?.labels).toEqual(labels);
  });

  test.each<[string, object]>([
    ['there are notifications', { topic: 'batch-jobs' }],
    ['the config says how often to poll', { pollInterval: '20s' }],
  ])('leaves the polls to the distributor where %s', async (_, config) => {
    const { distributor } = await createBatch(config);
    expect(await distributor.run(TASK)).not.toHaveProperty('pollAfterMs');
  });

  test('that Batch refuses is a final error in its words', async () => {
    const { service, distributor } = await createBatch({
      serviceAccounts: ['other@acme-jobs.iam.gserviceaccount.com'],
    });
    const error = await failureOf(distributor.run(TASK));
    expect(isTransient(error)).toBe(false);
    expect(messageOf(error)).toMatch(
      /answered 400: caller does not have access to act as the specified service account/,
    );
    expect(service.jobs.size).toBe(0);
  });

  test('that meets a conflict is tried again: only ALREADY_EXISTS means that the job is there', async () => {
    const { service, distributor } = await createBatch();
    const body = { error: { code: 409, status: 'ABORTED', message: 'concurrent change' } };
    service.fail(/^POST/, { status: 409, body });
    expect(isTransient(await failureOf(distributor.run(TASK)))).toBe(true);
    expect(service.jobs.size).toBe(0);
  });

  test('that meets a conflict of no name may have been made before', async () => {
    const { service, distributor } = await createBatch();
    await distributor.run(TASK);
    service.fail(/^POST/, { status: 409, body: 'Conflict' });
    expect((await distributor.run(TASK)).token).toBe(service.only().name);
  });

  test.each([400, 404])(
    'that is refused with %i after it was accepted, and the answer lost, is found',
    async status => {
      const { service, distributor } = await createBatch();
      service.fail(/^POST/, 'lost', { status, body: { error: { message: 'the subnetwork is gone' } } });
      await failureOf(distributor.run(TASK));
      expect((await distributor.run(TASK)).token).toBe(service.only().name);
    },
  );

  test.each<[string | undefined, string | undefined, string]>([
    [undefined, undefined, '86400s'],
    [undefined, '600s', '600s'],
    ['90.5s', '600s', '90.5s'],
    ['0s', undefined, '1209600s'],
    ['99999999s', undefined, '1209600s'],
  ])('limits each task: quest %s, distributor %s -> %s, and never retries it', async (quest, config, limit) => {
    const { service, distributor } = await createBatch(config === undefined ? {} : { timeouts: { run: config } });
    const meta: QuestDesc['meta'] = quest === undefined ? {} : { timeouts: { run: quest } };
    await distributor.run(describeTask(questOf({ ...QUEST, meta })));
    expect(taskSpecOf(service.only())).toMatchObject({ maxRunDuration: limit, maxRetryCount: 0 });
  });

  test('hands over the parameters and the execution, and holds no secret', async () => {
    const { service, distributor } = await createBatch();
    const task = describeTask(questOf({ ...QUEST, parameters: { b: [1], a: 'x' } }));
    await distributor.run(task);
    expect(taskSpecOf(service.only()).environment?.variables).toEqual({
      DISTRIBUTOR_EXECUTION: task.executionId,
      QUEST_PARAMETERS: '{"a":"x","b":[1]}',
    });
    const sent = JSON.stringify(service.requests.map(({ path, body }) => [path, body]));
    expect(sent).not.toContain(task.executionAuth.activationToken);
    expect(sent).not.toContain(task.prepareTopic().attributes.auth_token);
  });

  test('takes the largest parameters that a variable can hold', async () => {
    const { service, distributor } = await createBatch();
    const quest = questOf({
      ...QUEST,
      parameters: { x: 'é'.repeat((128 * 1024 - 1 - 'QUEST_PARAMETERS={"x":""}'.length) / 2) },
    });
    distributor.validate(quest);
    await distributor.run(describeTask(quest));
    expect(service.jobs.size).toBe(1);
  });
});

function taskSpecOf({ definition }: FakeJob) {
  return definition.taskGroups[0]!.taskSpec;
}

describe('a cancel', () => {
  const ENDED = ['SUCCEEDED', 'FAILED', 'CANCELLED', 'CANCELLATION_IN_PROGRESS', 'DELETION_IN_PROGRESS'];

  test.each(['QUEUED', 'SCHEDULED', 'RUNNING'])('stops a job that is %s, by its execution alone', async state => {
    const { service, distributor } = await createBatch();
    const { token } = await distributor.run(TASK);
    service.only().status = { state, runDuration: '5s' };
    await distributor.cancel({ executionId: ID }, QUEST);
    expect(service.only().status.state).toBe('CANCELLATION_IN_PROGRESS');
    const handle = { executionId: ID, token };
    expect((await distributor.getStatus(handle, QUEST)).state).toBe('running');
    expect(await distributor.getStatus(handle, QUEST)).toMatchObject({
      result: { abnormalFinish: { status: 'CANCELLED' } },
    });
  });

  test.each(ENDED)('of a job that has become %s meanwhile succeeds', async state => {
    const { service, distributor } = await createBatch();
    await distributor.run(TASK);
    service.only().status = { state };
    await distributor.cancel({ executionId: ID }, QUEST);
    expect(ENDED).toContain(service.only().status.state);
  });

  test.each(['QUEUED', 'RUNNING', 'HIBERNATING'])('that is refused while the job is %s is an error', async state => {
    const { service, distributor } = await createBatch();
    await distributor.run(TASK);
    service.only().status = { state };
    service.fail(/:cancel/, {
      status: 400,
      body: { error: { code: 400, status: 'FAILED_PRECONDITION', message: 'not now' } },
    });
    expect(messageOf(await failureOf(distributor.cancel({ executionId: ID }, QUEST)))).toMatch(/not now/);
  });

  test('of a job that is deleted between the refusal and the second look succeeds', async () => {
    const { service, distributor } = await createBatch();
    service.fail(/:cancel/, { status: 400, body: { error: { message: 'it has ended' } } });
    await distributor.cancel({ executionId: ID }, QUEST);
    expect(service.requests.map(({ method }) => method)).toEqual(['POST', 'GET']);
  });

  test('whose operation failed at once is tried again', async () => {
    const { service, distributor } = await createBatch();
    await distributor.run(TASK);
    service.fail(/:cancel/, { body: { name: 'operations/1', done: true, error: { code: 13, message: 'broke' } } });
    const error = await failureOf(distributor.cancel({ executionId: ID }, QUEST));
    expect(isTransient(error)).toBe(true);
    expect(messageOf(error)).toContain('broke');
  });

  test('by whom may not cancel says so', async () => {
    const { service, distributor } = await createBatch();
    await distributor.run(TASK);
    service.fail(/:cancel/, {
      status: 403,
      body: { error: { code: 403, status: 'PERMISSION_DENIED', message: 'batch.jobs.cancel' } },
    });
    expect(await failureOf(distributor.cancel({ executionId: ID }, QUEST))).toMatchObject({ status: 403 });
  });
});

describe('a notification', () => {
  const distributor = createDistributor();
  const name = executionName(ID);
  const full = `projects/123456/locations/us-central1/jobs/${name}`;
  const of = (attributes: Record<string, string>, data = ''): ExecutionId | undefined =>
    distributor.executionOf?.({ attributes, data });

  test.each<[string, Record<string, string>, string]>([
    [
      'as it is documented',
      { Type: 'JOB_STATE_CHANGED', JobName: full, JobUID: `${name.slice(0, 30)}-uid`, NewJobState: 'RUNNING' },
      '',
    ],
    ['under other attributes', { job_name: full }, ''],
    ['with the bare name', { JobId: name }, ''],
    ['with a full URL', { resource: `//batch.googleapis.com/${full}` }, ''],
    ['in its data', { NewJobState: 'FAILED' }, JSON.stringify({ name: full, status: { state: 'FAILED' } })],
    ['in data that escapes slashes', {}, JSON.stringify({ name: full }).replaceAll('/', String.raw`\/`)],
    ['by a label in its data', {}, JSON.stringify({ job: { labels: { 'distributor-execution': name } } })],
    ['in data that is no JSON', {}, `${full} is RUNNING`],
  ])('names its execution %s', (_, attributes, data) => expect(of(attributes, data)).toBe(ID));

  test.each<[string, Record<string, string>, string]>([
    ['nothing', {}, ''],
    ['another’s job', { JobName: 'projects/p/locations/us-central1/jobs/nightly' }, '{}'],
    ['a name that ours is a part of', { JobName: `${full}-x`, JobUID: `${name}-77eb5e35` }, `x${name} ${name}0000000`],
    ['absurd things', { '': '\ud800', a: '-'.repeat(10_000) }, '['.repeat(100_000)],
  ])('about %s is about none', (_, attributes, data) => expect(of(attributes, data)).toBeUndefined());

  test('is a hint: the job is asked, whatever the message says', async () => {
    const { service, distributor: asking } = await createBatch({ topic: 'batch-jobs' });
    await asking.run(TASK);
    service.only().status = { state: 'RUNNING' };
    const attributes = { JobName: full, NewJobState: 'SUCCEEDED' };
    expect(await asking.handleNotification({ executionId: ID, attributes, data: '' }, QUEST)).toEqual({
      state: 'running',
    });
  });

  test.each([
    // Where we run, and not where the jobs do: there it is subscribed.
    ['batch-jobs', 'projects/test/topics/batch-jobs'],
    ['projects/other/topics/all', 'projects/other/topics/all'],
  ])('is asked for on topic %s', async (topic, pubsubTopic) => {
    const { service, distributor: notified } = await createBatch({ topic });
    await notified.run(TASK);
    expect(service.only().definition.notifications).toEqual([{ pubsubTopic, message: { type: 'JOB_STATE_CHANGED' } }]);
  });

  test('is not asked for without a topic', async () => {
    const { service, distributor: silent } = await createBatch();
    await silent.run(TASK);
    expect(service.only().definition).not.toHaveProperty('notifications');
  });
});

describe('the page of a job', () => {
  test('is the console’s', async () => {
    const { distributor, nameOf } = await createBatch();
    expect(distributor.infoUrl(nameOf('j-1'))).toBe(
      'https://console.cloud.google.com/batch/jobsDetail/regions/us-central1/jobs/j-1/details?project=acme-jobs',
    );
  });

  test.each([
    '',
    'j-1',
    'projects/p/locations/l/jobs/',
    'projects/p/locations/l/jobs/a/b',
    'projects/p/locations/../jobs/a',
    'projects/p?/locations/l/jobs/a\n',
  ])('of %j is none', token => expect(createDistributor().infoUrl(token)).toBeUndefined());
});

describe('the config', () => {
  const parse = (config: object) => parseWith(cloudBatchType.configSchema, config, 'config');

  test('has defaults', () => {
    expect(parse(CONFIG)).toEqual({ ...CONFIG, endpoint: 'https://batch.googleapis.com', networks: [], labels: {} });
  });

  test.each<[object, string]>([
    [{ project: undefined }, 'config.project'],
    [{ project: 'Acme Jobs' }, 'config.project'],
    [{ project: 'acme/../x' }, 'config.project'],
    [{ location: undefined }, 'config.location'],
    [{ location: 'us-central1-a' }, 'config.location'],
    [{ location: 'global' }, 'config.location'],
    [{ serviceAccounts: undefined }, 'config.serviceAccounts'],
    [{ serviceAccounts: [] }, 'config.serviceAccounts'],
    [{ serviceAccounts: ['me@acme.test'] }, 'config.serviceAccounts[0]'],
    [{ networks: [{ network: 'default' }] }, 'config.networks[0].network'],
    [{ networks: [{ network: 'global/networks/n', subnetwork: 'n' }] }, 'config.networks[0].subnetwork'],
    [
      { networks: [{ network: 'global/networks/n', subnetwork: 'regions/r/subnetworks/s', ip: 1 }] },
      'config.networks[0]',
    ],
    [{ machineTypes: [] }, 'config.machineTypes'],
    [{ machineTypes: ['big one'] }, 'config.machineTypes[0]'],
    [{ labels: { Team: 'x' } }, 'config.labels.Team'],
    [{ labels: { team: 'X Y' } }, 'config.labels.team'],
    [{ labels: { 'goog-team': 'x' } }, 'config.labels.goog-team'],
    [{ labels: { 'distributor-execution': 'x' } }, 'config.labels.distributor-execution'],
    [{ labels: Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`l${i}`, ''])) }, 'config.labels'],
    [{ topic: 'no/topic' }, 'config.topic'],
    [{ endpoint: 'batch.googleapis.com' }, 'config.endpoint'],
    [{ endpoint: 'https://user:pass@batch.test' }, 'config.endpoint'],
    [{ token: 'env:X' }, 'config'],
  ])('%j is refused', (config, field) => {
    expect(() => parse({ ...CONFIG, ...config })).toThrow(expect.objectContaining({ name: 'InvalidArgument', field }));
  });

  test.each<[object, object, string]>([
    [{ machineTypes: ['e2-standard-4'] }, { machineType: 'a3-megagpu-8g' }, 'distributorParameters.machineType'],
    [
      { networks: FULL_CONFIG.networks },
      { subnetwork: 'regions/us-central1/subnetworks/other' },
      'distributorParameters.subnetwork',
    ],
    [{}, { subnetwork: 'regions/us-central1/subnetworks/plain' }, 'distributorParameters.subnetwork'],
  ])('%j does not allow %j', (config, parameters, field) => {
    const quest = questOf({ distributorParameters: { image: IMAGE, ...parameters } });
    expect(() => createDistributor(config).validate(quest)).toThrow(
      expect.objectContaining({ name: 'InvalidArgument', field }),
    );
  });

  test('allows what it names, and gives the first of it to quests that do not say', async () => {
    const { service, distributor } = await createBatch(FULL_CONFIG);
    distributor.validate(FULL_QUEST);
    await distributor.run(TASK);
    expect(service.only().definition.allocationPolicy).toMatchObject({
      instances: [{ policy: { machineType: 'e2-standard-4', provisioningModel: 'STANDARD' } }],
      serviceAccount: { email: ACCOUNT },
      network: { networkInterfaces: [{ subnetwork: 'regions/us-central1/subnetworks/plain' }] },
    });
  });
});

test('a request id is a UUID of the execution alone', () => {
  const quest = 'x'.repeat(43) as Parameters<typeof executionId>[0];
  const ids = [executionId(quest, 1, 1), executionId(quest, 1, 2), executionId(quest, 2, 1)];
  const uuids = ids.map(executionUuid);
  expect(uuids[0]).toBe('d6572f36-b5d1-540a-86b3-5559ff37ce2a');
  expect(ids.map(executionUuid)).toEqual(uuids);
  expect(new Set(uuids).size).toBe(3);
  for (const uuid of uuids)
    expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
