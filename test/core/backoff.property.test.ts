import fc from 'fast-check';
import { expect, test } from 'vitest';
import { backoffCeiling, equalJitter, fullJitter } from '../../shared/core/backoff.ts';
import { normalizeQuest, retryPolicy } from '../../shared/core/quest.ts';

const backoffs = fc.record({
  initialMs: fc.nat(1_000_000),
  multiplier: fc.double({ min: 1, max: 100, noNaN: true }),
  maxMs: fc.nat(1e10),
});
const tries = fc.nat(60);
const chances = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const JITTERS = [
  { name: 'full jitter', jitter: fullJitter, least: 0 },
  { name: 'equal jitter', jitter: equalJitter, least: 0.5 },
] as const;

test('the ceiling is what multiplying once for each further failure gives, unless that is beyond the maximum', () => {
  fc.assert(
    fc.property(backoffs, tries, (backoff, n) => {
      let expected = backoff.initialMs;
      for (let failed = 1; failed < n; failed++) expected = Math.min(expected * backoff.multiplier, Number.MAX_VALUE);
      const ceiling = backoffCeiling(backoff, n);
      expect(Math.abs(ceiling - Math.min(expected, backoff.maxMs))).toBeLessThanOrEqual(1e-9 * ceiling);
    }),
  );
});

test('ceilings rise strictly until they reach the maximum, and stay there', () => {
  fc.assert(
    fc.property(backoffs, fc.integer({ min: 1, max: 60 }), (backoff, n) => {
      const [now, next] = [backoffCeiling(backoff, n), backoffCeiling(backoff, n + 1)];
      if (now === backoff.maxMs) expect(next).toBe(backoff.maxMs);
      else if (backoff.initialMs > 0 && backoff.multiplier > 1.001) expect(next).toBeGreaterThan(now);
    }),
  );
});

test.each(JITTERS)(
  '$name reaches from its least to the ceiling, and more chance is never less delay',
  ({ jitter, least }) => {
    fc.assert(
      fc.property(backoffs, tries, chances, chances, (backoff, n, a, b) => {
        const ceiling = backoffCeiling(backoff, n);
        expect(jitter(backoff, n, 0)).toBe(Math.round(ceiling * least));
        expect(jitter(backoff, n, 1 - Number.EPSILON)).toBe(Math.round(ceiling * (1 - Number.EPSILON)));
        expect(jitter(backoff, n, Math.min(a, b))).toBeLessThanOrEqual(jitter(backoff, n, Math.max(a, b)));
      }),
    );
  },
);

test.each(JITTERS)('$name spreads evenly: the mean of evenly spread chances is in the middle', ({ jitter, least }) => {
  fc.assert(
    fc.property(backoffs, tries, (backoff, n) => {
      const delays = Array.from({ length: 100 }, (_, i) => jitter(backoff, n, (i + 0.5) / 100));
      const mean = delays.reduce((sum, delay) => sum + delay, 0) / delays.length;
      const middle = (backoffCeiling(backoff, n) * (1 + least)) / 2;
      // Each is rounded to a whole millisecond.
      expect(Math.abs(mean - middle)).toBeLessThanOrEqual(0.5 + 1e-9 * middle);
    }),
  );
});

test.each(JITTERS)('$name is a whole number of milliseconds, however a quest sets its backoff', ({ jitter }) => {
  const durations = fc.constantFrom('0s', '0.001s', '300s', '315576000000s');
  fc.assert(
    fc.property(
      durations,
      fc.double({ min: 1, max: 100, noNaN: true }),
      durations,
      fc.nat(100_000),
      chances,
      (initial, multiplier, max, n, chance) => {
        const meta = { backoff: { initial, multiplier, max } };
        const { backoff } = retryPolicy(normalizeQuest({ distributorConfigName: 'echo', meta }).desc);
        expect(Number.isSafeInteger(jitter(backoff, n, chance))).toBe(true);
      },
    ),
  );
});
