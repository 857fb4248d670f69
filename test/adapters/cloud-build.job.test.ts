import { describe, expect, test } from 'vitest';
import type { Services } from '../../shared/adapters/contract.ts';
import { executionName } from '../../shared/adapters/execution-name.ts';
import { isCredentialError, isTransient, messageOf, TransientError } from '../../shared/core/errors.ts';
import type { JsonObject } from '../../shared/core/json.ts';
import { describeTask, questOf } from '../support/drive.ts';
import { setUpCloudBuild } from '../support/fakes/cloud-build.ts';
import { manualClock } from '../support/services.ts';

const QUEST = questOf({ distributorParameters: { steps: [{ name: 'ubuntu', args: ['true'] }] } });
const TASK = describeTask(QUEST);
const { executionId } = TASK;
const TAG = executionName(executionId);

const START = /^POST .*\/builds$/;
const LIST = /^GET .*\/builds\?/;
const CANCEL = /:cancel$/;

async function setUp(config: object = {}, overrides: Partial<Services> = {}) {
  const made = await setUpCloudBuild(config, overrides);
  const { service, distributor } = made;
  const tokens = () => service.builds.map(({ id }) => `projects/my-project/locations/us-central1/builds/${id}`);
  const failureOf = (call: Promise<unknown>): Promise<unknown> =>
    call.then(
      () => undefined,
      (error: unknown) => error,
    );
  return {
    ...made,
    tokens,
    failureOf,
    run: () => distributor.run(TASK),
    statuses: () => service.builds.map(({ status }) => status),
    /** A start whose answer nobody gets. */
    async loseStart() {
      service.fail(START, 'lost');
      return failureOf(distributor.run(TASK));
    },
  };
}

describe('a start', () => {
  test('is looked for by the tag before each start', async () => {
    const { run, service, tokens } = await setUp();
    expect((await run()).token).toBe(tokens()[0]);
    expect(service.builds[0]?.tags).toEqual([TAG]);
    service.builds[0]!.status = 'SUCCESS';
    expect((await run()).token).toBe(tokens()[0]);
    expect(service.builds).toHaveLength(1);
  });

  test('is not made while the search is refused', async () => {
    const { run, service, failureOf, loseStart, tokens } = await setUp();
    await loseStart();
    service.fail(LIST, { status: 400, body: { error: { message: 'no such filter' } } });
    const error = await failureOf(run());
    expect(isTransient(error)).toBe(true);
    expect(messageOf(error)).toContain('no such filter');
    expect((await run()).token).toBe(tokens()[0]);
  });

  test('in a project that there is not is refused', async () => {
    const { run, service, failureOf } = await setUp();
    const fault = { status: 404, body: { error: { status: 'NOT_FOUND', message: 'project not found' } } };
    service.fail(LIST, fault);
    service.fail(START, fault);
    expect(await failureOf(run())).toMatchObject({ status: 404, message: /project not found/ });
  });

  test('is found on a page after empty ones', async () => {
    const { run, service, tokens } = await setUp();
    await run();
    service.emptyPages = 3;
    expect((await run()).token).toBe(tokens()[0]);
    expect(service.builds).toHaveLength(1);
  });

  test('is not made while pages have no end', async () => {
    const { run, service, failureOf } = await setUp();
    service.emptyPages = 1000;
    expect(isTransient(await failureOf(run()))).toBe(true);
    expect(service.builds).toHaveLength(0);
  });

  test('is not made when the list is an error inside of a success', async () => {
    const { run, service, failureOf } = await setUp();
    service.fail(LIST, { body: { error: { code: 13, message: 'something broke' } } });
    const error = await failureOf(run());
    expect(isTransient(error)).toBe(true);
    expect(service.builds).toHaveLength(0);
  });

  test('of another execution is not this one', async () => {
    const { distributor, service } = await setUp();
    await distributor.run(TASK);
    await distributor.run(describeTask(QUEST, { execution: 2 }));
    await distributor.run(describeTask(QUEST, { attempt: 2 }));
    expect(new Set(service.builds.map(({ tags }) => tags[0])).size).toBe(3);
  });

  test('is not mistaken for a build whose tag is only like ours, however the filter compares', async () => {
    const { run, service, tokens } = await setUp();
    service.fail(LIST, { body: { builds: [{ id: 'b-1', status: 'WORKING', tags: [`${TAG}0`] }] } });
    expect((await run()).token).toBe(tokens()[0]);
    expect(service.builds).toHaveLength(1);
  });

  test('whose answer was lost is given time to appear in lists', async () => {
    const { loseStart } = await setUp();
    expect(await loseStart()).toMatchObject({ name: 'TransientError', retryAfterMs: 30_000 });
  });

  test('that lists do not show in time is made again', async () => {
    const { run, service, loseStart, tokens, statuses } = await setUp();
    service.lagging = true;
    await loseStart();
    expect((await run()).token).toBe(tokens()[1]);
    expect(statuses()).toEqual(['QUEUED', 'QUEUED']);
  });

  test.each([
    ['QUEUED', 'CANCELLED'],
    ['WORKING', 'CANCELLED'],
    ['SUCCESS', 'SUCCESS'],
  ])('found twice: the older one is the job, and the younger, %s, becomes %s', async (status, becomes) => {
    const { service, distributor, tokens, statuses, run } = await setUp();
    await distributor.run(TASK);
    service.fail(LIST, { body: {} });
    await distributor.run(TASK);
    service.builds[1]!.status = status;
    expect((await run()).token).toBe(tokens()[0]);
    expect((await run()).token).toBe(tokens()[0]);
    expect(statuses()).toEqual(['QUEUED', becomes]);
  });

  test('found twice in the same second: the fraction decides, as a number', async () => {
    const { service, distributor, tokens } = await setUp();
    await distributor.run(TASK);
    service.fail(LIST, { body: {} });
    await distributor.run(TASK);
    Object.assign(service.builds[0]!, { createTime: '2026-11-24T00:00:01.5Z' });
    Object.assign(service.builds[1]!, { createTime: '2026-11-24T00:00:01Z' });
    expect((await distributor.run(TASK)).token).toBe(tokens()[1]);
  });

  test('does not begin when the engine may have given up before it ends', async () => {
    const clock = manualClock();
    const slowly = async () => {
      clock.advance(31_000);
      return 'ya29.secret';
    };
    const { run, service, failureOf } = await setUp({}, { clock, accessToken: slowly });
    expect(await failureOf(run())).toBeInstanceOf(TransientError);
    expect(service.builds).toHaveLength(0);
  });

  test('says how soon to poll where nothing is notified and the config does not say', async () => {
    for (const [config, pollAfterMs] of [
      [{}, 30_000],
      [{ topic: 'cloud-builds' }, undefined],
      [{ pollInterval: '60s' }, undefined],
    ] as const) {
      const { run } = await setUp(config);
      expect((await run()).pollAfterMs).toBe(pollAfterMs);
    }
  });
});

