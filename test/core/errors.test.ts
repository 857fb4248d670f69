import { describe, expect, test } from 'vitest';
import {
  ApiError,
  ConflictError,
  InvalidArgument,
  isCredentialError,
  isTransient,
  messageOf,
  TransientError,
} from '../../shared/core/errors.ts';

const withFields = (fields: object) => Object.assign(new Error('failed'), fields);

describe('an error is transient:', () => {
  const abort = new DOMException('aborted', 'AbortError');
  test.each<[string, unknown, boolean]>([
    ['TransientError', new TransientError('busy'), true],
    ['a connection reset', withFields({ code: 'ECONNRESET' }), true],
    ['a connection refused', withFields({ code: 'ECONNREFUSED' }), true],
    ['a name that cannot be resolved now', withFields({ code: 'EAI_AGAIN' }), true],
    ['a name that does not exist', withFields({ code: 'ENOTFOUND' }), false],
    ['fetch, which hides the reason', withFields({ cause: withFields({ code: 'UND_ERR_SOCKET' }) }), true],
    ['a cause of a cause', withFields({ cause: { cause: { code: 'ETIMEDOUT' } } }), true],
    ['a time-out', new DOMException('timeout', 'TimeoutError'), true],
    ['an abort', abort, true],
    ...[408, 429, 500, 502, 503, 504, 599].map((status): [string, unknown, boolean] => [
      `HTTP ${status}`,
      { status },
      true,
    ]),
    ...[400, 401, 403, 404, 409, 410, 422, 600].map((status): [string, unknown, boolean] => [
      `HTTP ${status}`,
      { status },
      false,
    ]),
    ...[4, 8, 10, 14].map((code): [string, unknown, boolean] => [`gRPC ${code}`, { code }, true]),
    ...[0, 1, 2, 3, 5, 6, 7, 9, 11, 12, 13, 15, 16].map((code): [string, unknown, boolean] => [
      `gRPC ${code}`,
      { code },
      false,
    ]),
    ['HTTP 503 in code, as Google clients say it', { code: 503 }, true],
    ['InvalidArgument', new InvalidArgument('a', 'b'), false],
    ['ApiError UNAVAILABLE, which is what we say to others', new ApiError('UNAVAILABLE', 'later'), false],
    ['a conflict, which the loop repeats itself', new ConflictError('c'), false],
    ['an Error', new Error('x'), false],
    ['undefined', undefined, false],
    ['null', null, false],
    ['text', 'ECONNRESET', false],
    ['a number', 503, false],
  ])('%s: %j is %s', (_, error, transient) => expect(isTransient(error)).toBe(transient));

  test('an error that is its own cause ends the search', () => {
    const error: { cause?: unknown } = {};
    error.cause = error;
    expect(isTransient(error)).toBe(false);
  });
});

test.each<[unknown, boolean]>([
  [{ status: 401 }, true],
  [{ status: 403 }, true],
  [{ status: 404 }, false],
  [{ code: 16 }, true],
  [{ code: 7 }, true],
  [{ code: 5 }, false],
  [{ code: 403 }, true],
  [{ message: 'status failed', cause: { status: 401 } }, true],
  [new ApiError('PERMISSION_DENIED', 'no'), true],
  [new ApiError('NOT_FOUND', 'no'), false],
  [null, false],
  ['401', false],
])('%j is about credentials: %s', (error, expected) => expect(isCredentialError(error)).toBe(expected));

describe('whatever was thrown has a message:', () => {
  const cyclic: { self?: unknown } = {};
  cyclic.self = cyclic;
  test.each<[unknown, string]>([
    [new Error('boom'), 'boom'],
    [new TypeError(''), 'TypeError'],
    ['text', 'text'],
    [undefined, 'undefined'],
    [null, 'null'],
    [42, '42'],
    [Symbol('s'), 'Symbol(s)'],
    [{ code: 5 }, '{"code":5}'],
    [1n, 'a value that cannot be shown'],
    [cyclic, 'a value that cannot be shown'],
    [() => 1, '() => 1'],
  ])('%#', (thrown, message) => expect(messageOf(thrown)).toBe(message));
});

test.each([
  ['desc', 'meta', 'desc.meta: bad'],
  ['quests[0]', '', 'quests[0]: bad'],
  ['', 'meta', 'meta: bad'],
  ['command', '[1]', 'command[1]: bad'],
])('an error under %j about %j says %j', (prefix, field, message) => {
  expect(new InvalidArgument(field, 'bad').under(prefix).message).toBe(message);
});
