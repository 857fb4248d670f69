import { describe, expect, test } from 'vitest';
import { TransientError } from '../../shared/core/errors.ts';
import { abnormal, finished } from '../../shared/core/result.ts';
import { abnormalFinish, type HttpAdapterOptions, setUpHttpAdapter } from '../support/http-adapter.ts';
import type { Answer } from '../support/http-server.ts';
import { memoryDocuments } from '../support/services.ts';

const accepts: Answer = { status: 202, body: { token: 'job 7' } };

/** The service has the call and holds its answer back. */
async function duringCall(options: HttpAdapterOptions = {}) {
  const reached = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<Answer>();
  const setup = await setUpHttpAdapter(({ path }) => {
    if (path !== '/job') return {};
    reached.resolve();
    return answer.promise;
  }, options);
  await setup.driver.run(setup.task);
  const settled = setup.driver.settle();
  await reached.promise;
  return { ...setup, answer, settled };
}

describe('a service that goes on by itself', () => {
  test('answers by a notification', async () => {
    const { driver, task, distributor, executionId, handle, quest } = await setUpHttpAdapter(() => accepts);
    await driver.run(task);
    await driver.settle();
    expect(await distributor.getStatus(handle, quest)).toEqual({ state: 'running' });
    const status = { state: 'finished', result: { data: { a: 1 }, expiration: '2026-12-01T00:00:00Z' } };
    const notification = { executionId, data: JSON.stringify(status), attributes: {} };
    expect(await distributor.handleNotification(notification, quest)).toEqual(status);
  });

  test('may answer malformed, which is its end', async () => {
    const { distributor, executionId, quest } = await setUpHttpAdapter(() => accepts);
    const notification = { executionId, data: '{"state":"finished","result":{"data":7}}', attributes: {} };
    expect(await distributor.handleNotification(notification, quest)).toMatchObject({
      result: { abnormalFinish: { status: 'RESULT_MALFORMED' } },
    });
  });

  test('is asked under its own token, with the headers of the quest and the config', async () => {
    const { server, driver, task, distributor, handle, quest, executionId } = await setUpHttpAdapter(
      ({ method }) => (method === 'POST' ? accepts : { body: { state: 'pending' } }),
      {
        config: { headers: { 'x-key': 'config' } },
        parameters: { statusUrl: '/jobs/{token}?e={executionId}', headers: { 'x-kind': 'quest' } },
      },
    );
    await driver.run(task);
    await driver.settle();
    expect(await distributor.getStatus(handle, quest)).toEqual({ state: 'pending' });
    expect(server.requests[1]).toMatchObject({
      method: 'GET',
      path: `/jobs/job%207?e=${encodeURIComponent(executionId)}`,
      headers: { 'x-key': 'config', 'x-kind': 'quest' },
    });
  });

  test('is remembered for as long as it is asked about', async () => {
    const documents = memoryDocuments();
    const expiries: number[] = [];
    const { driver, task, distributor, handle, quest, clock } = await setUpHttpAdapter(() => accepts, {
      services: {
        documents: {
          ...documents,
          put: (id, doc, options) => (expiries.push(options.expireAt), documents.put(id, doc, options)),
        },
      },
    });
    await driver.run(task);
    await driver.settle();
    const day = 86_400_000;
    for (let days = 0; days < 30; days++) {
      expect(expiries.at(-1)).toBeGreaterThan(clock.now() + 6 * day);
      await distributor.getStatus(handle, quest);
      await distributor.getStatus(handle, quest);
      clock.advance(day);
    }
    expect(expiries.length).toBeLessThan(35);
  });
});

