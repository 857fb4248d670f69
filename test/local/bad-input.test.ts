import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type RawRequest, send, shell, sim, startTestStack, type TestStack, web } from '../support/stack.ts';

/** Stands in bad input; must never stand in the log. */
const SECRET = 'swordfish-4711';

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
});
afterAll(() => stack.close());

afterEach(async () => {
  expect((await stack.api.list()).attempts).toEqual([]);
  expect(stack.log.join('')).not.toContain(SECRET);
});

const ensure = (request: RawRequest) => send(`${stack.urls.api}/v1/graph:ensure`, { method: 'POST', ...request });
const good = shell('echo "{}"', { parameters: { secret: SECRET } });
const withMeta = (meta: object) => ({ quests: [{ desc: { ...good, meta } }] });
const withAttempts = (attempts: unknown) => ({ quests: [{ desc: good, attempts }] });
const desc = (part: object) => ({ quests: [{ desc: { ...good, ...part } }] });
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

const REFUSED: readonly (readonly [what: string, body: unknown, message: string | RegExp])[] = [
  ['an unknown distributor', desc({ distributorConfigName: 'nobody' }), 'quests[0].desc.distributorConfigName'],
  ['a malformed distributor name', desc({ distributorConfigName: '../x' }), 'quests[0].desc.distributorConfigName'],
  ['no distributor', { quests: [{ desc: {} }] }, 'quests[0].desc.distributorConfigName'],
  ['no description', { quests: [{}] }, /^quests\[0\]\.desc/],
  ['no command', desc({ distributorParameters: {} }), 'quests[0].desc.distributorParameters.command'],
  ['an empty command', desc({ distributorParameters: { command: [] } }), 'distributorParameters.command'],
  ['an unknown parameter', desc({ distributorParameters: { command: ['a'], x: SECRET } }), '"x"'],
  ['a host that is not allowed', { quests: [{ desc: web('http://example.com/') }] }, 'distributorParameters.url'],
  ['a URL that is none', { quests: [{ desc: web('nowhere') }] }, 'distributorParameters.url'],
  ['a phrase that is none', { quests: [{ desc: sim({ stages: [{ dance: {} }] }) }] }, 'desc.parameters.stages[0]'],
  [
    'a mode that it cannot run',
    { quests: [{ desc: { ...sim({ stages: [] }), meta: { mode: 'unattended' } } }] },
    'mode',
  ],
  ['parameters over 256 KiB', desc({ parameters: { big: SECRET.repeat(20_000) } }), 'quests[0].desc.parameters'],
  ['parameters that are an array', desc({ parameters: [SECRET] }), 'quests[0].desc.parameters'],
  ['parameters that are text', desc({ parameters: SECRET }), 'quests[0].desc.parameters'],
  ['parameters that are null', desc({ parameters: null }), 'quests[0].desc.parameters'],
  ['parameters nested too deeply', desc({ parameters: nested(200) }), 'quests[0].desc.parameters'],
  ['a lone surrogate', desc({ parameters: { text: '\ud800' } }), 'quests[0].desc.parameters'],
  ['an unknown field', desc({ [SECRET]: 1 }), 'quests[0].desc'],
  ['a negative duration', withMeta({ timeouts: { run: '-1s' } }), 'quests[0].desc.meta.timeouts.run'],
  ['an unparsable duration', withMeta({ timeouts: { start: '5 min' } }), 'quests[0].desc.meta.timeouts.start'],
  ['a duration that is a number', withMeta({ backoff: { initial: 5 } }), 'quests[0].desc.meta.backoff.initial'],
  ['an endless duration', withMeta({ backoff: { max: '999999999999s' } }), 'quests[0].desc.meta.backoff.max'],
  ['an unlimited stop', withMeta({ timeouts: { stop: '0s' } }), 'quests[0].desc.meta.timeouts.stop'],
  ['a negative budget', withMeta({ retry: { failed: -1 } }), 'quests[0].desc.meta.retry.failed'],
  ['attempt 0', withAttempts([1, 0]), 'quests[0].attempts[1]'],
  ['attempt -1', withAttempts([-1]), 'quests[0].attempts[0]'],
  ['attempt 1.5', withAttempts([1.5]), 'quests[0].attempts[0]'],
  ['attempt "1"', withAttempts(['1']), 'quests[0].attempts[0]'],
  ['an attempt beyond all numbers', withAttempts([2 ** 31]), 'quests[0].attempts[0]'],
  ['no attempts', withAttempts([]), 'quests[0].attempts'],
  ['10001 attempts', withAttempts(numbers(10_001)), /^quests: 10001 attempts/],
  [
    '10001 attempts of several quests',
    { quests: [...withAttempts(numbers(6000)).quests, ...withAttempts(numbers(4001)).quests] },
    /^quests: 10001/,
  ],
  ['nothing to do', {}, 'quests'],
  ['quests that are no list', { quests: {} }, 'quests'],
  ['a second quest that is bad', { quests: [{ desc: good }, { desc: 5 }] }, 'quests[1].desc'],
  ['an unknown key', { quest: [] }, 'quest'],
  ['a raw attempt of no id', { rawAttempts: { short: [1] } }, 'rawAttempts.short'],
  ['a body that is a list', [good], 'body'],
  ['a body that is text', 'quests', 'body'],
  ['a body that is null', null, 'body'],
];

function nested(levels: number): object {
  return levels === 0 ? {} : { n: nested(levels - 1) };
}

describe('graph:ensure refuses, naming the field, and stores nothing:', () => {
  test.each(REFUSED)('%s', async (_, body, message) => {
    const answer = await ensure({ body: JSON.stringify(body) });
    expect(answer.body).toMatchObject({ error: { code: 400, status: 'INVALID_ARGUMENT' } });
    expect(answer.status).toBe(400);
    if (typeof message === 'string') expect(answer.body.error.message).toContain(message);
    else expect(answer.body.error.message).toMatch(message);
  });
});

