import { describe, expect, test } from 'vitest';
import type { HttpClient } from '../../shared/adapters/contract.ts';
import { cloudRunJobType } from '../../shared/adapters/cloud-run-job/index.ts';
import { isTransient, TransientError } from '../../shared/core/errors.ts';
import type { QuestDesc } from '../../shared/core/quest.ts';
import { parseWith } from '../../shared/core/validation.ts';
import { describeTask, questOf } from '../support/drive.ts';
import { impatientHttp } from '../support/fake-service.ts';
import { at, job, LOCATION, PROJECT, serveCloudRun } from '../support/fakes/cloud-run-job.ts';
import { expectGolden } from '../support/golden.ts';
import { fakeServices, manualClock, recordingLog } from '../support/services.ts';

const EXECUTIONS = `projects/${PROJECT}/locations/${LOCATION}/jobs/render/executions`;
const START = /:run$/;
const SIDECARS = [
  { name: 'main', image: 'host/main:1', env: [] },
  { name: 'proxy', image: 'host/proxy:1', env: [] },
];

async function setUp({ config = {}, ...desc }: Partial<QuestDesc> & { config?: object } = {}) {
  const service = await serveCloudRun();
  service.jobs.set('sidecars', job({ containers: SIDECARS }));
  const clock = manualClock(Date.now());
  const log = recordingLog();
  /** How long each call takes by the clock. */
  const pace = { callMs: 0 };
  const http: HttpClient = {
    request(call) {
      clock.advance(pace.callMs);
      return impatientHttp.request(call);
    },
  };
  const services = fakeServices({ http, clock, log, accessToken: async () => 'ya29.secret' });
  const all = { endpoint: service.url, project: PROJECT, location: LOCATION, jobs: ['render', 'sidecars'], ...config };
  const distributor = cloudRunJobType.create(parseWith(cloudRunJobType.configSchema, all, 'config'), services);
  const quest = questOf({ distributorParameters: { job: 'render' }, ...desc });
  const task = describeTask(quest);
  const { executionId } = task;
  const run = () => distributor.run(task);
  return { service, clock, pace, log, distributor, quest, executionId, run };
}

const failure = (call: Promise<unknown>): Promise<Error> =>
  call.then(
    answer => expect.fail(`answered ${JSON.stringify(answer)}`),
    (error: Error) => error,
  );

const sent = (requests: readonly { method: string; path: string }[]) =>
  requests.map(({ method, path }) => `${method} ${new URL(path, 'http://fake').pathname.split('/jobs/')[1]}`);

describe('what is sent', () => {
  test('to start, to ask and to stop', async () => {
    const { service, distributor, quest, executionId, run } = await setUp();
    const { token } = await run();
    await distributor.getStatus({ executionId, token }, quest);
    await distributor.cancel({ executionId, token }, quest);
    await distributor.getStatus({ executionId, token }, quest);
    expectGolden('cloud-run-job', service.requests);
  });

  test('with everything that a quest may say', async () => {
    const { service, run } = await setUp({
      config: { timeouts: { run: '60s' } },
      parameters: { frame: 17, scene: 'Grüße' },
      distributorParameters: {
        job: 'sidecars',
        container: 'main',
        args: ['--level', 'high'],
        env: { B: '2', A: '' },
        taskCount: 10,
      },
      meta: { timeouts: { run: '90.5s' } },
    });
    await run();
    expectGolden('cloud-run-job-everything', service.requests);
  });

  test('to find a start whose answer was lost, and why an execution failed', async () => {
    const { service, distributor, quest, executionId, run } = await setUp();
    service.fail(START, 'lost');
    await failure(run());
    const { token } = await run();
    service.end(token, { conditions: [{ type: 'Completed', state: 'CONDITION_FAILED' }] });
    await distributor.getStatus({ executionId, token }, quest);
    await distributor.cancel({ executionId }, quest);
    expectGolden('cloud-run-job-find', service.requests);
  });

  test('no argument at all, where a quest wants none', async () => {
    const { service, run } = await setUp({ distributorParameters: { job: 'render', args: [] } });
    await run();
    expect(JSON.parse(service.requests.at(-1)!.body)).toMatchObject({
      overrides: { containerOverrides: [{ clearArgs: true }] },
    });
  });

  test('the parameters at their longest', async () => {
    const { run } = await setUp({
      parameters: { text: 'x'.repeat(32_768 - '{"text":""}'.length) },
      distributorParameters: { job: 'render', args: ['y'.repeat(32_768)] },
    });
    await run();
  });
});

