import { describe, expect, test } from 'vitest';
import { createHttpClient } from '../../shared/adapters/http-client.ts';
import { jobsimType } from '../../shared/adapters/jobsim/index.ts';
import { isTransient } from '../../shared/core/errors.ts';
import type { JsonObject } from '../../shared/core/json.ts';
import { parseWith } from '../../shared/core/validation.ts';
import { adapterContract } from '../contracts/adapter.ts';
import { createDriver } from '../support/drive.ts';
import { createJobsim, http, serveJobs, simulated, verbsOf } from '../support/jobsim.ts';
import { fakeServices, manualClock } from '../support/services.ts';

const HOUR_MS = 3_600_000;
const hour = { stall: { delay: '3600s' } };

const bad = (parameters: JsonObject, field: string) => ({ quest: { parameters }, field });

adapterContract('jobsim', async () => {
  const server = await serveJobs();
  const clock = manualClock();
  const services = fakeServices({ http, clock });
  return {
    distributor: createJobsim({ pool: 'test' }, services),
    services,
    jobUrl: server.url,
    goodQuest: { parameters: { stages: [hour], returnStage: { retval: 1 } } },
    badQuests: [
      bad({}, 'parameters.stages'),
      bad({ stages: [{}] }, 'parameters.stages[0]'),
      bad({ stages: [hour, { ...hour, failure: { chance: 1 } }] }, 'parameters.stages[1]'),
      bad({ stages: [{ stall: { delay: 5 } }] }, 'parameters.stages[0].stall.delay'),
      bad({ stages: [{ stall: { delay: '-5s' } }] }, 'parameters.stages[0].stall.delay'),
      bad({ stages: [{ failure: { chance: 1.1 } }] }, 'parameters.stages[0].failure.chance'),
      bad({ stages: [{ nap: {} }] }, 'parameters.stages[0]'),
      bad({ stages: [{ deps: { deps: [{}] } }] }, 'parameters.stages[0].deps.deps[0].phrase'),
      bad({ stages: [], seed: 0.5 }, 'parameters.seed'),
      bad({ stages: [], returnStage: {} }, 'parameters.returnStage.retval'),
      bad({ stages: [], returnStage: { retval: 1, expiration: 'soon' } }, 'parameters.returnStage.expiration'),
      bad({ stages: [], more: 1 }, 'parameters'),
      { quest: { parameters: { stages: [] }, distributorParameters: { x: 1 } }, field: 'distributorParameters' },
    ],
    jobs: () => server.activations.size,
    finishJob: async () => clock.advance(HOUR_MS),
  };
});

function crashed(reason: string) {
  return { state: 'finished', result: { abnormalFinish: { status: 'CRASHED', reason } } };
}

describe('a job', () => {
  test('activates, finishes its attempt, and then tells its persistent state', async () => {
    const phrase = { stages: [], returnStage: { retval: 42, expiration: '2026-12-01T00:00:00Z' } };
    const { server, distributor, services, task, executionId, handle, quest } = await simulated(phrase);
    const driver = createDriver(distributor, services);
    expect(await driver.run(task)).toEqual({ token: handle.token });
    expect(await distributor.getStatus(handle, quest)).toEqual({ state: 'pending' });
    await driver.settle();
    expect(verbsOf(server)).toEqual(['activate', 'finish']);
    expect(server.results()).toEqual([{ data: { success: true, value: '42' }, expiration: '2026-12-01T00:00:00Z' }]);
    expect(driver.statusOf(executionId)).toEqual({ state: 'finished', result: { data: { stage: 0, sum: 0 } } });
    const [token = ''] = server.activations;
    expect(Buffer.from(token, 'base64url')).toHaveLength(32);
  });

  test('that fails finishes its attempt all the same', async () => {
    const { server, deliver } = await simulated({ stages: [{ failure: { chance: 1 } }] });
    expect(await deliver()).toHaveLength(1);
    expect(server.results()).toEqual([{ data: { success: false } }]);
  });

  test('without pollback says nothing, and only a poll finds out', async () => {
    const { deliver, distributor, handle, quest } = await simulated({ stages: [] }, { config: { doPollback: false } });
    expect(await deliver()).toEqual([]);
    expect(await distributor.getStatus(handle, quest)).toEqual({
      state: 'finished',
      result: { data: { stage: 0, sum: 0 } },
    });
  });

  test('goes on from the state of the execution before', async () => {
    const { server, deliver } = await simulated(
      { stages: [{ failure: { chance: 1 } }], returnStage: { retval: 2 } },
      { describe: { execution: 2, previousState: { stage: 1, sum: 40 } } },
    );
    await deliver();
    expect(server.results()).toEqual([{ data: { success: true, value: '42' } }]);
  });

  test('is refused with the state of another kind of job', async () => {
    const { distributor, task } = await simulated({ stages: [] }, { describe: { previousState: { page: 7 } } });
    await expect(distributor.run(task)).rejects.toThrow(/previousState/);
  });
});