const text = JSON.stringify({ quests: [{ desc: good }] });
const BAD_REQUESTS: readonly (readonly [what: string, request: RawRequest, status: number, message: string])[] = [
  ['malformed JSON', { body: `{"quests": [${SECRET}` }, 400, 'body'],
  ['an empty body', { body: '' }, 400, 'body'],
  ['a body over 4 MiB', { body: text.padEnd(4 * 1024 * 1024 + 1) }, 413, 'body'],
  ['an endless body', { body: text.padEnd(8 * 1024 * 1024), headers: { 'transfer-encoding': 'chunked' } }, 413, 'body'],
  ['plain text', { body: text, headers: { 'content-type': 'text/plain' } }, 415, 'Content-Type'],
  ['a form', { body: text, headers: { 'content-type': 'application/x-www-form-urlencoded' } }, 415, 'Content-Type'],
  ['no content type', { body: text, headers: { 'content-type': undefined } }, 415, 'Content-Type'],
  [
    'a gzip bomb',
    { body: gzipSync(Buffer.alloc(32 * 1024 * 1024)), headers: { 'content-encoding': 'gzip' } },
    415,
    'Content-Encoding',
  ],
  ['a foreign Host', { body: text, headers: { host: 'distributor.example.com' } }, 403, 'Host'],
  ['a Host that only begins like ours', { body: text, headers: { host: '127.0.0.1.example.com' } }, 403, 'Host'],
  ['a foreign Origin', { body: text, headers: { origin: 'https://example.com' } }, 403, 'Origin'],
  ['the Origin of a file', { body: text, headers: { origin: 'null' } }, 403, 'Origin'],
  ['another method', { method: 'PUT', body: text }, 405, 'PUT'],
  ['a GET', { method: 'GET' }, 405, 'GET'],
];

test.each(BAD_REQUESTS)('%s is refused', async (_, request, status, message) => {
  const answer = await ensure(request);
  expect(answer.status).toBe(status);
  expect(answer.body.error.code).toBe(status);
  expect(answer.body.error.message).toContain(message);
});

test.each(['api', 'job', 'notify', 'tasks', 'sweep'] as const)('%s serves this machine alone', async name => {
  for (const headers of [{ host: 'example.com' }, { origin: 'http://example.com' }]) {
    expect(await send(`${stack.urls[name]}/`, { method: 'POST', body: '{}', headers })).toMatchObject({ status: 403 });
  }
});

const ID = 'A'.repeat(43);
const PATHS: readonly (readonly [path: string, status: number, message: string])[] = [
  ['GET /v1/nothing', 404, '/v1/nothing'],
  ['GET /', 404, 'nothing at /'],
  ['GET /v1/quests/short', 400, 'quest'],
  [`GET /v1/quests/${ID}`, 404, ID],
  ['GET /v1/quests/%zz', 400, 'path'],
  [`GET /v1/quests/${ID}/attempts/1`, 404, ID],
  [`GET /v1/quests/${ID}/attempts/0`, 400, 'attempt'],
  [`GET /v1/quests/${ID}/attempts/-1`, 400, 'attempt'],
  [`GET /v1/quests/${ID}/attempts/99999999999`, 400, 'attempt'],
  [`GET /v1/quests/${ID}/attempts/1:wait`, 404, ID],
  [`GET /v1/quests/${ID}/attempts/1:wait?timeout=-3s`, 400, 'timeout'],
  [`GET /v1/quests/${ID}/attempts/1:wait?timeout=soon`, 400, 'timeout'],
  [`GET /v1/quests/${ID}/attempts/1/executions/1`, 404, ID],
  [`GET /v1/quests/${ID}/attempts/1/executions/x`, 400, 'execution'],
  [`POST /v1/quests/${ID}/attempts/1:cancel`, 404, ID],
  [`POST /v1/quests/${ID}/attempts/1`, 405, 'POST'],
  [`DELETE /v1/quests/${ID}`, 405, 'DELETE'],
  ['GET /v1/attempts?state=DONE', 400, 'state'],
  ['GET /v1/attempts?pageSize=0', 400, 'pageSize'],
  ['GET /v1/attempts?pageSize=many', 400, 'pageSize'],
  ['GET /v1/attempts?pageToken=xyz', 400, 'pageToken'],
  ['GET /v1/attempts?stat=FINISHED', 400, 'stat'],
];

test.each(PATHS)('%s is answered with %i', async (target, status, message) => {
  const [method = '', path = ''] = target.split(' ');
  const answer = await send(`${stack.urls.api}${path}`, { method, ...(method === 'POST' && { body: '{}' }) });
  expect(answer.status).toBe(status);
  expect(answer.body.error.message).toContain(message);
});

test('a raw attempt of an unknown quest is not found', async () => {
  expect(await ensure({ body: JSON.stringify({ rawAttempts: { [ID]: [1] } }) })).toMatchObject({
    status: 404,
    body: { error: { message: expect.stringContaining(`rawAttempts.${ID}`) } },
  });
});

test.each(['run', 'poll', 'cancel', 'wake', 'distributor/shell', 'distributor/nobody'])(
  'a task at %s that can never be understood is acknowledged and changes nothing',
  async path => {
    for (const body of ['{}', '[]', 'x', `{"id": "${ID}|1", "revision": 1}`, '{"id": "|", "revision": 1}']) {
      expect(await send(`${stack.urls.tasks}/${path}`, { method: 'POST', body }), body).toMatchObject({ status: 200 });
    }
  },
);
