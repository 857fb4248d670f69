import { describe, expect, test, vi } from 'vitest';
import type { HttpClient } from '../../shared/adapters/contract.ts';
import { swarmingType } from '../../shared/adapters/swarming/index.ts';
import type { ExecutionId } from '../../shared/core/ids.ts';
import { isTransient, messageOf } from '../../shared/core/errors.ts';
import type { JsonObject } from '../../shared/core/json.ts';
import { impatientHttp } from '../support/fake-service.ts';
import type { FakeTask } from '../support/fakes/swarming.ts';
import { setUpSwarming, TOPIC } from '../support/fakes/swarming-adapter.ts';
import { expectGolden } from '../support/golden.ts';
import { abnormalFinish } from '../support/http-adapter.ts';

const DAY_MS = 24 * 60 * 60_000;
const CAS = 'projects/cas-project/instances/default_instance';
const interactive = { meta: { mode: 'interactive' as const } };

const methodsOf = ({ requests }: { requests: readonly { path: string }[] }) =>
  requests.map(({ path }) => path.slice(path.lastIndexOf('/') + 1));

const failureOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    answer => expect.fail(`answered ${JSON.stringify(answer)}`),
    (error: unknown) => error,
  );

describe('requests', () => {
  test('as the golden file has them', async () => {
    const minimal = await setUpSwarming();
    const { handle, task } = await minimal.start();
    await minimal.distributor.getStatus(handle, minimal.quest);
    await minimal.distributor.getStatuses?.([handle]);
    await minimal.distributor.cancel(handle, minimal.quest);
    await minimal.distributor.cancel({ executionId: task.executionId }, minimal.quest);

    const everything = await setUpSwarming({
      topic: TOPIC,
      config: { realms: ['some-project:ci'], serviceAccounts: ['job@some-project.test'], casInstances: [CAS] },
      quest: {
        parameters: { iterations: 3, name: 'ü' },
        meta: { mode: 'interactive', timeouts: { start: '600s', run: '1800.5s', stop: '60s' } },
      },
      parameters: {
        name: 'compile',
        relativeCwd: 'src',
        env: { LANG: 'C', A: '1' },
        envPrefixes: { PATH: ['bin', 'tools/bin'] },
        pool: 'mac',
        dimensions: { os: 'Mac-14|Mac-15', cpu: ['arm64', 'arm64-apple'] },
        casInputRoot: { hash: 'ab'.repeat(32), sizeBytes: 147 },
        cipdPackages: [{ packageName: 'infra/python/${platform}', version: 'latest', path: 'bin' }],
        caches: [{ name: 'git', path: 'cache/git' }],
        outputs: ['out', 'logs/summary.json'],
        ioTimeout: '120s',
        waitForCapacity: true,
        priority: 30,
        tags: ['team:compilers'],
      },
    });
    await everything.start();
    expectGolden('swarming', [...minimal.service.requests, ...everything.service.requests]);
  });

  test('an interactive job gets what it needs to activate as secret bytes, and nobody else does', async () => {
    const { start, service, services } = await setUpSwarming({ topic: TOPIC, quest: interactive });
    const { task, job } = await start();
    const { secretBytes = '' } = job.request.taskSlices[0]?.properties ?? {};
    expect(JSON.parse(Buffer.from(secretBytes, 'base64').toString())).toEqual({
      executionId: task.executionId,
      executionUrl: task.executionUrl,
      activationToken: task.executionAuth.activationToken,
    });
    const { body = '' } = service.requests[0] ?? {};
    expect(body).not.toContain(task.executionAuth.activationToken);
    expect(JSON.stringify(services.log)).not.toContain(secretBytes);
  });

  test('an unattended job gets no secret', async () => {
    const { job } = await (await setUpSwarming({ topic: TOPIC })).start();
    expect(job.request.taskSlices[0]?.properties.secretBytes).toBeUndefined();
  });

  test('a refusal does not tell the secrets of the request', async () => {
    const {
      distributor,
      describe: describeExecution,
      service,
    } = await setUpSwarming({ topic: TOPIC, quest: interactive });
    const task = describeExecution();
    const secretBytes = Buffer.from(
      JSON.stringify({
        executionId: task.executionId,
        executionUrl: task.executionUrl,
        activationToken: task.executionAuth.activationToken,
      }),
    ).toString('base64');
    const secrets = [secretBytes, task.executionAuth.activationToken, task.prepareTopic().attributes.auth_token];
    service.fail(/NewTask$/, {
      status: 400,
      headers: { 'x-prpc-grpc-code': '3' },
      body: `bad request: ${secrets.join(', ')}`,
    });
    const error = await failureOf(distributor.run(task));
    expect(isTransient(error)).toBe(false);
    expect(messageOf(error)).toMatch(/bad request: .*\(INVALID_ARGUMENT\)/);
    for (const secret of secrets) expect(messageOf(error)).not.toContain(secret);
  });

  /** Seconds: `expirationSecs`, `executionTimeoutSecs`, `gracePeriodSecs`. */
  test.each<[object, object, readonly number[]]>([
    [{}, {}, [3600, 86_400, 300]],
    [{ timeouts: { start: '60s', run: '120s', stop: '30s' } }, {}, [60, 120, 30]],
    [{ timeouts: { run: '120s' } }, { timeouts: { run: '90.5s' } }, [3600, 91, 300]],
    [{}, { timeouts: { start: '1s', run: '1s', stop: '0.1s' } }, [30, 30, 1]],
    [{}, { timeouts: { start: '0s', run: '0s', stop: '7200s' } }, [604_800, 601_140, 3600]],
    [{}, { timeouts: { start: '9999999s', run: '9999999s' } }, [604_800, 601_140, 300]],
    [{}, { mode: 'interactive', timeouts: { run: '120s', stop: '30s' } }, [3600, 150, 30]],
    [{}, { mode: 'interactive', timeouts: { run: '0s', stop: '30s' } }, [3600, 601_140, 30]],
  ])('with config %j and meta %j the time limits are %j', async (config, meta, expected) => {
    const { start } = await setUpSwarming({ config, quest: { meta } });
    const [slice] = (await start()).job.request.taskSlices;
    const { executionTimeoutSecs, gracePeriodSecs } = slice?.properties ?? {};
    expect([slice?.expirationSecs, executionTimeoutSecs, gracePeriodSecs]).toEqual(expected);
  });

  test.each([
    ['projects/local/topics/notifications', false],
    ['projects/example.com:some-project/topics/notifications', false],
    ['projects/google.com:some-project/topics/notifications', true],
    ['projects/some-project/topics/notifications', true],
  ])('the topic %s is named to Swarming, which refuses some: %j', async (topic, named) => {
    const { describe: describeExecution, distributor, service } = await setUpSwarming({ topic });
    service.fail(/NewTask$/, 'silent');
    await distributor.run(describeExecution()).catch(() => {});
    const body = JSON.parse(service.requests[0]?.body ?? '') as JsonObject;
    expect(Object.keys(body).filter(key => key.startsWith('pubsub'))).toHaveLength(named ? 3 : 0);
  });

  test('outputs without inputs go where the empty input root says', async () => {
    const { start } = await setUpSwarming({ config: { casInstances: [CAS] }, parameters: { outputs: ['out'] } });
    const { casInputRoot } = (await start()).job.request.taskSlices[0]?.properties ?? {};
    expect(casInputRoot).toEqual({
      casInstance: CAS,
      digest: { hash: expect.stringMatching(/^e3b0c442/), sizeBytes: '0' },
    });
  });
});