describe('a start that is refused', () => {
  const operation = (error: JsonObject, metadata?: JsonObject) => ({
    body: { name: 'operations/build/my-project/x', done: true, error, ...(metadata && { metadata }) },
  });

  test.each([3, 5, 6, 7, 9, 11, 12, 16])('inside of an operation with code %i is final', async code => {
    const { run, service, failureOf } = await setUp();
    service.fail(START, operation({ code, message: 'no such pool' }));
    const error = await failureOf(run());
    expect(isTransient(error)).toBe(false);
    expect(isCredentialError(error)).toBe(code === 7 || code === 16);
    expect(error).toMatchObject({ message: expect.stringContaining('no such pool') as string });
  });

  test.each([0, 1, 2, 4, 8, 10, 13, 14, 15, 99])('inside of an operation with code %i is tried again', async code => {
    const { run, service, failureOf } = await setUp();
    service.fail(START, operation({ code, message: 'try later' }));
    expect(await failureOf(run())).toMatchObject({ name: 'TransientError', message: /try later/ });
  });

  test('inside of an operation that has a build all the same is for the build to say', async () => {
    const { run, service } = await setUp();
    service.fail(START, operation({ code: 9, message: 'failed at once' }, { build: { id: 'b-1' } }));
    expect((await run()).token).toBe('projects/my-project/locations/us-central1/builds/b-1');
  });

  test('by an operation without anything is ambiguous', async () => {
    const { run, service, failureOf } = await setUp();
    service.fail(START, { body: { name: 'operations/x' } });
    expect(await failureOf(run())).toMatchObject({ name: 'TransientError', retryAfterMs: 30_000 });
  });

  test('by 400 is final, and says why', async () => {
    const { distributor, failureOf } = await setUp({ machineTypes: ['C9_GIANT'] });
    const error = await failureOf(distributor.run(TASK));
    expect(isTransient(error)).toBe(false);
    expect(error).toMatchObject({ status: 400, message: /machineType/ });
  });
});

describe('a token', () => {
  test.each([
    '',
    'b-1',
    'projects/my-project/locations/us-central1/builds/',
    'projects/my-project/locations/us-central1/builds/../x',
    'projects/my-project/locations/us-central1/builds/a:cancel',
    'projects/my-project/locations/europe-west1/builds/b-1',
    'projects/another/locations/us-central1/builds/b-1',
  ])('%j is not ours: nobody is asked', async token => {
    const { distributor, service, failureOf } = await setUp();
    expect(isTransient(await failureOf(distributor.getStatus({ executionId, token }, QUEST)))).toBe(false);
    await distributor.cancel({ executionId, token }, QUEST);
    expect(distributor.infoUrl(token)).toBeUndefined();
    expect(service.requests).toEqual([]);
  });

  test('leads to the page of the build', async () => {
    const { distributor } = await setUp({ project: 'example.com:my-project', location: 'global' });
    expect(distributor.infoUrl('projects/example.com:my-project/locations/global/builds/b-1')).toBe(
      'https://console.cloud.google.com/cloud-build/builds;region=global/b-1?project=example.com%3Amy-project',
    );
  });

  test('whose build was forgotten is a final error', async () => {
    const { distributor, service, run, failureOf } = await setUp();
    const { token } = await run();
    service.forget(service.builds[0]!.id);
    const error = await failureOf(distributor.getStatus({ executionId, token }, QUEST));
    expect(error).toMatchObject({ status: 404 });
    await distributor.cancel({ executionId, token }, QUEST);
  });
});