describe('the time limit of a task', () => {
  test.each<[string | undefined, string | undefined, string | undefined]>([
    [undefined, undefined, undefined],
    [undefined, '90s', '90s'],
    ['30s', '90s', '30s'],
    ['0.2s', undefined, '1s'],
    ['0s', '90s', '604800s'],
    ['604801s', undefined, '604800s'],
  ])('of a quest with %s, of a distributor with %s, is %s', async (own, configured, expected) => {
    const { service, run } = await setUp({
      ...(own !== undefined && { meta: { timeouts: { run: own } } }),
      ...(configured !== undefined && { config: { timeouts: { run: configured } } }),
    });
    await run();
    expect(JSON.parse(service.requests.at(-1)!.body).overrides.timeout).toBe(expected);
  });
});

describe('retries of Cloud Run', () => {
  test.each([1, 3, undefined])(
    'refuse the job (maxRetries: %s), and the reason says how to switch them off',
    async maxRetries => {
      const { service, run } = await setUp();
      const { maxRetries: _, ...retrying } = job();
      service.jobs.set('render', { ...retrying, ...(maxRetries !== undefined && { maxRetries }) });
      const error = await failure(run());
      expect(isTransient(error)).toBe(false);
      expect(error.message).toContain(
        `gcloud run jobs update render --max-retries=0 --region=${LOCATION} --project=${PROJECT}`,
      );
      expect(service.executions).toEqual([]);
    },
  );

  test('once switched off the job is run', async () => {
    const { service, run } = await setUp();
    service.jobs.set('render', job({ maxRetries: 3 }));
    await failure(run());
    service.jobs.set('render', job());
    await run();
    expect(service.executions).toHaveLength(1);
  });
});

