import { CloudTasksClient, type protos } from '@google-cloud/tasks';
import { credentials } from '@grpc/grpc-js';
import { describe, expect, onTestFinished, test } from 'vitest';
import { DEFAULT_CONFIG, type QueueConfig, retryIntervalMs } from '../../local/emulators/cloud-tasks-config.ts';
import { createDispatcher } from '../../local/emulators/cloud-tasks-dispatch.ts';
import { createRateLimiter } from '../../local/emulators/cloud-tasks-rate.ts';
import { startCloudTasks } from '../../local/emulators/cloud-tasks.ts';
import { createHttpSender } from '../../shared/embedded/http-send.ts';
import { type Answer, serve } from '../support/http-server.ts';
import { manualClock, realClock, recordingLog } from '../support/services.ts';

type NewTask = protos.google.cloud.tasks.v2.ITask;

const QUEUE = 'projects/p/locations/l/queues/q-0';
const QUICK = { minBackoffMs: 2, maxBackoffMs: 8 };
const DAY_S = 24 * 60 * 60;
const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;
const ALREADY_EXISTS = 6;
const UNIMPLEMENTED = 12;

/** Google's client, a server for it, and a target that gives these answers, the last one for ever. */
async function setUp(answers: Answer[] = [{}], retry: Partial<QueueConfig> = {}) {
  const target = await serve(() => answers[Math.min(target.requests.length, answers.length) - 1]!);
  const log = recordingLog();
  const random = { fraction: () => 0, token: () => 'token' };
  const server = await startCloudTasks({
    clock: realClock,
    random,
    log,
    queues: [QUEUE],
    retry: { ...QUICK, ...retry },
  });
  const [apiEndpoint = '', port] = server.host.split(':');
  const client = new CloudTasksClient({
    apiEndpoint,
    port: Number(port),
    sslCreds: credentials.createInsecure(),
    universeDomain: 'googleapis.com',
  });
  onTestFinished(async () => {
    await client.close();
    await server.close();
  });
  const create = async (task: NewTask = {}, parent = QUEUE) => {
    const httpRequest = { url: `${target.url}/run`, ...task.httpRequest };
    return (await client.createTask({ parent, task: { ...task, httpRequest } }))[0];
  };
  const drained = () => expect.poll(() => server.stats().pending, { timeout: 10_000 }).toBe(0);
  return { target, log, server, client, create, drained };
}

const now = () => Math.floor(Date.now() / 1000);

describe('a task', () => {
  test('is delivered as it was asked for, but for the headers that are not the caller’s', async () => {
    const { target, create, drained } = await setUp();
    const headers = { 'content-type': 'text/plain', 'x-own': 'yes', 'user-agent': 'me', 'x-cloudtasks-taskname': 'x' };
    const { name } = await create({ httpRequest: { httpMethod: 'PUT', headers, body: Buffer.from('grüße') } });
    await drained();
    expect(target.requests).toMatchObject([
      {
        method: 'PUT',
        path: '/run',
        body: 'grüße',
        headers: {
          'content-type': 'text/plain',
          'x-own': 'yes',
          'user-agent': 'Google-Cloud-Tasks',
          'x-cloudtasks-queuename': 'q-0',
          'x-cloudtasks-taskretrycount': '0',
          'x-cloudtasks-taskexecutioncount': '0',
        },
      },
    ]);
    const { headers: received } = target.requests[0]!;
    expect(name).toBe(`${QUEUE}/tasks/${received['x-cloudtasks-taskname']}`);
    expect(received['x-cloudtasks-taskpreviousresponse']).toBeUndefined();
  });

  test('may ask for an OIDC token, which nobody here can sign', async () => {
    const { target, create, drained } = await setUp();
    const oidcToken = { serviceAccountEmail: 'caller@p.iam.gserviceaccount.com', audience: target.url };
    await create({ httpRequest: { oidcToken } });
    await drained();
    expect(target.requests[0]?.headers.authorization).toBeUndefined();
  });

  test.each([200, 201, 204, 299])('is done when the target answers %i', async status => {
    const { target, server, create, drained } = await setUp([{ status }]);
    await create();
    await drained();
    expect(target.requests).toHaveLength(1);
    expect(server.stats()).toEqual({ created: 1, duplicates: 0, dispatched: 1, pending: 0, dead: 0 });
  });

  test.each([302, 400, 404, 429, 500, 503])('is delivered again when the target answers %i', async status => {
    const { target, server, create, drained } = await setUp([{ status, headers: { location: '/else' } }, {}]);
    await create();
    await drained();
    expect(target.requests.map(({ path }) => path)).toEqual(['/run', '/run']);
    expect(server.stats()).toMatchObject({ dispatched: 2, dead: 0 });
  });

  test('tells at each retry of those before it, where an answer of 5xx is no execution', async () => {
    const { target, create, drained } = await setUp([{ status: 500 }, { status: 404 }, { status: 503 }, {}]);
    await create();
    await drained();
    const told = target.requests.map(({ headers }) => [
      headers['x-cloudtasks-taskretrycount'],
      headers['x-cloudtasks-taskexecutioncount'],
      headers['x-cloudtasks-taskpreviousresponse'],
    ]);
    expect(told).toEqual([
      ['0', '0', undefined],
      ['1', '0', '500'],
      ['2', '1', '404'],
      ['3', '1', '503'],
    ]);
  });

  test('that nobody answers is delivered again, too, and given up after its last attempt, with a log line', async () => {
    const { server, log, create, drained } = await setUp([], { maxAttempts: 3 });
    await create({ httpRequest: { url: 'http://127.0.0.1:1/' } });
    await drained();
    expect(server.stats()).toMatchObject({ dispatched: 3, dead: 1 });
    expect(log.lines.filter(({ severity }) => severity === 'error')).toHaveLength(1);
  });

  test('is never given up where the attempts have no end', async () => {
    const failures = Array.from({ length: 5 }, () => ({ status: 500 }));
    const { server, create, drained } = await setUp([...failures, {}], { maxAttempts: -1 });
    await create();
    await drained();
    expect(server.stats()).toMatchObject({ dispatched: 6, dead: 0 });
  });

  test.each([
    { retryCount: 0, header: '7', expected: 7000 },
    { retryCount: 0, header: 'soon', expected: 100 },
    { retryCount: 3, header: '0', expected: 800 },
    { retryCount: 5, header: '1', expected: 3200 },
  ])('that failed waits for its interval, or longer when Retry-After says so: $expected ms', async given => {
    const target = await serve(() => ({ status: 503, headers: { 'retry-after': given.header } }));
    const sender = createHttpSender();
    onTestFinished(sender.close);
    const limiter = createRateLimiter(500, realClock, new AbortController().signal);
    const dispatch = createDispatcher({ queue: QUEUE, config: DEFAULT_CONFIG, sender, limiter, onDispatch() {} });
    const { url } = target;
    const payload = { id: 'a', url, method: 'POST', headers: {}, body: '', deadlineMs: 15_000, scheduledAt: 0 };
    await expect(
      dispatch({ id: 1, name: undefined, payload: JSON.stringify(payload), retryCount: given.retryCount }),
    ).rejects.toMatchObject({ retryAfterMs: given.expected });
  });
});

