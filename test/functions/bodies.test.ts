import { describe, expect, test } from 'vitest';
import { errorOf, SERVED_BY, setUp } from './harness.ts';

const MIB = 1024 * 1024;
const EXECUTION = `/v1/quests/${'q'.repeat(43)}/attempts/1/executions/1`;

/** One POST of every function. What is too large or compressed is in test/security/body-limits.test.ts. */
const POSTS = [
  ['api', 'POST /v1/graph:ensure'],
  ['job', `POST ${EXECUTION}:activate`],
  ['notify', 'POST /'],
  ['tasks', 'POST /run'],
  ['sweep', 'POST /'],
] as const;

describe.each(SERVED_BY)('bodies, served by %s', servedBy => {
  test.each(POSTS)('%s takes nothing but application/json', async (name, target) => {
    const { call } = await setUp(servedBy);
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/cloudevents+json', '']) {
      expect(await call(name, target, { body: '{}', headers: { 'content-type': type } }), type).toMatchObject(
        errorOf(415, 'UNSUPPORTED_MEDIA_TYPE', 'Content-Type: must be application/json'),
      );
    }
  });

  test.each([
    ['api', 'POST /v1/graph:ensure'],
    ['job', `POST ${EXECUTION}:activate`],
    ['job', `POST ${EXECUTION}:finish`],
    ['job', `POST ${EXECUTION}:notify`],
  ] as const)('%s %s answers malformed JSON with its own error', async (name, target) => {
    const { call } = await setUp(servedBy);
    const invalid = errorOf(400, 'INVALID_ARGUMENT', 'body: is not valid JSON');
    expect(await call(name, target, { body: '{"quests": [', token: 'any' })).toMatchObject(invalid);
    expect(await call(name, target, { body: '\u0000', token: 'any' })).toMatchObject(invalid);
  });

  test('a body that is exactly as large as allowed is read', async () => {
    const { call } = await setUp(servedBy);
    const request = '{"quests": []}';
    expect(await call('api', 'POST /v1/graph:ensure', { body: request.padEnd(MIB, ' ') })).toMatchObject(
      errorOf(400, 'INVALID_ARGUMENT', 'quests: at least one quest or raw attempt is needed'),
    );
  });

  test('a charset and a body without a length are accepted', async () => {
    const { call } = await setUp(servedBy);
    const body = { quests: [{ desc: { distributorConfigName: 'main', parameters: { text: 'ä€😀' } } }] };
    const headers = { 'content-type': 'Application/JSON; charset=utf-8' };
    const { status, json } = await call('api', 'POST /v1/graph:ensure', { body, headers, chunked: true });
    expect(status).toBe(200);
    const [quest] = (json as { questIds: string[] }).questIds;
    expect(await call('api', `GET /v1/quests/${quest}`)).toMatchObject({ json: { desc: body.quests[0]!.desc } });
  });

  test.each(POSTS)('%s answers only this machine when it runs on one', async (name, target) => {
    const { call } = await setUp(servedBy);
    for (const host of ['evil.example', '127.0.0.1.evil.example', 'localhost.evil.example:80']) {
      expect(await call(name, target, { body: {}, headers: { host } }), host).toMatchObject(
        errorOf(403, 'PERMISSION_DENIED', 'Host: only this machine is served'),
      );
    }
    for (const origin of ['https://evil.example', 'http://127.0.0.1.evil.example', 'null', 'file://']) {
      expect(await call(name, target, { body: {}, headers: { origin } }), origin).toMatchObject(
        errorOf(403, 'PERMISSION_DENIED', 'Origin: only pages of this machine are served'),
      );
    }
    for (const headers of [{ host: 'localhost:8080' }, { host: '[::1]:1' }, { origin: 'http://localhost:3000' }]) {
      expect((await call(name, target, { body: {}, headers })).status, JSON.stringify(headers)).not.toBe(403);
    }
  });

  test('every host is answered when it is deployed', async () => {
    const { call } = await setUp(servedBy, { local: false });
    const headers = { host: 'api-xyz.a.run.app', origin: 'https://console.example' };
    expect(await call('api', 'GET /v1/distributors', { headers })).toMatchObject({ status: 200 });
  });

  test.each([
    ['api', 'GET /', 404],
    ['api', 'GET /v1/graph:ensure', 405],
    ['api', 'POST /v1/distributors', 405],
    ['api', 'DELETE /v1/distributors', 405],
    ['api', `GET ${EXECUTION}:activate`, 404],
    ['job', `GET ${EXECUTION}:activate`, 405],
    ['job', `POST ${EXECUTION}:cancel`, 404],
    ['job', `POST ${EXECUTION}`, 404],
    ['job', 'POST /v1/graph:ensure', 404],
    ['notify', 'GET /', 405],
    ['notify', 'POST /other', 404],
    ['tasks', 'POST /', 404],
    ['tasks', 'GET /run', 405],
    ['tasks', 'POST /distributor/', 404],
    ['sweep', 'PUT /', 405],
    ['sweep', 'POST /sweep', 404],
  ] as const)('%s has nothing for %s: %i', async (name, target, code) => {
    const { call } = await setUp(servedBy);
    const path = target.split(' ')[1]!;
    expect(await call(name, target)).toMatchObject(
      errorOf(code, code === 404 ? 'NOT_FOUND' : 'METHOD_NOT_ALLOWED', expect.stringContaining(path)),
    );
  });
});
