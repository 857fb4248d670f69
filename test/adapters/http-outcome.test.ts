import { describe, expect, test } from 'vitest';
import type { HttpResponse } from '../../shared/adapters/contract.ts';
import { checkCancelled, outcomeOf, outcomeOfError, statusOf } from '../../shared/adapters/http/outcome.ts';
import { fillUrl } from '../../shared/adapters/http/parameters.ts';
import { InvalidArgument, isCredentialError, isTransient, TransientError } from '../../shared/core/errors.ts';
import { isJsonObject, MAX_JSON_BYTES } from '../../shared/core/json.ts';

const now = Date.parse('2026-11-24T00:00:00Z');

function answer(status: number, body: unknown = '', headers: Record<string, string> = {}): HttpResponse {
  return { status, headers, body: isJsonObject(body) ? JSON.stringify(body) : String(body), truncated: false };
}

function endedWith(status: string, reason: string) {
  return { kind: 'ended', result: { abnormalFinish: { status, reason } } };
}

describe('the answer to the call', () => {
  test.each([
    [answer(200, { b: 1, a: { c: null } }), { a: { c: null }, b: 1 }],
    [answer(201, {}), {}],
    [answer(200, ' { "x" : "\\u00e4" } '), { x: 'ä' }],
    [answer(299, { token: 'of no meaning here' }), { token: 'of no meaning here' }],
  ])('%j is a result', (response, data) => {
    expect(outcomeOf(response, [], now)).toEqual({ kind: 'ended', result: { data } });
  });

  test.each([
    [answer(200, ''), 'the service answered 200 without a JSON object'],
    [answer(204), 'the service answered 204 without a JSON object'],
    [answer(200, '[1]'), 'the service answered 200 without a JSON object'],
    [answer(200, '"text"'), 'the service answered 200 without a JSON object'],
    [answer(200, '<html>'), 'the service answered 200 without a JSON object'],
    [{ ...answer(200, '{}'), truncated: true }, 'the service answered 200 with more than 524288 bytes'],
    [answer(200, '{"x":"\\ud800"}'), 'result.data: cannot be written as canonical JSON'],
    [answer(202, ''), 'the service answered 202 without {"token": "…"}'],
    [answer(202, { status: 'queued' }), 'the service answered 202 without {"token": "…"}'],
    [answer(202, { token: 17 }), 'the service answered 202 without {"token": "…"}'],
    [answer(202, { token: '' }), 'the service answered 202 without {"token": "…"}'],
    [answer(202, { token: 'x'.repeat(1501) }), 'the service answered 202 without {"token": "…"}'],
  ])('%j is malformed', (response, reason) => {
    const outcome = outcomeOf(response, [], now);
    expect(outcome).toMatchObject(endedWith('RESULT_MALFORMED', expect.stringContaining(reason)));
  });

  test('a result of more than 256 KiB is malformed, whitespace does not count', () => {
    const fitting = 'x'.repeat(MAX_JSON_BYTES - '{"x":""}'.length);
    expect(outcomeOf(answer(200, JSON.stringify({ x: fitting }, null, 400)), [], now)).toEqual({
      kind: 'ended',
      result: { data: { x: fitting } },
    });
    const outcome = outcomeOf(answer(200, { x: `${fitting}y` }), [], now);
    expect(outcome).toMatchObject(endedWith('RESULT_MALFORMED', expect.stringContaining('262145 bytes')));
  });

  test('202 with a token is a job that goes on', () => {
    expect(outcomeOf(answer(202, { token: 'job-7' }), [], now)).toEqual({ kind: 'accepted', token: 'job-7' });
  });

  test.each([408, 429, 500, 502, 503, 504, 599])('%i is retried', status => {
    expect(outcomeOf(answer(status, 'busy'), [], now)).toEqual({
      kind: 'retry',
      reason: `the service answered ${status}`,
    });
  });

  test.each([
    ['0', 0],
    ['7', 7000],
    ['99999999', 3_600_000],
    ['Tue, 24 Nov 2026 00:00:30 GMT', 30_000],
    ['Mon, 23 Nov 2026 00:00:00 GMT', 0],
    ['soon', undefined],
    ['', undefined],
  ])('Retry-After %j is %j ms', (text, retryAfterMs) => {
    expect(outcomeOf(answer(503, '', { 'retry-after': text }), [], now)).toEqual({
      kind: 'retry',
      reason: 'the service answered 503',
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    });
  });

  test.each([
    [answer(400, 'no  such\n\n parameter'), 'the service answered 400: no such parameter'],
    [answer(404), 'the service answered 404'],
    [answer(401, 'who?'), 'the service answered 401: who?'],
    [answer(302, '', { location: '/x' }), 'the service answered 302; redirects are not followed'],
  ])('%j is a failure', (response, reason) => {
    expect(outcomeOf(response, [], now)).toEqual(endedWith('FAILED', reason));
  });

  test('an excerpt is short and shows none of what we sent in confidence', () => {
    const body = `bad token Bearer s3cret-key / s3cret-key / auth.token ${'x'.repeat(9999)}`;
    const outcome = outcomeOf(answer(403, body), ['Bearer s3cret-key', 'auth.token', ''], now);
    const { reason } = (outcome as { result: { abnormalFinish: { reason: string } } }).result.abnormalFinish;
    expect(reason).toMatch(/^the service answered 403: bad token \[secret\] \/ \[secret\] \/ \[secret\] x+…$/);
    expect(reason.length).toBe('the service answered 403: '.length + 500);
  });
});