describe('a stall', () => {
  test('ends the delivery, and goes on in another at its time', async () => {
    const { server, clock, services, deliver, distributor, handle, quest, executionId } = await simulated({
      stages: [hour],
    });
    expect(await deliver()).toEqual([]);
    expect(services.tasks).toEqual([{ executionId, payload: {}, delayMs: HOUR_MS }]);
    expect(await distributor.getStatus(handle, quest)).toEqual({ state: 'running' });
    expect(verbsOf(server)).toEqual(['activate']);
    clock.advance(HOUR_MS);
    expect(await deliver()).toHaveLength(1);
    expect(verbsOf(server)).toEqual(['activate', 'finish']);
  });

  test('is not begun again by an early or repeated delivery', async () => {
    const { clock, services, deliver } = await simulated({ stages: [hour] });
    await deliver();
    clock.advance(HOUR_MS / 2);
    await deliver();
    expect(services.tasks.map(({ delayMs }) => delayMs)).toEqual([HOUR_MS, HOUR_MS / 2]);
  });

  test('outlasts the instance that began it', async () => {
    const { server, clock, documents, task, deliver, executionId } = await simulated({ stages: [hour] });
    await deliver();
    clock.advance(HOUR_MS);
    const restarted = createJobsim({ pool: 'test' }, fakeServices({ http, clock, documents }));
    expect(await restarted.handleTaskQueueTask({ executionId, payload: {}, retryCount: 1, task })).toHaveLength(1);
    expect(verbsOf(server)).toEqual(['activate', 'finish']);
    expect(server.activations.size).toBe(1);
  });

  test('of a month is slept through in days', async () => {
    const { clock, services, deliver } = await simulated({ stages: [{ stall: { delay: '2592000s' } }] });
    await deliver();
    for (let day = 1; day < 30; day++) {
      expect(services.tasks.splice(0)).toMatchObject([{ delayMs: 24 * HOUR_MS }]);
      clock.advance(24 * HOUR_MS);
      expect(await deliver()).toEqual([]);
    }
    clock.advance(24 * HOUR_MS);
    expect(await deliver()).toHaveLength(1);
  });

  test('whose task the queue has lost is ended by a poll', async () => {
    const { clock, services, deliver, distributor, handle, quest } = await simulated({ stages: [hour] });
    await deliver();
    services.tasks.splice(0);
    await distributor.getStatus(handle, quest);
    expect(services.tasks).toEqual([]);
    clock.advance(HOUR_MS);
    await distributor.getStatus(handle, quest);
    expect(services.tasks).toHaveLength(1);
  });
});