describe('a start', () => {
  test('says at once how the task is', async () => {
    const { start, distributor, quest, describe: describeExecution } = await setUpSwarming();
    const { status, handle } = await start();
    expect(status).toEqual({ state: 'pending' });
    await distributor.cancel(handle, quest);
    expect(await distributor.run(describeExecution())).toEqual({
      token: handle.token,
      status: await distributor.getStatus(handle, quest),
    });
  });

  test('whose task is told in a way that cannot be read has begun all the same', async () => {
    const { distributor, describe: describeExecution, service } = await setUpSwarming();
    const message = { taskId: '6663cfc78b41fb10', taskResult: { taskId: '6663cfc78b41fb10', exitCode: 'seven' } };
    const body = `)]}'\n${JSON.stringify(message)}`;
    service.fail(/NewTask$/, { headers: { 'x-prpc-grpc-code': '0' }, body });
    expect(await distributor.run(describeExecution())).toEqual({ token: '6663cfc78b41fb10' });
  });

  test('needs no search while Swarming knows its request id', async () => {
    const { start, clock, service } = await setUpSwarming({ quest: { meta: { timeouts: { start: '500000s' } } } });
    const { handle } = await start();
    clock.advance(5 * DAY_MS);
    expect((await start()).handle.token).toBe(handle.token);
    expect(methodsOf(service)).toEqual(['NewTask', 'NewTask']);
  });

  test.each(['0s', '604800s'])(
    'that may wait for %s searches first: request ids are forgotten after a week',
    async start => {
      const set = await setUpSwarming({ quest: { meta: { timeouts: { start } } } });
      const { handle } = await set.start();
      set.clock.advance(8 * DAY_MS);
      const again = await set.start();
      expect(again.handle.token).toBe(handle.token);
      expect(again.status).toEqual({ state: 'pending' });
      expect(set.service.tasks).toHaveLength(1);
      expect(methodsOf(set.service)).toEqual(['ListTasks', 'NewTask', 'ListTasks']);
    },
  );

  test('that is refused is final, with what Swarming says', async () => {
    const {
      distributor,
      describe: describeExecution,
      service,
    } = await setUpSwarming({
      parameters: { cipdPackages: [{ packageName: 'infra/python', version: 'latest', path: '.template' }] },
    });
    const error = await failureOf(distributor.run(describeExecution()));
    expect(error).toMatchObject({ name: 'HttpStatusError', status: 400, code: 'INVALID_ARGUMENT' });
    expect(messageOf(error)).toContain('applying task template');
    expect(service.tasks).toEqual([]);
  });

  test('that is refused although it was accepted before is found', async () => {
    const { distributor, describe: describeExecution, service } = await setUpSwarming();
    service.fail(/NewTask$/, 'lost');
    await distributor.run(describeExecution()).catch(() => {});
    service.fail(/NewTask$/, { status: 400, headers: { 'x-prpc-grpc-code': '3' }, body: 'the pool has changed' });
    const { token } = await distributor.run(describeExecution());
    expect(token).toBe(service.tasks[0]?.taskId);
    expect(service.tasks).toHaveLength(1);
  });

  test('of a quota that is exceeded is tried again', async () => {
    const { distributor, describe: describeExecution, service } = await setUpSwarming();
    service.fail(/NewTask$/, { status: 429, headers: { 'x-prpc-grpc-code': '8' }, body: 'quota' });
    expect(isTransient(await failureOf(distributor.run(describeExecution())))).toBe(true);
  });
});