describe('a call without an answer', () => {
  test('is retried when the error is transient', () => {
    expect(outcomeOfError(new TransientError('ECONNREFUSED'))).toEqual({ kind: 'retry', reason: 'ECONNREFUSED' });
  });

  test.each([
    [new InvalidArgument('url', 'must be https'), 'url: must be https'],
    [new Error('there is no secret env:KEY'), 'there is no secret env:KEY'],
    ['text', 'text'],
  ])('is rejected when it may not be made: %s', (error, reason) => {
    expect(outcomeOfError(error)).toEqual(endedWith('REJECTED', reason));
  });
});

function thrownBy(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return expect.fail('nothing was thrown');
}

describe('the answer of statusUrl', () => {
  test.each([
    [{ state: 'pending' }, { state: 'pending' }],
    [{ state: 'running', progress: 0.5 }, { state: 'running' }],
    [
      { state: 'finished', result: { data: { a: 1 } } },
      { state: 'finished', result: { data: { a: 1 } } },
    ],
    [
      { state: 'finished', result: { abnormalFinish: { status: 'PREEMPTED', reason: 'spot' } } },
      { state: 'finished', result: { abnormalFinish: { status: 'PREEMPTED', reason: 'spot' } } },
    ],
    [
      { state: 'finished', result: { data: [] } },
      { state: 'finished', result: { abnormalFinish: { status: 'RESULT_MALFORMED' } } },
    ],
  ])('%j is taken as it is', (body, status) => {
    expect(statusOf(answer(200, body), now)).toMatchObject(status);
  });

  test.each([400, 404, 410])('%i is final: there is no such job', status => {
    expect(isTransient(thrownBy(() => statusOf(answer(status), now)))).toBe(false);
  });

  test.each([401, 403])('%i is known as missing credentials', status => {
    expect(isCredentialError(thrownBy(() => statusOf(answer(status), now)))).toBe(true);
  });

  test.each<[number, unknown?]>([[301], [429], [500], [503], [200, 'no status'], [200, { state: 'lost' }]])(
    '%j %j says nothing about the job',
    (status, body = '') => {
      expect(isTransient(thrownBy(() => statusOf(answer(status, body), now)))).toBe(true);
    },
  );

  test('its Retry-After is passed on', () => {
    const error = thrownBy(() => statusOf(answer(503, '', { 'retry-after': '9' }), now));
    expect(error).toMatchObject({ retryAfterMs: 9000 });
  });
});

describe('the answer of cancelUrl', () => {
  test.each([200, 202, 204, 404, 409, 410])('%i: the job is gone, or going', status => {
    checkCancelled(answer(status), now);
  });

  test.each([
    [400, false],
    [403, false],
    [302, true],
    [429, true],
    [500, true],
  ])('%i: the job perhaps lives on; transient: %s', (status, transient) => {
    expect(isTransient(thrownBy(() => checkCancelled(answer(status), now)))).toBe(transient);
  });
});

test('what is filled into a URL cannot leave its place', () => {
  const template = 'https://h.test/{token}/x?id={executionId}&t={token}#{other}';
  expect(fillUrl(template, { token: '../a?b\ud800', executionId: 'q|1|1' })).toBe(
    'https://h.test/..%2Fa%3Fb%EF%BF%BD/x?id=q%7C1%7C1&t=..%2Fa%3Fb%EF%BF%BD#{other}',
  );
});