describe('a start', () => {
  test('of a job that does not exist is refused for good', async () => {
    const { service, run } = await setUp();
    service.jobs.delete('render');
    const error = await failure(run());
    expect(isTransient(error)).toBe(false);
    expect(error.message).toContain("'render'");
  });

  test('over the quota of the region is put off', async () => {
    const { service, run } = await setUp();
    service.maxRunning = 0;
    const error = await failure(run());
    expect(isTransient(error)).toBe(true);
    expect(error.message).toContain('Quota exceeded');
    service.maxRunning = 1;
    await run();
    expect(service.executions).toHaveLength(1);
  });

  test('of several containers names one of them, or Cloud Run refuses it', async () => {
    const { run } = await setUp({ distributorParameters: { job: 'sidecars' } });
    expect((await failure(run())).message).toContain('must name a container');
  });

  test('is not preceded by a search where nothing can be found, and every later one is', async () => {
    const { service, run } = await setUp();
    await run();
    expect(sent(service.requests)).toEqual(['GET render', 'POST render:run']);
    await run();
    expect(sent(service.requests.slice(2))).toEqual(['GET render/executions']);
  });

  test('whose answer was lost is left to settle before it is looked for', async () => {
    const { service, run } = await setUp();
    for (const fault of ['lost', 'silent', { status: 503 }, { body: { done: true, error: { code: 13 } } }] as const) {
      service.fail(START, fault);
      const error = await failure(run());
      expect(error).toMatchObject({ name: 'TransientError', retryAfterMs: 60_000 });
      // The next fault meets a start again.
      service.executions.splice(0);
    }
  });

  test('is told from those of other executions', async () => {
    const { service, distributor, quest, run } = await setUp();
    const { token } = await run();
    const other = describeTask(quest, { execution: 2 });
    const second = await distributor.run(other);
    expect(second.token).not.toBe(token);
    expect((await distributor.run(other)).token).toBe(second.token);
    expect((await run()).token).toBe(token);
    expect(service.executions).toHaveLength(2);
  });

  test.each(['newest first', 'oldest first'] as const)('is found among many, listed %s', async order => {
    const { service, distributor, quest, run } = await setUp();
    service.order = order;
    await distributor.run(describeTask(quest, { execution: 2 }));
    const [old] = service.executions;
    for (let i = 0; i < 200; i++)
      service.executions.push({ ...old!, name: `${EXECUTIONS}/old-${i}`, createTime: at(-86_400 - i) });
    service.fail(START, 'lost');
    await failure(run());
    for (let i = 0; i < 60; i++)
      service.executions.unshift({
        ...old!,
        name: `${EXECUTIONS}/new-${i}`,
        createTime: new Date(Date.now() + 1000 * i).toISOString(),
      });
    service.requests.splice(0);
    const { token } = await run();
    expect(token).toBe(`${EXECUTIONS}/render-00002`);
    // 62 executions are younger than the first run; one page of older ones ends the search.
    expect(service.requests).toHaveLength(order === 'newest first' ? 3 : 11);
  });

  test('is not made while there are too many executions to look through', async () => {
    const { service, run } = await setUp();
    service.fail(START, { status: 503 });
    await failure(run());
    const createTime = new Date(Date.now() + 1000).toISOString();
    for (let i = 0; i < 2001; i++) service.executions.push({ name: `${EXECUTIONS}/new-${i}`, createTime, tasks: [] });
    const error = await failure(run());
    expect(isTransient(error)).toBe(true);
    expect(error.message).toContain('too many executions');
  });

  test('is not made when the search took so long that nobody may be waiting any more', async () => {
    const { service, pace, run } = await setUp();
    service.fail(START, { status: 503 });
    await failure(run());
    pace.callMs = 16_000;
    expect(isTransient(await failure(run()))).toBe(true);
    expect(service.executions).toEqual([]);
    pace.callMs = 14_000;
    await run();
    expect(service.executions).toHaveLength(1);
  });

  test('that was made twice all the same gives the first, and stops the second', async () => {
    const { service, log, run } = await setUp();
    service.fail(START, 'lost');
    await failure(run());
    service.hidden.add('render-00001');
    expect((await run()).token).toBe(`${EXECUTIONS}/render-00002`);
    service.hidden.clear();
    expect((await run()).token).toBe(`${EXECUTIONS}/render-00001`);
    expect(log.lines.map(({ message }) => message)).toContain('an execution was started more than once');
    expect(service.executions.map(({ name, cancelledCount }) => [name, cancelledCount])).toEqual([
      [`${EXECUTIONS}/render-00002`, 1],
      [`${EXECUTIONS}/render-00001`, undefined],
    ]);
  });
});

describe('polls', () => {
  test.each<[object, number | undefined]>([
    [{}, 30_000],
    [{ pollInterval: '5s' }, undefined],
    [{ topic: 'cloud-run-jobs' }, undefined],
  ])('of a distributor with %j begin after %s ms', async (config, pollAfterMs) => {
    const { run } = await setUp({ config });
    expect((await run()).pollAfterMs).toBe(pollAfterMs);
  });

  test('of an execution that is not kept any more end finally', async () => {
    const { service, distributor, quest, executionId, run } = await setUp();
    const { token } = await run();
    service.executions.splice(0);
    const error = await failure(distributor.getStatus({ executionId, token }, quest));
    expect(error).toMatchObject({ name: 'HttpStatusError', status: 404 });
  });

  test('of what is no execution reach nobody', async () => {
    const { service, distributor, quest, executionId } = await setUp();
    for (const token of ['', 'x', `${EXECUTIONS}/`, `${EXECUTIONS}/../x`, `${EXECUTIONS}/a/tasks`, `/${EXECUTIONS}/a`])
      expect(isTransient(await failure(distributor.getStatus({ executionId, token }, quest)))).toBe(false);
    expect(service.requests).toEqual([]);
  });

  const FAILED = {
    conditions: [{ type: 'Completed', state: 'CONDITION_FAILED', executionReason: 'NON_ZERO_EXIT_CODE' }],
  };

  test('of a failure tell its exit code', async () => {
    const { service, distributor, quest, executionId, run } = await setUp();
    const { token } = await run();
    service.end(token, { ...FAILED, failedCount: 1 }, [{ index: 0, lastAttemptResult: { exitCode: 42 } }]);
    expect(await distributor.getStatus({ executionId, token }, quest)).toMatchObject({
      result: { abnormalFinish: { status: 'FAILED', reason: expect.stringContaining('task 0: exit code 42') } },
    });
  });

  test.each([403, 404])('of a failure do without its tasks when they are refused with %i', async status => {
    const { service, distributor, quest, executionId, run } = await setUp();
    const { token } = await run();
    service.end(token, FAILED);
    service.fail(/\/tasks/, { status });
    expect(await distributor.getStatus({ executionId, token }, quest)).toMatchObject({
      result: { abnormalFinish: { status: 'FAILED' } },
    });
  });

  test('of a failure wait for its tasks when they cannot be had for the moment', async () => {
    const { service, distributor, quest, executionId, run } = await setUp();
    const { token } = await run();
    service.end(token, FAILED);
    service.fail(/\/tasks/, { status: 503 });
    expect(isTransient(await failure(distributor.getStatus({ executionId, token }, quest)))).toBe(true);
  });
});