describe('an idempotent task', () => {
  test('that ran before is not run again: it has the result of the other, and says so', async () => {
    const { start, distributor, quest, finishJob } = await setUpSwarming({ parameters: { idempotent: true } });
    const first = await start();
    await finishJob(first.task.executionId);
    const second = await start({ attempt: 2 });
    expect(second.handle.token).not.toBe(first.handle.token);
    const expected = {
      state: 'finished',
      result: { data: { exitCode: 0, dedupedFrom: first.handle.token.replace(/0$/, '1') } },
    };
    expect(second.status).toMatchObject(expected);
    expect(await distributor.getStatus(second.handle, quest)).toMatchObject(expected);
  });

  test('is what only a quest that asks for it gets', async () => {
    const { start, finishJob } = await setUpSwarming();
    await finishJob((await start()).task.executionId);
    expect((await start({ attempt: 2 })).status).toEqual({ state: 'pending' });
  });
});

describe('the inputs that an execution had', () => {
  const cipdPackages = [
    { packageName: 'infra/python/${platform}', version: 'latest', path: '.' },
    { packageName: 'infra/git', version: 'stable', path: 'bin' },
    { packageName: 'infra/go', version: 'version:1.26', path: 'bin' },
  ];

  const packagesOf = ({ request }: FakeTask): object[] => request.taskSlices[0]?.properties.cipdInput?.packages ?? [];

  test('are those of the attempt’s next one, without what the pool’s template added', async () => {
    const { start, distributor, quest, service, finishJob } = await setUpSwarming({ parameters: { cipdPackages } });
    const first = await start();
    expect(packagesOf(first.job)).toEqual(cipdPackages);
    await finishJob(first.task.executionId);
    const status = await distributor.getStatus(first.handle, quest);
    if (status.state !== 'finished' || !('data' in status.result)) return expect.fail('not finished');
    const { data } = status.result;
    expect(data['cipdPins']).toHaveLength(cipdPackages.length + 1);
    service.moveRefs();
    const second = await start({ execution: 2, previousState: data });
    expect(packagesOf(second.job)).toEqual([
      { packageName: 'infra/python/linux-amd64', version: expect.stringMatching(/^[0-9a-f]{40}$/), path: '.' },
      { packageName: 'infra/git', version: expect.stringMatching(/^[0-9a-f]{40}$/), path: 'bin' },
      { packageName: 'infra/go', version: 'version:1.26', path: 'bin' },
    ]);
    expect(packagesOf(second.job)).toEqual((data['cipdPins'] as object[]).slice(0, 3));
  });

  test.each<JsonObject>([
    {},
    { cipdPins: 'strange' },
    { cipdPins: [{ packageName: 'infra/other', version: 'x', path: 'elsewhere' }] },
    { cipdPins: [{ packageName: 1 }] },
  ])('that cannot be made out of %j are not used', async previousState => {
    const { start } = await setUpSwarming({ parameters: { cipdPackages } });
    expect(packagesOf((await start({ previousState })).job)).toEqual(cipdPackages);
  });
});

