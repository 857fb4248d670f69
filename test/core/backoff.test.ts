import fc from 'fast-check';
import { expect, test } from 'vitest';
import { backoffCeiling, equalJitter, fullJitter } from '../../shared/core/backoff.ts';

const backoffs = fc.record({
  initialMs: fc.integer({ min: 0, max: 1_000_000 }),
  multiplier: fc.double({ min: 1, max: 100, noNaN: true }),
  maxMs: fc.integer({ min: 0, max: 10_000_000 }),
});
const chance = fc.double({ min: 0, max: 0.999_999, noNaN: true });
const tries = fc.integer({ min: 0, max: 100_000 });

test('delays grow by the multiplier up to the maximum', () => {
  const delays = [1, 2, 3, 4, 1000].map(n => backoffCeiling({ initialMs: 10, multiplier: 3, maxMs: 200 }, n));
  expect(delays).toEqual([10, 30, 90, 200, 200]);
});

test('full jitter is between nothing and the ceiling', () => {
  fc.assert(
    fc.property(backoffs, tries, chance, (backoff, n, random) => {
      const delayMs = fullJitter(backoff, n, random);
      expect(delayMs).toBeGreaterThanOrEqual(0);
      expect(delayMs).toBeLessThanOrEqual(Math.ceil(backoffCeiling(backoff, n)));
    }),
  );
});

test('equal jitter is between half the ceiling and the ceiling', () => {
  fc.assert(
    fc.property(backoffs, tries, chance, (backoff, n, random) => {
      const delayMs = equalJitter(backoff, n, random);
      expect(delayMs).toBeGreaterThanOrEqual(Math.floor(backoffCeiling(backoff, n) / 2));
      expect(delayMs).toBeLessThanOrEqual(Math.ceil(backoffCeiling(backoff, n)));
    }),
  );
});

test('no delay is beyond the maximum, and none is shorter after more failures', () => {
  fc.assert(
    fc.property(backoffs, tries, (backoff, n) => {
      expect(backoffCeiling(backoff, n)).toBeLessThanOrEqual(backoff.maxMs);
      expect(backoffCeiling(backoff, n + 1)).toBeGreaterThanOrEqual(backoffCeiling(backoff, n));
    }),
  );
});