test.each<[string, object]>([
  ['refused', { status: 400, body: { error: { message: 'no such filter' } } }],
  ['an error inside of a success', { body: { error: { code: 13, message: 'no such filter' } } }],
])('a search that is answered with %s starts nothing, and is made again', async (_, fault) => {
  const { service, run } = await setUp();
  service.fail(START, 'lost');
  await failure(run());
  service.fail(/^GET .*\/executions\?/, fault);
  const error = await failure(run());
  expect(isTransient(error)).toBe(true);
  expect(error.message).toContain('no such filter');
  expect((await run()).token).toBe(service.executions[0]?.name);
  expect(service.executions).toHaveLength(1);
});

describe('cancelling', () => {
  test('an execution that has just ended succeeds', async () => {
    const { service, distributor, quest, executionId, run } = await setUp();
    const { token } = await run();
    service.succeed(token);
    await distributor.cancel({ executionId, token }, quest);
    expect(sent(service.requests.slice(2))).toEqual([
      'POST render/executions/render-00001:cancel',
      'GET render/executions/render-00001',
    ]);
  });

  test('an execution in a state that nobody has heard of is no success where it is refused', async () => {
    const { service, distributor, quest, executionId, run } = await setUp();
    const { token } = await run();
    service.executions[0]!.conditions = [{ type: 'Completed', state: 'CONDITION_HIBERNATING' }];
    service.fail(/:cancel$/, { status: 400, body: { error: { message: 'not now' } } });
    const error = await failure(distributor.cancel({ executionId, token }, quest));
    expect(error.message).toContain('not now');
  });

  test('an execution that is being cancelled succeeds', async () => {
    const { service, distributor, quest, executionId, run } = await setUp();
    const { token } = await run();
    service.executions[0]!.conditions = [
      { type: 'Completed', state: 'CONDITION_RECONCILING', executionReason: 'CANCELLING' },
    ];
    service.fail(/:cancel$/, { status: 400 });
    await distributor.cancel({ executionId, token }, quest);
  });

  test('an execution that goes on and may not be cancelled fails, as it was refused', async () => {
    const { service, distributor, quest, executionId, run } = await setUp();
    const { token } = await run();
    for (const status of [400, 401, 403]) {
      service.fail(/:cancel$/, { status, body: { error: { message: 'no, you may not' } } });
      expect(await failure(distributor.cancel({ executionId, token }, quest))).toMatchObject({ status });
    }
  });

  const OWN_FAILURE = { body: { done: true, error: { code: 10, message: 'Execution has failed to complete' } } };

  test('an execution whose cancel answers with its own failure succeeds', async () => {
    const { service, distributor, quest, executionId, run } = await setUp();
    const { token } = await run();
    service.end(token, { failedCount: 1, conditions: [{ type: 'Completed', state: 'CONDITION_FAILED' }] });
    service.fail(/:cancel$/, OWN_FAILURE);
    await distributor.cancel({ executionId, token }, quest);
  });

  test('an execution that goes on whatever its cancel answers is tried again', async () => {
    const { service, distributor, quest, executionId, run } = await setUp();
    const { token } = await run();
    service.fail(/:cancel$/, OWN_FAILURE);
    const error = await failure(distributor.cancel({ executionId, token }, quest));
    expect(isTransient(error)).toBe(true);
    expect(error.message).toContain('Execution has failed to complete');
    await distributor.cancel({ executionId, token }, quest);
    expect(service.executions[0]?.cancelledCount).toBe(1);
  });

  test('an execution without a token stops all of its starts', async () => {
    const { service, distributor, quest, executionId, run } = await setUp();
    service.fail(START, 'lost');
    await failure(run());
    service.hidden.add('render-00001');
    await run();
    service.hidden.clear();
    await distributor.cancel({ executionId }, quest);
    expect(service.executions.map(({ cancelledCount }) => cancelledCount)).toEqual([1, 1]);
  });

  test('an execution that was never started asks nobody', async () => {
    const { service, distributor, quest, executionId } = await setUp();
    await distributor.cancel({ executionId }, quest);
    expect(service.requests).toEqual([]);
  });

  test('an execution that may still appear is tried again', async () => {
    const { service, clock, distributor, quest, executionId, run } = await setUp();
    service.fail(START, 'lost');
    await failure(run());
    service.hidden.add('render-00001');
    clock.advance(20_000);
    const error = await failure(distributor.cancel({ executionId }, quest));
    expect(error).toBeInstanceOf(TransientError);
    expect(error).toMatchObject({ retryAfterMs: 40_000 });
    clock.advance(40_000);
    await distributor.cancel({ executionId }, quest);
  });

  test('an execution of a job that was deleted succeeds', async () => {
    const { service, clock, distributor, quest, executionId, run } = await setUp();
    const { token } = await run();
    service.jobs.delete('render');
    service.executions.splice(0);
    clock.advance(60_000);
    await distributor.cancel({ executionId, token }, quest);
    await distributor.cancel({ executionId }, quest);
  });
});