describe('cancel', () => {
  test('before the call is made keeps it from being made', async () => {
    const { server, driver, task, distributor, executionId, handle, quest } = await setUpHttpAdapter(() => ({
      body: {},
    }));
    await driver.run(task);
    await distributor.cancel({ executionId }, quest);
    await driver.settle();
    expect(server.requests).toHaveLength(0);
    expect(await distributor.getStatus(handle, quest)).toEqual(abnormalFinish('CANCELLED', 'cancelled on request'));
  });

  test('between two calls keeps the second from being made', async () => {
    const { server, driver, task, distributor, executionId, quest, clock } = await setUpHttpAdapter(() => ({
      status: 503,
    }));
    await driver.run(task);
    await driver.settle();
    await distributor.cancel({ executionId }, quest);
    clock.advance(3_600_000);
    await driver.settle();
    expect(server.requests).toHaveLength(1);
  });

  test('during the call is to be tried again, until the call is over', async () => {
    const { distributor, driver, executionId, quest, handle, answer, settled } = await duringCall();
    await expect(distributor.cancel({ executionId }, quest)).rejects.toThrow(TransientError);
    await expect(distributor.cancel({ executionId }, quest)).rejects.toThrow(TransientError);
    answer.resolve({ body: { after: 'all' } });
    await settled;
    await distributor.cancel({ executionId }, quest);
    // It did finish, and whoever asks is told so.
    const status = { state: 'finished', result: { data: { after: 'all' } } };
    expect(driver.statusOf(executionId)).toEqual(status);
    expect(await distributor.getStatus(handle, quest)).toEqual(status);
  });

  test('during a call that fails for the moment is its end', async () => {
    const { distributor, server, executionId, quest, answer, settled } = await duringCall();
    await expect(distributor.cancel({ executionId }, quest)).rejects.toThrow(TransientError);
    answer.resolve({ status: 503 });
    await settled;
    await distributor.cancel({ executionId }, quest);
    expect(await distributor.getStatus({ executionId, token: executionId }, quest)).toEqual(
      finished(abnormal('CANCELLED', 'cancelled on request')),
    );
    expect(server.requests).toHaveLength(1);
  });

  test('during a call that fails for the moment reaches the service by the execution: it may have begun', async () => {
    const { distributor, server, executionId, quest, answer, settled } = await duringCall({
      parameters: { cancelUrl: '/jobs/{token}:cancel' },
    });
    await expect(distributor.cancel({ executionId }, quest)).rejects.toThrow(TransientError);
    answer.resolve({ status: 503 });
    await settled;
    await distributor.cancel({ executionId }, quest);
    expect(server.requests[1]).toMatchObject({ path: `/jobs/${encodeURIComponent(executionId)}:cancel` });
  });

  test('during a call that is accepted reaches the service afterwards', async () => {
    const { distributor, server, executionId, quest, answer, settled } = await duringCall({
      parameters: { cancelUrl: '/jobs/{token}:cancel' },
    });
    await expect(distributor.cancel({ executionId }, quest)).rejects.toThrow(TransientError);
    answer.resolve(accepts);
    await settled;
    await distributor.cancel({ executionId }, quest);
    expect(server.requests[1]).toMatchObject({
      method: 'POST',
      path: '/jobs/job%207:cancel',
      headers: { 'idempotency-key': executionId },
    });
  });

  test.each([
    [200, 'succeeds'],
    [404, 'succeeds'],
    [409, 'succeeds'],
    [410, 'succeeds'],
    [500, 'fails'],
    [400, 'fails'],
  ])('of a job whose service answers %i %s', async (status, expected) => {
    const { distributor, driver, task, executionId, handle, quest } = await setUpHttpAdapter(
      ({ path }) => (path === '/job' ? accepts : { status }),
      { parameters: { cancelUrl: '/cancel' } },
    );
    await driver.run(task);
    await driver.settle();
    if (expected === 'fails') {
      await expect(distributor.cancel({ executionId }, quest)).rejects.toThrow(`cancelUrl answered ${status}`);
      expect(await distributor.getStatus(handle, quest)).toEqual({ state: 'running' });
    } else {
      await distributor.cancel({ executionId }, quest);
      expect(await distributor.getStatus(handle, quest)).toEqual(abnormalFinish('CANCELLED', 'cancelled on request'));
    }
  });

  test('of a job that can be asked leaves it to the service to say when it is gone', async () => {
    const { distributor, driver, task, executionId, handle, quest } = await setUpHttpAdapter(
      ({ path }) => (path === '/job' ? accepts : { body: { state: 'running' } }),
      { parameters: { statusUrl: '/status', cancelUrl: '/cancel' } },
    );
    await driver.run(task);
    await driver.settle();
    await distributor.cancel({ executionId }, quest);
    expect(await distributor.getStatus(handle, quest)).toEqual({ state: 'running' });
  });
});