describe('a start that is refused', () => {
  const refused = (body: string) => ({ status: 400, headers: { 'x-prpc-grpc-code': '3' }, body });

  test('while nothing can be found is tried again, and both reasons are told', async () => {
    const { describe: describeOne, distributor, service } = await setUpSwarming();
    service.fail(/NewTask$/, refused('no such dimension'));
    service.fail(/ListTasks$/, refused('no such tag'));
    const error = await failureOf(distributor.run(describeOne()));
    expect(isTransient(error)).toBe(true);
    expect(messageOf(error)).toMatch(/no such dimension.*no such tag/);
  });
});

describe('a cancel', () => {
  test('kills a task that runs, also when it is repeated before the bot has heard of it', async () => {
    const { start, distributor, quest, service } = await setUpSwarming();
    const { handle, job } = await start();
    service.start(job);
    await distributor.cancel(handle, quest);
    await distributor.cancel(handle, quest);
    await vi.waitFor(async () =>
      expect(await distributor.getStatus(handle, quest)).toEqual(
        abnormalFinish('CANCELLED', `task ${handle.token}: it was cancelled at Swarming while it ran (bot bot-1)`),
      ),
    );
  });

  test('of a task that Swarming has forgotten succeeds', async () => {
    const { start, distributor, quest, service } = await setUpSwarming();
    const { handle } = await start();
    service.tasks.splice(0);
    await distributor.cancel(handle, quest);
  });

  test('without a token stops every task of the execution, and none of another', async () => {
    const { start, distributor, quest, service } = await setUpSwarming({
      quest: { meta: { timeouts: { start: '60s' } } },
    });
    const { task, job } = await start();
    const other = await start({ execution: 2 });
    job.request.requestUuid = 'forgotten';
    const twin = await start();
    expect(service.tasks).toHaveLength(3);
    await distributor.cancel({ executionId: task.executionId }, quest);
    const states = [job, service.tasks[2], other.job].map(one => one?.result.state);
    expect(states).toEqual(['CANCELED', 'CANCELED', 'PENDING']);
    expect(twin.handle.token).toBe(service.tasks[2]?.taskId);
  });

  test('that is forbidden is not taken for done', async () => {
    const { start, distributor, quest, service } = await setUpSwarming();
    const { handle } = await start();
    service.fail(/CancelTask$/, { status: 403, headers: { 'x-prpc-grpc-code': '7' }, body: 'no permission' });
    expect(messageOf(await failureOf(distributor.cancel(handle, quest)))).toContain('no permission');
  });
});