describe('when the job function', () => {
  test.each(['activate', 'finish'])('cannot answer %s for the moment, the task comes again', async verb => {
    let broken = true;
    const { server, deliver } = await simulated(
      { stages: [] },
      { disturb: ({ path }) => (broken && path.endsWith(`:${verb}`) ? { status: 503 } : undefined) },
    );
    const error: unknown = await deliver().catch((thrown: unknown) => thrown);
    expect(isTransient(error)).toBe(true);
    broken = false;
    expect(await deliver()).toHaveLength(1);
    expect(server.activations.size).toBe(1);
    expect(server.results()).toHaveLength(1);
  });

  test.each([
    ['activate', 'activate: the job function answered 401'],
    ['finish', 'finish: the job function answered 401'],
  ])('refuses %s, the job ends by itself', async (verb, reason) => {
    const { deliver, distributor, handle, quest } = await simulated(
      { stages: [] },
      { disturb: ({ path }) => (path.endsWith(`:${verb}`) ? { status: 401 } : undefined) },
    );
    expect(await deliver()).toHaveLength(1);
    expect(await distributor.getStatus(handle, quest)).toEqual(crashed(reason));
  });

  test('may not be called, the job ends by itself', async () => {
    const { server, documents, task, executionId, distributor, handle, quest } = await simulated({ stages: [] });
    const deployed = createHttpClient({ local: false });
    const elsewhere = createJobsim({ pool: 'test' }, fakeServices({ http: deployed, documents }));
    await elsewhere.handleTaskQueueTask({ executionId, payload: {}, retryCount: 0, task });
    expect(await distributor.getStatus(handle, quest)).toEqual(crashed('url: must be https'));
    expect(server.requests).toHaveLength(0);
  });
});

test('a job that dies between finishing its attempt and recording it finishes again with the same words', async () => {
  const { server, documents, task, executionId, deliver } = await simulated({ stages: [], returnStage: { retval: 1 } });
  let puts = 0;
  const dying = createJobsim(
    { pool: 'test' },
    fakeServices({
      http,
      documents: {
        ...documents,
        put: (id, doc, options) =>
          ++puts === 3 ? Promise.reject(new Error('killed')) : documents.put(id, doc, options),
      },
    }),
  );
  await expect(dying.handleTaskQueueTask({ executionId, payload: {}, retryCount: 0, task })).rejects.toThrow('killed');
  expect(await deliver()).toHaveLength(1);
  expect(verbsOf(server)).toEqual(['activate', 'finish', 'finish']);
  expect(server.requests[2]).toMatchObject({ body: server.requests[1]?.body });
  expect(server.results()).toHaveLength(1);
});

describe('cancel', () => {
  test('before the job has begun keeps it from beginning', async () => {
    const { server, deliver, distributor, executionId, quest, handle } = await simulated({ stages: [] });
    await distributor.cancel({ executionId }, quest);
    await deliver();
    expect(server.requests).toHaveLength(0);
    expect(await distributor.getStatus(handle, quest)).toMatchObject({
      result: { abnormalFinish: { status: 'CANCELLED' } },
    });
  });

  test('in the midst of a call stands', async () => {
    let cancel: (() => void) | undefined;
    const { server, deliver, distributor, executionId, quest, handle } = await simulated(
      { stages: [] },
      { disturb: () => (cancel?.(), undefined) },
    );
    const cancelled = Promise.withResolvers<void>();
    cancel = () => cancelled.resolve(distributor.cancel({ executionId }, quest));
    await deliver();
    await cancelled.promise;
    expect(verbsOf(server)).toEqual(['activate']);
    expect(await distributor.getStatus(handle, quest)).toMatchObject({
      result: { abnormalFinish: { status: 'CANCELLED' } },
    });
  });
});

test.each<[object, string]>([
  [{}, 'config.pool'],
  [{ pool: '' }, 'config.pool'],
  [{ pool: 'a/b' }, 'config.pool'],
  [{ pool: 'p', doPollback: 'no' }, 'config.doPollback'],
  [{ pool: 'p', more: 1 }, 'config'],
])('the config %j is refused', (config, field) => {
  expect(() => parseWith(jobsimType.configSchema, config, 'config')).toThrow(expect.objectContaining({ field }));
});
