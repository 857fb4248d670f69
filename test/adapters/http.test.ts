import { describe, expect, test } from 'vitest';
import { createHttpClient } from '../../shared/adapters/http-client.ts';
import { TransientError } from '../../shared/core/errors.ts';
import { abnormalFinish, createHttpAdapter, setUpHttpAdapter } from '../support/http-adapter.ts';
import type { Answer, ReceivedRequest } from '../support/http-server.ts';
import { fakeServices, manualClock, memoryDocuments } from '../support/services.ts';

/** The instance that makes the first call stops for ever in the midst of it. */
async function lostCall() {
  const clock = manualClock();
  const documents = memoryDocuments();
  const called = Promise.withResolvers<void>();
  const dead = fakeServices({
    clock,
    documents,
    http: { request: () => (called.resolve(), Promise.withResolvers<never>().promise) },
  });
  const setup = await setUpHttpAdapter(() => ({ body: { late: true } }), { services: { clock, documents } });
  const { server, task, executionId } = setup;
  void createHttpAdapter({ allowedHosts: [server.host] }, dead).handleTaskQueueTask({
    executionId,
    payload: {},
    retryCount: 0,
    task,
  });
  await called.promise;
  return { ...setup, clock };
}

describe('the call', () => {
  test('says what to do, who asks and where to answer', async () => {
    const { server, driver, task, executionId } = await setUpHttpAdapter(() => ({ body: {} }), {
      parameters: { method: 'PUT', headers: { 'X-Kind': 'probe' } },
      quest: { parameters: { n: 1, text: 'ä' } },
    });
    await driver.run(task);
    await driver.settle();
    expect(server.requests).toHaveLength(1);
    const [{ headers, ...request }] = server.requests as [ReceivedRequest];
    expect(request).toEqual({ method: 'PUT', path: '/job', body: '{"n":1,"text":"ä"}' });
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'x-kind': 'probe',
      'idempotency-key': executionId,
      'x-execution-id': executionId,
      'x-notify-url': `${task.executionUrl}:notify`,
      'x-notify-topic': 'projects/test/topics/notify',
      'x-auth-token': `auth-${executionId}`,
    });
    expect(headers).not.toHaveProperty('x-activation-token');
    expect(headers).not.toHaveProperty('x-execution-url');
  });

  test('has no body when it is a GET', async () => {
    const { server, driver, task } = await setUpHttpAdapter(() => ({ body: {} }), {
      parameters: { method: 'GET' },
      quest: { parameters: { n: 1 } },
    });
    await driver.run(task);
    await driver.settle();
    expect(server.requests).toMatchObject([{ method: 'GET', body: '' }]);
    expect(server.requests[0]?.headers).not.toHaveProperty('content-type');
  });

  test('of an interactive quest lets the service activate', async () => {
    const { server, driver, task, executionId } = await setUpHttpAdapter(() => ({ body: {} }), {
      quest: { meta: { mode: 'interactive' } },
    });
    await driver.run(task);
    await driver.settle();
    expect(server.requests[0]?.headers).toMatchObject({
      'x-execution-url': task.executionUrl,
      'x-activation-token': `activation-${executionId}`,
    });
  });

  test('carries the secrets of the config, which are read each time and stay nowhere', async () => {
    let reads = 0;
    const documents = memoryDocuments();
    const { server, driver, task, clock, log, executionId } = await setUpHttpAdapter(
      ({ headers }) => ({ status: server.requests.length === 1 ? 500 : 400, body: `no ${headers.authorization}` }),
      {
        config: { headers: { Authorization: 'env:KEY', 'x-plain': 'plain' } },
        services: { documents, secret: reference => `${reference}-s3cret-${++reads}` },
      },
    );
    await driver.run(task);
    await driver.settle();
    clock.advance(60_000);
    await driver.settle();
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual([
      'env:KEY-s3cret-1',
      'env:KEY-s3cret-2',
    ]);
    expect(server.requests[0]?.headers['x-plain']).toBe('plain');
    expect(driver.statusOf(executionId)).toEqual(abnormalFinish('FAILED', 'the service answered 400: no [secret]'));
    const kept = JSON.stringify([await documents.get(executionId), log.lines, driver.notifications]);
    expect(kept).not.toContain('s3cret');
    expect(kept).not.toContain('auth-');
  });

  test('that may not be made is rejected', async () => {
    const { server, driver, task, executionId } = await setUpHttpAdapter(() => ({ body: {} }), {
      services: { http: createHttpClient({ local: false }) },
    });
    await driver.run(task);
    await driver.settle();
    expect(driver.statusOf(executionId)).toEqual(abnormalFinish('REJECTED', 'url: must be https'));
    expect(server.requests).toHaveLength(0);
  });

  test('whose secret is missing is rejected', async () => {
    const { driver, task, executionId } = await setUpHttpAdapter(() => ({ body: {} }), {
      config: { headers: { authorization: 'env:NONE' } },
      services: {
        secret: reference => {
          throw new Error(`there is no secret ${reference}`);
        },
      },
    });
    await driver.run(task);
    await driver.settle();
    expect(driver.statusOf(executionId)).toEqual(abnormalFinish('REJECTED', 'there is no secret env:NONE'));
  });
});