test.each<[object, string]>([
  [{ project: undefined }, 'config.project'],
  [{ project: 'a/b' }, 'config.project'],
  [{ project: 'Proj-123' }, 'config.project'],
  [{ location: undefined }, 'config.location'],
  [{ location: '../global' }, 'config.location'],
  [{ jobs: undefined }, 'config.jobs'],
  [{ jobs: [] }, 'config.jobs'],
  [{ jobs: ['render', 'Render'] }, 'config.jobs[1]'],
  [{ jobs: ['projects/p/locations/l/jobs/render'] }, 'config.jobs[0]'],
  [{ jobs: 'render' }, 'config.jobs'],
  [{ endpoint: 'run.googleapis.com' }, 'config.endpoint'],
  [{ endpoint: 'https://run.googleapis.com/?x=1' }, 'config.endpoint'],
  [{ topic: '-' }, 'config.topic'],
  [{ timeouts: { stop: '0s' } }, 'config.timeouts.stop'],
  [{ serviceAccount: 'root' }, 'config'],
])('the config %j is refused', (part, field) => {
  const config = { project: 'proj-123', location: 'europe-west1', jobs: ['render'], ...part };
  expect(() => parseWith(cloudRunJobType.configSchema, JSON.parse(JSON.stringify(config)), 'config')).toThrow(
    expect.objectContaining({ name: 'InvalidArgument', field }),
  );
});

test('a small config is enough, and projects of organizations have names', () => {
  const config = { project: 'example.com:proj-123', location: 'europe-west1', jobs: ['render'] };
  const parsed = parseWith(cloudRunJobType.configSchema, config, 'config');
  expect(parsed).toEqual({ ...config, endpoint: 'https://run.googleapis.com' });
});

test('what is wrong with a variable is said', async () => {
  const { distributor } = await setUp();
  const quest = questOf({ distributorParameters: { job: 'render', env: { PORT: '80' } } });
  expect(() => distributor.validate(quest)).toThrow(/env\.PORT: is set by the service/);
});