describe('a name', () => {
  const name = `${QUEUE}/tasks/mine_1-A`;

  test('is taken while its task exists and after it was done', async () => {
    const { server, create, drained } = await setUp();
    expect((await create({ name })).name).toBe(name);
    await drained();
    await expect(create({ name })).rejects.toMatchObject({ code: ALREADY_EXISTS });
    expect(server.stats()).toMatchObject({ created: 1, duplicates: 1 });
  });
});

describe('Cloud Tasks refuses', () => {
  const invalid: Record<string, NewTask> = {
    'a name of another queue': { name: 'projects/p/locations/l/queues/other/tasks/a' },
    'a name with a dot': { name: `${QUEUE}/tasks/a.b` },
    'a name of 501 characters': { name: `${QUEUE}/tasks/${'a'.repeat(501)}` },
    'a time more than 30 days away': { scheduleTime: { seconds: now() + 31 * DAY_S } },
    'a deadline under 15 s': { dispatchDeadline: { seconds: 14 } },
    'a deadline over 30 min': { dispatchDeadline: { seconds: 1801 } },
    'a URL without a scheme': { httpRequest: { url: '127.0.0.1/run' } },
    'a URL that is too long': { httpRequest: { url: `http://127.0.0.1/${'a'.repeat(2083)}` } },
    'a task over 1 MiB': { httpRequest: { body: Buffer.alloc(1024 * 1024) } },
  };

  test.each(Object.entries(invalid))('%s', async (_, task) => {
    const { server, create } = await setUp();
    await expect(create(task)).rejects.toMatchObject({ code: INVALID_ARGUMENT });
    expect(server.stats()).toMatchObject({ created: 0, pending: 0 });
  });

  test('a task for a queue that does not exist', async () => {
    const { create } = await setUp();
    await expect(create({}, 'projects/p/locations/l/queues/none')).rejects.toMatchObject({ code: NOT_FOUND });
  });

  test('what is not served here', async () => {
    const { client } = await setUp();
    await expect(client.purgeQueue({ name: QUEUE })).rejects.toMatchObject({ code: UNIMPLEMENTED });
  });
});

test('the interval doubles, then grows, then stays, as the example of RetryConfig.max_doublings says', () => {
  const config = { minBackoffMs: 10, maxBackoffMs: 300, maxDoublings: 3 };
  const intervals = [1, 2, 3, 4, 5, 6, 7, 8].map(retry => retryIntervalMs(config, retry));
  expect(intervals).toEqual([10, 20, 40, 80, 160, 240, 300, 300]);
});

describe('the rate of a queue', () => {
  /** How many of 1,000 dispatches go out within the next second. */
  async function dispatchedWithinASecond(prepare: (limiter: ReturnType<typeof createRateLimiter>) => void) {
    const clock = manualClock();
    const limiter = createRateLimiter(500, clock, new AbortController().signal);
    prepare(limiter);
    let dispatched = 0;
    for (let n = 0; n < 1000; n++) void limiter.turn().then(() => dispatched++);
    clock.advance(1000);
    await new Promise(setImmediate);
    return dispatched;
  }

  test('is what was set, after a burst', async () => {
    expect(await dispatchedWithinASecond(() => {})).toBe(601);
  });

  test('halves with each sign of overload', async () => {
    expect(await dispatchedWithinASecond(limiter => limiter.slowDown())).toBe(301);
  });

  test('comes back as dispatches are accepted', async () => {
    const dispatched = await dispatchedWithinASecond(limiter => {
      limiter.slowDown();
      for (let n = 0; n < 50; n++) limiter.recover();
    });
    expect(dispatched).toBe(601);
  });

  test('never comes to a stop', async () => {
    const dispatched = await dispatchedWithinASecond(limiter => {
      for (let n = 0; n < 100; n++) limiter.slowDown();
    });
    expect(dispatched).toBeGreaterThan(5);
  });
});
