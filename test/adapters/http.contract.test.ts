import { describe, expect, test } from 'vitest';
import { httpType } from '../../shared/adapters/http/index.ts';
import type { QuestDesc } from '../../shared/core/quest.ts';
import { parseWith } from '../../shared/core/validation.ts';
import { type AdapterFixture, adapterContract } from '../contracts/adapter.ts';
import { questOf } from '../support/drive.ts';
import { createHttpAdapter, localHttp } from '../support/http-adapter.ts';
import { serve } from '../support/http-server.ts';
import { fakeServices } from '../support/services.ts';

const bad = (distributorParameters: QuestDesc['distributorParameters'], field: string) => ({
  quest: { distributorParameters },
  field: `distributorParameters${field}`,
});

/** A service that accepts every job, and says how it is when it is asked. */
async function createFixture(): Promise<AdapterFixture> {
  const finishedJobs = new Set<string>();
  const jobs = new Set<string>();
  let calls = 0;
  const server = await serve(({ method, path, headers }) => {
    if (path === '/job') {
      calls++;
      const id = headers['idempotency-key'] ?? '';
      jobs.add(id);
      return { status: 202, body: { token: `job of ${id}` } };
    }
    const id = decodeURIComponent(path.slice('/jobs/'.length)).replace('job of ', '');
    if (!jobs.has(id)) return { status: 404 };
    if (method === 'POST' && finishedJobs.has(id)) return { status: 409 };
    if (method === 'POST') jobs.delete(id);
    if (finishedJobs.has(id)) return { body: { state: 'finished', result: { data: { id } } } };
    return { body: { state: 'running' } };
  });
  const services = fakeServices({ http: localHttp });
  const url = `${server.url}/job`;
  const jobUrl = `${server.url}/jobs/{token}`;
  return {
    distributor: createHttpAdapter({ allowedHosts: [server.host] }, services),
    services,
    goodQuest: { distributorParameters: { url, statusUrl: jobUrl, cancelUrl: jobUrl } },
    badQuests: [
      bad({}, '.url'),
      bad({ url: '/job' }, '.url'),
      bad({ url: 'ftp://127.0.0.1/' }, '.url'),
      bad({ url: 'https://elsewhere.test/' }, '.url'),
      bad({ url: url.replace('//', '//user:pass@') }, '.url'),
      bad({ url: 17 }, '.url'),
      bad({ url, statusUrl: 'https://elsewhere.test/{token}' }, '.statusUrl'),
      bad({ url, statusUrl: 'https://{token}/' }, '.statusUrl'),
      bad({ url, cancelUrl: 'https://elsewhere.test/{token}' }, '.cancelUrl'),
      bad({ url, method: 'TRACE' }, '.method'),
      bad({ url, timeout: '1s' }, ''),
      bad({ url, headers: { Authorization: 'Bearer x' } }, '.headers.Authorization'),
      bad({ url, headers: { cookie: 'x' } }, '.headers.cookie'),
      bad({ url, headers: { Host: 'x' } }, '.headers.Host'),
      bad({ url, headers: { 'Idempotency-Key': 'x' } }, '.headers.Idempotency-Key'),
      bad({ url, headers: { 'x-auth-token': 'x' } }, '.headers.x-auth-token'),
      bad({ url, headers: { 'a b': 'x' } }, '.headers.a b'),
      bad({ url, headers: { a: 'x\r\nb: y' } }, '.headers.a'),
      bad({ url, headers: { a: 1 } }, '.headers.a'),
    ],
    jobs: () => calls,
    finishJob: async id => void finishedJobs.add(id),
  };
}

adapterContract('http', createFixture);

const parse = (config: object) => parseWith(httpType.configSchema, config, 'config');

describe('the config', () => {
  test('has defaults', () => {
    expect(parse({ allowedHosts: ['h.test'] })).toEqual({
      allowedHosts: ['h.test'],
      headers: {},
      requestTimeout: '30s',
      maxTries: 5,
    });
  });

  test.each<[object, string]>([
    [{}, 'config.allowedHosts'],
    [{ allowedHosts: [] }, 'config.allowedHosts'],
    [{ allowedHosts: ['https://h.test/'] }, 'config.allowedHosts[0]'],
    [{ allowedHosts: ['h.test'], maxTries: 0 }, 'config.maxTries'],
    [{ allowedHosts: ['h.test'], requestTimeout: '0s' }, 'config.requestTimeout'],
    [{ allowedHosts: ['h.test'], requestTimeout: '481s' }, 'config.requestTimeout'],
    [{ allowedHosts: ['h.test'], requestTimeout: 'soon' }, 'config.requestTimeout'],
    [{ allowedHosts: ['h.test'], headers: { Authorization: 'Bearer x' } }, 'config.headers.Authorization'],
    [{ allowedHosts: ['h.test'], headers: { 'x-auth-token': 'x' } }, 'config.headers.x-auth-token'],
    [{ allowedHosts: ['h.test'], headers: { 'a:b': 'x' } }, 'config.headers.a:b'],
    [{ allowedHosts: ['h.test'], timeout: '1s' }, 'config'],
  ])('%j is refused', (config, field) => {
    expect(() => parse(config)).toThrow(expect.objectContaining({ name: 'InvalidArgument', field }));
  });

  test('a quest may not override the headers of the config', () => {
    const distributor = createHttpAdapter({ allowedHosts: ['h.test'], headers: { 'X-Key': 'k' } }, fakeServices());
    const quest = questOf({ distributorParameters: { url: 'https://h.test/', headers: { 'x-key': 'q' } } });
    expect(() => distributor.validate(quest)).toThrow(
      expect.objectContaining({ field: 'distributorParameters.headers.x-key' }),
    );
  });
});