describe('a cancel', () => {
  test('that comes when the build has just ended succeeds', async () => {
    const { distributor, service, run, statuses } = await setUp();
    const { token } = await run();
    service.builds[0]!.status = 'FAILURE';
    await distributor.cancel({ executionId, token }, QUEST);
    expect(statuses()).toEqual(['FAILURE']);
  });

  test('of a build in a state that nobody has heard of is made, and is no success where it is refused', async () => {
    const { distributor, service, run, statuses, failureOf } = await setUp();
    const { token } = await run();
    service.builds[0]!.status = 'HIBERNATING';
    service.fail(CANCEL, { status: 400, body: { error: { message: 'not now' } } });
    expect(await failureOf(distributor.cancel({ executionId, token }, QUEST))).toMatchObject({ message: /not now/ });
    service.fail(CANCEL, { status: 400, body: { error: { message: 'not now' } } });
    expect(await failureOf(distributor.cancel({ executionId }, QUEST))).toMatchObject({ message: /not now/ });
    expect(statuses()).toEqual(['HIBERNATING']);
  });

  test('that is refused while the build goes on is an error', async () => {
    const { distributor, service, run, failureOf } = await setUp();
    const { token } = await run();
    service.fail(CANCEL, { status: 400, body: { error: { status: 'FAILED_PRECONDITION', message: 'not now' } } });
    expect(await failureOf(distributor.cancel({ executionId, token }, QUEST))).toMatchObject({ message: /not now/ });
  });

  test('of a build that was started twice stops that one only', async () => {
    const { distributor, service, tokens, statuses } = await setUp();
    await distributor.run(TASK);
    service.fail(LIST, { body: {} });
    await distributor.run(TASK);
    await distributor.cancel({ executionId, token: tokens()[1]! }, QUEST);
    expect(statuses()).toEqual(['QUEUED', 'CANCELLED']);
  });

  test('without a token stops all builds of the execution', async () => {
    const { distributor, service, loseStart, statuses } = await setUp();
    await loseStart();
    service.fail(LIST, { body: {} });
    await loseStart();
    await distributor.run(describeTask(QUEST, { execution: 2 }));
    await distributor.cancel({ executionId }, QUEST);
    expect(statuses()).toEqual(['CANCELLED', 'CANCELLED', 'QUEUED']);
  });
});

describe('a message of the topic', () => {
  const message = (build: unknown) => ({
    data: JSON.stringify(build),
    attributes: { buildId: 'b-1', status: 'SUCCESS' },
  });

  test('is about the execution that the tags name', async () => {
    const { distributor } = await setUp();
    expect(distributor.executionOf?.(message({ id: 'b-1', tags: ['nightly', TAG] }))).toBe(executionId);
  });

  test.each([
    ['another build', { id: 'b-1', tags: ['nightly'] }],
    ['a build without tags', { id: 'b-1' }],
    ['strange tags', { tags: [1, null, {}, ['x']] }],
    ['tags that are no list', { tags: TAG }],
    ['no build', null],
    ['a list', [TAG]],
  ])('with %s is about nobody', async (_, build) => {
    const { distributor } = await setUp();
    expect(distributor.executionOf?.(message(build))).toBeUndefined();
  });

  test.each(['', '{"tags":', '\ud800', '['.repeat(200_000)])('that is no JSON is about nobody (%#)', async data => {
    const { distributor } = await setUp();
    expect(distributor.executionOf?.({ data, attributes: {} })).toBeUndefined();
  });

  test('is a hint: the service is asked', async () => {
    const { distributor, service, run } = await setUp();
    await run();
    const notification = { executionId, ...message({ id: 'b-1', status: 'SUCCESS', tags: [TAG] }) };
    expect(await distributor.handleNotification(notification, QUEST)).toEqual({ state: 'pending' });
    service.builds[0]!.status = 'WORKING';
    expect(await distributor.handleNotification(notification, QUEST)).toEqual({ state: 'running' });
  });

  test('about a build that is not there is of no interest', async () => {
    const { distributor } = await setUp();
    expect(await distributor.handleNotification({ executionId, ...message({}) }, QUEST)).toBeUndefined();
  });
});

test('a build is asked for without what makes it large', async () => {
  const { distributor, service, run } = await setUp();
  const { token } = await run();
  Object.assign(service.builds[0]!, {
    status: 'SUCCESS',
    results: { buildStepOutputs: ['x'.repeat(5 * 1024 * 1024)] },
  });
  expect(await distributor.getStatus({ executionId, token }, QUEST)).toMatchObject({ state: 'finished' });
});
