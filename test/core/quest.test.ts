import { describe, expect, test } from 'vitest';
import { normalizeQuest, retryPolicy } from '../../shared/core/quest.ts';

const DESC = { distributorConfigName: 'echo', parameters: { b: 1, a: [2] }, distributorParameters: {} };
const idOf = (desc: object) => normalizeQuest({ ...DESC, ...desc }).id;

describe('a quest id', () => {
  test('is the SHA-256 of the canonical description, for ever the same', () => {
    // openssl dgst -sha256 -binary | basenc --base64url, of the canonical text with the three empty objects written out.
    expect(normalizeQuest({ distributorConfigName: 'echo' }).id).toBe('fhILNc6gAILSMVemM7nluiNcsjVDIzwbvMgyRIVr9Lw');
  });

  test.each<[string, object, object]>([
    ['the order of keys', { parameters: { a: [2], b: 1 } }, {}],
    ['empty meta', { meta: {} }, {}],
    ['empty parts of meta', { meta: { retry: {}, backoff: {}, timeouts: {} } }, {}],
    ['budgets of 0', { meta: { retry: { failed: 0, crashed: 0 } } }, {}],
    ['how a duration is written', { meta: { timeouts: { run: '90.0s' } } }, { meta: { timeouts: { run: '90s' } } }],
    ['absent distributor parameters', { distributorParameters: undefined }, {}],
    ['1.0 and 1', { parameters: JSON.parse('{"a": [2.0], "b": 1e0}') }, {}],
  ])('does not depend on %s', (_, one, other) => expect(idOf(one)).toBe(idOf(other)));

  test.each<[string, object]>([
    ['the mode, even the one that the distributor would choose', { meta: { mode: 'unattended' } }],
    ['the other mode', { meta: { mode: 'interactive' } }],
    ['an account', { meta: { asAccount: 'builder' } }],
    ['a budget', { meta: { retry: { failed: 1 } } }],
    ['an unlimited time', { meta: { timeouts: { run: '0s' } } }],
    ['a default said aloud, which another file may have as something else', { meta: { timeouts: { run: '86400s' } } }],
    ['empty parameters', { parameters: {} }],
    ['an empty object in parameters', { parameters: { b: 1, a: [2], c: {} } }],
    ['null in parameters', { parameters: { b: 1, a: [2], c: null } }],
    ['the distributor', { distributorConfigName: 'echo-2' }],
  ])('depends on %s', (_, desc) => expect(idOf(desc)).not.toBe(idOf({})));
});

describe('a normalized description', () => {
  test('normalizes to itself', () => {
    const { id, desc } = normalizeQuest({
      ...DESC,
      meta: { retry: { failed: 0, expired: 2 }, timeouts: { start: '0.50s' } },
    });
    expect(desc.meta).toEqual({ retry: { expired: 2 }, timeouts: { start: '0.5s' } });
    expect(normalizeQuest(desc)).toEqual({ id, desc });
  });

  test('keeps a parameter named __proto__', () => {
    const parameters = JSON.parse('{"__proto__": {"a": 1}}') as object;
    const { desc } = normalizeQuest({ ...DESC, parameters });
    expect(Object.keys(desc.parameters)).toEqual(['__proto__']);
    expect(({} as { a?: number }).a).toBeUndefined();
  });
});

test.each<[unknown, string]>([
  [undefined, 'desc: is missing'],
  [[], 'desc: must be object, not array'],
  [{ ...DESC, priority: 1 }, 'desc: unknown field "priority"'],
  [{ ...DESC, distributorConfigName: 'a b' }, 'desc.distributorConfigName: must be a distributor name'],
  [{ ...DESC, distributorConfigName: 'x'.repeat(101) }, 'desc.distributorConfigName: must be'],
  [{ ...DESC, parameters: [] }, 'desc.parameters: must be a JSON object'],
  [{ ...DESC, parameters: null }, 'desc.parameters: must be a JSON object'],
  [{ ...DESC, parameters: { a: 'x'.repeat(256 * 1024) } }, 'desc.parameters: is 262152 bytes of JSON'],
  [{ ...DESC, distributorParameters: { a: '\ud800' } }, 'desc.distributorParameters: cannot be written'],
  [{ ...DESC, meta: { mode: 'batch' } }, 'desc.meta.mode: '],
  [{ ...DESC, meta: { retry: { failed: -1 } } }, 'desc.meta.retry.failed: '],
  [{ ...DESC, meta: { retry: { failed: 1.5 } } }, 'desc.meta.retry.failed: '],
  [{ ...DESC, meta: { retry: { failed: 1001 } } }, 'desc.meta.retry.failed: '],
  [{ ...DESC, meta: { retry: { cancelled: 1 } } }, 'desc.meta.retry: unknown field "cancelled"'],
  [{ ...DESC, meta: { backoff: { multiplier: 0.5 } } }, 'desc.meta.backoff.multiplier: '],
  [{ ...DESC, meta: { backoff: { initial: 1 } } }, 'desc.meta.backoff.initial: '],
  [{ ...DESC, meta: { timeouts: { run: '-1s' } } }, 'desc.meta.timeouts.run: must be a duration'],
  [{ ...DESC, meta: { timeouts: { run: '1m' } } }, 'desc.meta.timeouts.run: must be a duration'],
  [{ ...DESC, meta: { timeouts: { stop: '0s' } } }, 'desc.meta.timeouts.stop: must not be unlimited'],
  [{ ...DESC, meta: { timeouts: { stop: '0.000s' } } }, 'desc.meta.timeouts.stop: must not be unlimited'],
])('%j is refused, naming the field', (desc, message) => {
  expect(() => normalizeQuest(desc)).toThrow(message);
});

test('a retry policy has defaults: no retries, 1 s × 2 up to 5 min', () => {
  expect(retryPolicy(normalizeQuest(DESC).desc)).toEqual({
    budgets: { failed: 0, crashed: 0, expired: 0, timedOut: 0, preempted: 0 },
    backoff: { initialMs: 1000, multiplier: 2, maxMs: 300_000 },
  });
});