describe('a notification', () => {
  const notificationOf = (executionId: ExecutionId, data: string) => ({ executionId, data, attributes: {} });

  test('carries the auth token of its execution, and leads to what Swarming says of the task', async () => {
    const { start, distributor, quest, service } = await setUpSwarming({ topic: TOPIC });
    const { task, job } = await start();
    service.start(job);
    const { data, attributes } = service.message(job);
    expect(attributes).toEqual({ auth_token: task.prepareTopic().attributes.auth_token });
    expect(JSON.parse(data)).toEqual({ task_id: job.taskId, userdata: task.executionId });
    expect(await distributor.handleNotification(notificationOf(task.executionId, data), quest)).toEqual({
      state: 'running',
    });
  });

  test('may name a run of the task', async () => {
    const { start, distributor, quest } = await setUpSwarming();
    const { task, handle } = await start();
    const data = JSON.stringify({ task_id: handle.token.replace(/0$/, '1') });
    expect(await distributor.handleNotification(notificationOf(task.executionId, data), quest)).toEqual({
      state: 'pending',
    });
  });

  test("that names another execution's task is of no interest", async () => {
    const { start, distributor, quest, finishJob } = await setUpSwarming();
    const ours = await start();
    const theirs = await start({ execution: 2 });
    await finishJob(theirs.task.executionId);
    const data = JSON.stringify({ task_id: theirs.handle.token, userdata: ours.task.executionId });
    expect(await distributor.handleNotification(notificationOf(ours.task.executionId, data), quest)).toBeUndefined();
  });

  test('that names no task is of no interest, and asks nobody', async () => {
    const { start, distributor, quest, service } = await setUpSwarming();
    const { task } = await start();
    const before = service.requests.length;
    for (const data of ['', '{}', '{"task_id":7}', '{"task_id":"../x"}', '{"task_id":""}', '[]'])
      expect(await distributor.handleNotification(notificationOf(task.executionId, data), quest)).toBeUndefined();
    expect(service.requests).toHaveLength(before);
  });
});

