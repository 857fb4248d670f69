import { describe, expect, test } from 'vitest';
import { decodePrpc } from '../../shared/adapters/swarming/prpc.ts';
import { isCredentialError, isTransient, messageOf } from '../../shared/core/errors.ts';
import { setUpSwarming } from '../support/fakes/swarming-adapter.ts';

const response = { status: 200, headers: { 'x-prpc-grpc-code': '0' }, body: ')]}\'\n{"a":1}\n', truncated: false };

describe('an answer', () => {
  test('loses its prefix', () => {
    expect(decodePrpc(response)).toEqual({ ...response, body: '{"a":1}\n' });
  });

  test('without a prefix is taken as it is', () => {
    expect(decodePrpc({ ...response, body: '{}' })).toEqual({ ...response, body: '{}' });
  });

  test.each([200, 302, 400, 404])('of status %i without a code is no answer of a pRPC server', status => {
    const decoded = decodePrpc({ ...response, status, headers: {}, body: 'hello' });
    expect(decoded).toMatchObject({ status: 502, body: `HTTP ${status}, but not the JSON of a pRPC server: hello` });
  });

  test.each([401, 403, 408, 429, 500, 503])('of status %i without a code is a proxy that speaks for itself', status => {
    const proxy = { ...response, status, headers: {}, body: 'no' };
    expect(decodePrpc(proxy)).toBe(proxy);
  });
});

/** google.rpc.Code: what each means for a poll, at whatever HTTP status it comes. */
const MEANING: readonly [code: number, name: string, meaning: 'transient' | 'credentials' | 'final'][] = [
  [1, 'CANCELLED', 'transient'],
  [2, 'UNKNOWN', 'transient'],
  [3, 'INVALID_ARGUMENT', 'final'],
  [4, 'DEADLINE_EXCEEDED', 'transient'],
  [5, 'NOT_FOUND', 'final'],
  [6, 'ALREADY_EXISTS', 'final'],
  [7, 'PERMISSION_DENIED', 'credentials'],
  [8, 'RESOURCE_EXHAUSTED', 'transient'],
  [9, 'FAILED_PRECONDITION', 'final'],
  [10, 'ABORTED', 'transient'],
  [11, 'OUT_OF_RANGE', 'final'],
  [12, 'UNIMPLEMENTED', 'transient'],
  [13, 'INTERNAL', 'transient'],
  [14, 'UNAVAILABLE', 'transient'],
  [15, 'DATA_LOSS', 'transient'],
  [16, 'UNAUTHENTICATED', 'credentials'],
  [99, 'gRPC code 99', 'transient'],
];

describe.each([200, 400, 404, 500])('with HTTP status %i', status => {
  test.each(MEANING)('gRPC code %i (%s) is %s', async (code, name, meaning) => {
    const { distributor, service, quest, start } = await setUpSwarming();
    const { handle } = await start();
    const headers = { 'x-prpc-grpc-code': String(code), 'content-type': 'text/plain' };
    service.fail(/GetResult$/, { status, headers, body: 'so it is\n' });
    service.fail(/BatchGetResult$/, { status, headers, body: 'so it is\n' });
    const asked = await Promise.allSettled([distributor.getStatus(handle, quest), distributor.getStatuses?.([handle])]);
    for (const outcome of asked) {
      const error: unknown = outcome.status === 'rejected' ? outcome.reason : expect.fail('no error');
      expect(messageOf(error)).toContain(`so it is (${name})`);
      expect(isTransient(error)).toBe(meaning === 'transient');
      expect(isCredentialError(error)).toBe(meaning === 'credentials');
    }
  });
});

test.each(MEANING)('code %i (%s) of one task among many means the same for it', async (code, name, meaning) => {
  const { distributor, service, start } = await setUpSwarming();
  const { handle } = await start();
  const error = { code, message: 'so it is' };
  const body = `)]}'\n${JSON.stringify({ results: [{ taskId: handle.token, error }] })}`;
  service.fail(/BatchGetResult$/, { headers: { 'x-prpc-grpc-code': '0' }, body });
  const [outcome] = (await distributor.getStatuses?.([handle])) ?? [];
  expect(messageOf(outcome)).toBe(`task ${handle.token}: so it is (${name})`);
  expect(isTransient(outcome)).toBe(meaning === 'transient');
  expect(isCredentialError(outcome)).toBe(meaning === 'credentials');
});
