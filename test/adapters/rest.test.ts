import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createHttpClient } from '../../shared/adapters/http-client.ts';
import { AnswerTooLarge, createRest, endpointSchema, type RestOptions } from '../../shared/adapters/rest.ts';
import { isCredentialError, isTransient, messageOf, type TransientError } from '../../shared/core/errors.ts';
import { impatientHttp } from '../support/fake-service.ts';
import { type Answer, serve } from '../support/http-server.ts';
import { fakeServices, recordingLog } from '../support/services.ts';

const SCHEMA = z.object({ name: z.string() });

const patientHttp = createHttpClient({ local: true });

async function setUp(answer: Answer, options: Partial<RestOptions> = {}, http = impatientHttp) {
  const server = await serve(() => answer);
  const log = recordingLog();
  const services = fakeServices({ http, log, random: () => 0.25 });
  const rest = createRest({
    services,
    endpoint: `${server.url}/v1`,
    authorization: async () => 'Bearer s3cret-t0ken',
    ...options,
  });
  const failure = (call: Partial<Parameters<typeof rest.call>[0]> = {}): Promise<unknown> =>
    rest.call({ method: 'GET', path: '/jobs/a', ...call }, SCHEMA).then(
      got => expect.fail(`answered ${JSON.stringify(got)}`),
      (error: unknown) => error,
    );
  return { server, log, rest, failure };
}

describe('a call of a REST service', () => {
  test('is JSON in and JSON out, with who we are and an id that its logs can be searched for', async () => {
    const { server, rest, log } = await setUp({ body: { name: 'a', more: [1] } });
    const query = { page: '1 & 2', filter: undefined };
    const answer = await rest.call({ method: 'POST', path: '/jobs', query, body: { x: 'grüße' } }, SCHEMA);
    expect(answer).toEqual({ name: 'a' });
    const [request] = server.requests;
    expect(request).toMatchObject({ method: 'POST', path: '/v1/jobs?page=1+%26+2', body: '{"x":"grüße"}' });
    expect(request?.headers).toMatchObject({
      authorization: 'Bearer s3cret-t0ken',
      'content-type': 'application/json',
      'x-request-id': '40000000',
    });
    expect(log.lines).toEqual([]);
  });

  test('without a body has no content type, and without credentials no authorization', async () => {
    const { server, rest } = await setUp({ body: { name: 'a' } }, { authorization: async () => undefined });
    await rest.call({ method: 'GET', path: '/jobs/a' }, SCHEMA);
    expect(server.requests[0]?.headers).not.toHaveProperty('authorization');
    expect(server.requests[0]?.headers).not.toHaveProperty('content-type');
  });

  test('that fails is logged with its id and what was said, and nothing secret', async () => {
    const body = { error: { code: 400, status: 'INVALID_ARGUMENT', message: 'no: Bearer s3cret-t0ken, pa55word!' } };
    const { log, failure } = await setUp({ status: 400, body });
    const error = await failure({ secrets: ['pa55word!'] });
    expect(error).toMatchObject({ status: 400, code: 'INVALID_ARGUMENT' });
    expect(isTransient(error)).toBe(false);
    expect(messageOf(error)).toMatch(/^GET http:.*\/v1\/jobs\/a answered 400: no: /);
    expect(log.lines).toMatchObject([
      { severity: 'info', fields: { requestId: '40000000', error: messageOf(error), ms: expect.any(Number) } },
    ]);
    expect(JSON.stringify([messageOf(error), log.lines])).not.toMatch(/s3cret|pa55word/);
  });

  test.each<[string, Answer, RegExp]>([
    ['408', { status: 408 }, /answered 408/],
    ['500 in HTML', { status: 500, body: '<h1>Oops</h1>' }, /answered 500: <h1>Oops/],
    ['a redirect', { status: 302, headers: { location: 'http://127.0.0.1:1/' } }, /answered 302/],
    ['409 ABORTED', { status: 409, body: { error: { status: 'ABORTED', message: 'again' } } }, /ABORTED/],
    ['no JSON', { body: 'hello' }, /what is not JSON: hello/],
    ['another JSON', { body: { id: 1 } }, /something else: name: /],
    ['a list', { body: '[1]' }, /something else: the answer: /],
    ['a text', { body: '"name"' }, /something else: the answer: /],
    ['nothing at all', { cut: 'silent' }, /no answer within/],
    ['a closed connection', { cut: 'reset' }, /ECONNRESET|socket/i],
  ])('%s says nothing about the job: ask again', async (_, answer, message) => {
    const { failure, log } = await setUp(answer);
    const error = await failure();
    expect(isTransient(error)).toBe(true);
    expect(messageOf(error)).toMatch(message);
    expect(log.lines).toMatchObject([{ severity: 'warn' }]);
  });

  test.each<[string, number | undefined]>([
    ['7', 7000],
    [new Date(Date.now() + 60_000).toUTCString(), 60_000],
    ['soon', undefined],
    ['99999999', 3_600_000],
  ])('429 with Retry-After: %s', async (text, milliseconds) => {
    const { failure } = await setUp({ status: 429, headers: { 'retry-after': text } });
    const { retryAfterMs } = (await failure()) as TransientError;
    if (milliseconds === undefined) expect(retryAfterMs).toBeUndefined();
    else expect(Math.abs((retryAfterMs ?? 0) - milliseconds)).toBeLessThan(5000);
  });

  test.each([401, 403])('%i is told from other refusals', async status => {
    const { failure } = await setUp({ status });
    expect(isCredentialError(await failure())).toBe(true);
  });

  test('an answer over 4 MiB is not read to its end', async () => {
    const { failure } = await setUp({ body: JSON.stringify({ name: 'x'.repeat(5 * 1024 * 1024) }) }, {}, patientHttp);
    const error = await failure();
    expect(error).toBeInstanceOf(AnswerTooLarge);
    expect(messageOf(error).length).toBeLessThan(200);
  });

  test('without an access token nothing is sent', async () => {
    const { server, failure } = await setUp({}, { authorization: () => Promise.reject(new Error('no account')) });
    expect(messageOf(await failure())).toBe('no account');
    expect(server.requests).toEqual([]);
  });

  test('a protocol may add to its JSON', async () => {
    const decode: RestOptions['decode'] = response => ({ ...response, body: response.body.slice(4) });
    const { rest } = await setUp({ body: `)]}'{"name":"a"}` }, { decode });
    expect(await rest.call({ method: 'GET', path: '/' }, SCHEMA)).toEqual({ name: 'a' });
  });
});

describe('an endpoint', () => {
  test.each([
    ['https://run.googleapis.com', 'https://run.googleapis.com'],
    ['https://tes.test/ga4gh/tes/v1/', 'https://tes.test/ga4gh/tes/v1'],
    ['http://127.0.0.1:8080', 'http://127.0.0.1:8080'],
  ])('%s', (text, endpoint) => expect(endpointSchema.parse(text)).toBe(endpoint));

  test.each([
    '',
    'tes.test',
    'ftp://tes.test',
    'https://me:pw@tes.test',
    'https://tes.test/?a=b',
    'https://tes.test/#a',
  ])('not %j', text => expect(endpointSchema.safeParse(text).success).toBe(false));
});
