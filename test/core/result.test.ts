import { describe, expect, test } from 'vitest';
import { abnormal, canonicalData, finished, MAX_REASON_CHARACTERS, normalizeStatus } from '../../shared/core/result.ts';

describe('a status from an adapter', () => {
  test.each([{ state: 'pending' }, { state: 'running' }])('%j is taken as it is', status => {
    expect(normalizeStatus(status)).toEqual(status);
  });

  test('with a result is made canonical, and keeps its expiration', () => {
    const result = { data: { b: 1, a: -0 }, expiration: '2026-11-24T03:00:00Z' };
    const normalized = normalizeStatus({ state: 'finished', result });
    expect(JSON.stringify(normalized)).toBe(
      '{"state":"finished","result":{"data":{"a":0,"b":1},"expiration":"2026-11-24T03:00:00Z"}}',
    );
  });

  test('with an abnormal end is kept, its reason cut', () => {
    const long = finished({ abnormalFinish: { status: 'CRASHED', reason: 'x'.repeat(5000) } });
    const cut = `${'x'.repeat(MAX_REASON_CHARACTERS - 1)}…`;
    expect(normalizeStatus(long)).toEqual(finished({ abnormalFinish: { status: 'CRASHED', reason: cut } }));
  });

  const cyclic: { self?: unknown } = {};
  cyclic.self = cyclic;
  test.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['text', 'finished'],
    ['an array', []],
    ['no state', {}],
    ['a state nobody has heard of', { state: 'paused' }],
  ])('that is not one (%s) is refused, for it says nothing of the job', (_, status) => {
    expect(() => normalizeStatus(status)).toThrow(/^the adapter gave no status: \w/);
  });

  test.each<[string, unknown]>([
    ['no result', { state: 'finished' }],
    ['an empty result', { state: 'finished', result: {} }],
    ['data that is an array', { state: 'finished', result: { data: [] } }],
    ['data that is null', { state: 'finished', result: { data: null } }],
    ['a lone surrogate', { state: 'finished', result: { data: { a: '\ud800' } } }],
    ['NaN', { state: 'finished', result: { data: { a: Number.NaN } } }],
    ['a bigint', { state: 'finished', result: { data: { a: 1n } } }],
    ['a cycle', { state: 'finished', result: { data: cyclic } }],
    ['too much', { state: 'finished', result: { data: { a: 'x'.repeat(256 * 1024) } } }],
    ['no date as expiration', { state: 'finished', result: { data: {}, expiration: 'tomorrow' } }],
    ['an abnormal status nobody has heard of', { state: 'finished', result: { abnormalFinish: { status: 'BORED' } } }],
    [
      'data and an abnormal end',
      { state: 'finished', result: { data: {}, abnormalFinish: { status: 'FAILED', reason: '' } } },
    ],
  ])('finished with %s is RESULT_MALFORMED with the reason, never an exception', (_, status) => {
    expect(normalizeStatus(status)).toEqual(
      finished({ abnormalFinish: { status: 'RESULT_MALFORMED', reason: expect.stringMatching(/\w/) } }),
    );
  });
});

test('a result of a job that is not an object is refused, naming the field', () => {
  expect(() => canonicalData({ data: [] as never }, 'data')).toThrow('data: must be a JSON object');
});

test('a reason is cut to its limit and no shorter', () => {
  expect(abnormal('FAILED', 'x'.repeat(4096)).abnormalFinish.reason).toHaveLength(4096);
  expect(abnormal('FAILED', 'x'.repeat(4097)).abnormalFinish.reason).toHaveLength(4096);
});