describe('many statuses', () => {
  test('come with one call, in the order that was asked for, each with its own error', async () => {
    const { start, distributor, quest, service, finishJob } = await setUpSwarming();
    const first = await start();
    const second = await start({ execution: 2 });
    const third = await start({ execution: 3 });
    await finishJob(first.task.executionId);
    service.start(third.job);
    service.tasks.splice(service.tasks.indexOf(second.job), 1);
    const before = service.requests.length;
    const strange = { ...third.handle, token: 'no task' };
    const handles = [third.handle, strange, second.handle, first.handle, third.handle];
    const [running, bad, gone, finished, again] = (await distributor.getStatuses?.(handles)) ?? [];
    expect(service.requests).toHaveLength(before + 1);
    expect(running).toEqual({ state: 'running' });
    expect(again).toEqual(running);
    expect(finished).toEqual(await distributor.getStatus(first.handle, quest));
    for (const error of [bad, gone]) expect(error).toBeInstanceOf(Error);
    expect(isTransient(bad)).toBe(false);
    expect(messageOf(bad)).toContain('"no task" is not the id of a Swarming task');
    expect(gone).toMatchObject({ status: 404, message: `task ${second.handle.token}: no such task (NOT_FOUND)` });
  });

  test('of none that Swarming could know ask nobody', async () => {
    const { start, distributor, service } = await setUpSwarming();
    const { handle } = await start();
    await distributor.getStatuses?.([{ ...handle, token: 'x' }]);
    expect(methodsOf(service)).toEqual(['NewTask']);
  });

  test('of which one is left out, empty or cannot be read: that one is asked for again', async () => {
    const { start, distributor, service } = await setUpSwarming();
    const handles = [];
    for (let execution = 1; execution <= 4; execution++) handles.push((await start({ execution })).handle);
    const [left, empty, strange, sound] = handles.map(({ token }) => token);
    const results = [
      { taskId: empty },
      { taskId: strange, result: { taskId: strange, state: 'COMPLETED', exitCode: 'seven' } },
      { taskId: sound, result: { taskId: sound, state: 'RUNNING' } },
    ];
    const body = `)]}'\n${JSON.stringify({ results })}`;
    service.fail(/BatchGetResult$/, { headers: { 'x-prpc-grpc-code': '0' }, body });
    const answers = (await distributor.getStatuses?.(handles)) ?? [];
    expect(answers.map(isTransient)).toEqual([true, true, true, false]);
    expect(messageOf(answers[0])).toContain(left);
    expect(answers[3]).toEqual({ state: 'running' });
  });

  test('that are too much for one answer come in two', async () => {
    const { http, sizes } = narrow(3);
    const { start, distributor } = await setUpSwarming({ services: { http } });
    const handles = [];
    for (let execution = 1; execution <= 5; execution++) handles.push((await start({ execution })).handle);
    const statuses = (await distributor.getStatuses?.(handles)) ?? [];
    expect(statuses).toEqual(handles.map(() => ({ state: 'pending' })));
    expect(sizes).toEqual([5, 3, 2]);
  });

  test('that fail altogether reject', async () => {
    const { start, distributor, service } = await setUpSwarming();
    const { handle } = await start();
    service.fail(/BatchGetResult$/, {
      status: 503,
      headers: { 'x-prpc-grpc-code': '14' },
      body: 'Service unavailable',
    });
    expect(isTransient(await failureOf(distributor.getStatuses!([handle])))).toBe(true);
  });

  test('are few enough for 10,000 polls a minute by 100 calls, and for Swarming', () => {
    expect(swarmingType.maxStatuses).toBeGreaterThanOrEqual(100);
    expect(swarmingType.maxStatuses).toBeLessThanOrEqual(1000);
  });

  /** A client for which the results of more than so many tasks are too large. */
  function narrow(most: number): { http: HttpClient; sizes: number[] } {
    const sizes: number[] = [];
    const http: HttpClient = {
      async request(call) {
        const response = await impatientHttp.request(call);
        if (!call.url.endsWith('BatchGetResult')) return response;
        const { taskIds } = JSON.parse(call.body ?? '') as { taskIds: string[] };
        sizes.push(taskIds.length);
        return taskIds.length > most ? { ...response, truncated: true } : response;
      },
    };
    return { http, sizes };
  }
});

test('the page of a task is where a person looks', async () => {
  const { distributor, service } = await setUpSwarming();
  expect(distributor.infoUrl('6663cfc78b41fb10')).toBe(`${service.url}/task?id=6663cfc78b41fb10`);
  expect(distributor.infoUrl('6663cfc78b41fb10&x=1')).toBeUndefined();
});

test('a task that Swarming has forgotten is missing', async () => {
  const { start, distributor, quest, service } = await setUpSwarming();
  const { handle } = await start();
  service.tasks.splice(0);
  const error = await failureOf(distributor.getStatus(handle, quest));
  expect(isTransient(error)).toBe(false);
  expect(messageOf(error)).toContain('no such task (NOT_FOUND)');
});

test('the access token is for the scope that LUCI asks for', async () => {
  const scopes: string[] = [];
  const accessToken = async (scope: string) => {
    scopes.push(scope);
    return 'ya29.secret';
  };
  await (await setUpSwarming({ services: { accessToken } })).start();
  expect(scopes).toEqual(['https://www.googleapis.com/auth/userinfo.email']);
});