describe('a service that answers at once', () => {
  test('costs two writes and no read', async () => {
    const documents = memoryDocuments();
    const used: string[] = [];
    const { driver, task, executionId } = await setUpHttpAdapter(() => ({ body: { answer: 42 } }), {
      services: {
        documents: {
          ...documents,
          get: id => (used.push('get'), documents.get(id)),
          put: (id, doc, options) => (used.push('put'), documents.put(id, doc, options)),
        },
      },
    });
    expect(await driver.run(task)).toMatchObject({ status: { state: 'running' } });
    await driver.settle();
    expect(driver.statusOf(executionId)).toEqual({ state: 'finished', result: { data: { answer: 42 } } });
    expect(used).toEqual(['put', 'put']);
  });

  test('is not called again when the notification was lost: the end is told again', async () => {
    const { server, driver, task, distributor, executionId, handle, quest } = await setUpHttpAdapter(() => ({
      body: { a: 1 },
    }));
    await driver.run(task);
    await driver.settle();
    const again = await distributor.handleTaskQueueTask({ executionId, payload: {}, retryCount: 1, task });
    expect(again).toEqual(driver.notifications);
    expect(await distributor.getStatus(handle, quest)).toEqual({ state: 'finished', result: { data: { a: 1 } } });
    expect(server.requests).toHaveLength(1);
  });
});

describe('a service that fails for the moment', () => {
  test('is called again, not before it asked to be', async () => {
    const answers: Answer[] = [
      { status: 429, headers: { 'retry-after': '120' } },
      { status: 503 },
      { body: { done: true } },
    ];
    const { server, driver, task, clock, executionId, log } = await setUpHttpAdapter(() => answers.shift()!);
    await driver.run(task);
    await driver.settle();
    clock.advance(119_999);
    await driver.settle();
    expect(server.requests).toHaveLength(1);
    clock.advance(1);
    await driver.settle();
    expect(server.requests).toHaveLength(2);
    clock.advance(2000);
    await driver.settle();
    expect(driver.statusOf(executionId)).toEqual({ state: 'finished', result: { data: { done: true } } });
    expect(new Set(server.requests.map(({ headers }) => headers['idempotency-key']))).toEqual(new Set([executionId]));
    expect(log.lines.map(({ fields }) => fields.reason)).toEqual([
      'the service answered 429',
      'the service answered 503',
    ]);
  });

  test('is called maxTries times, then the job has crashed', async () => {
    const { server, driver, task, clock, executionId, services } = await setUpHttpAdapter(() => ({ status: 500 }), {
      config: { maxTries: 3 },
    });
    await driver.run(task);
    for (let n = 0; n < 10; n++) {
      await driver.settle();
      clock.advance(3_600_000);
    }
    expect(server.requests).toHaveLength(3);
    expect(driver.statusOf(executionId)).toEqual(abnormalFinish('CRASHED', 'the service answered 500 (3 calls)'));
    expect(services.tasks).toHaveLength(0);
  });

  test('or cannot be reached has crashed, too', async () => {
    const { driver, task, executionId } = await setUpHttpAdapter(() => ({}), {
      config: { maxTries: 1 },
      services: { http: { request: () => Promise.reject(new TransientError('ECONNREFUSED')) } },
    });
    await driver.run(task);
    await driver.settle();
    expect(driver.statusOf(executionId)).toEqual(abnormalFinish('CRASHED', 'ECONNREFUSED (one call)'));
  });
});

describe('a call whose maker dies', () => {
  test('is made again by the repeated delivery, once it must have timed out', async () => {
    const { server, driver, task, clock, executionId } = await lostCall();
    await driver.run(task);
    await driver.settle();
    clock.advance(30_000);
    await driver.settle();
    expect(server.requests).toHaveLength(0);
    clock.advance(10_000);
    await driver.settle();
    expect(server.requests).toHaveLength(1);
    expect(driver.statusOf(executionId)).toEqual({ state: 'finished', result: { data: { late: true } } });
  });

  test('is made again by a poll, when no delivery is left', async () => {
    const { services, clock, distributor, handle, quest, executionId } = await lostCall();
    expect(await distributor.getStatus(handle, quest)).toEqual({ state: 'running' });
    expect(services.tasks).toEqual([]);
    clock.advance(40_000);
    expect(await distributor.getStatus(handle, quest)).toEqual({ state: 'running' });
    expect(services.tasks).toMatchObject([{ executionId }]);
  });
});

test('a call that the queue has lost is made by a poll', async () => {
  const { server, services, distributor, driver, task, handle, quest, executionId } = await setUpHttpAdapter(() => ({
    body: {},
  }));
  await driver.run(task);
  services.tasks.splice(0);
  expect(await distributor.getStatus(handle, quest)).toEqual({ state: 'running' });
  await driver.settle();
  expect(server.requests).toHaveLength(1);
  expect(driver.statusOf(executionId)).toMatchObject({ state: 'finished' });
});

test('a task that comes when its execution has ended leaves no trace', async () => {
  const { services, distributor, executionId } = await setUpHttpAdapter(() => ({ body: {} }));
  expect(await distributor.handleTaskQueueTask({ executionId, payload: {}, retryCount: 0 })).toEqual([]);
  expect(await services.documents.get(executionId)).toBeUndefined();
  expect(services.tasks).toEqual([]);
});
