import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatDuration, formatTime, parseDuration } from '../../shared/core/duration.ts';

test.each([
  ['0s', 0],
  ['90s', 90_000],
  ['90.0s', 90_000],
  ['0.5s', 500],
  ['1.000000001s', 1001],
  ['0.000000001s', 1],
  ['0.9999s', 1000],
  ['007s', 7000],
  ['315576000000s', 315_576_000_000_000],
])('%s is %d ms', (text, milliseconds) => expect(parseDuration(text)).toBe(milliseconds));

test.each([
  '',
  '90',
  's',
  '-1s',
  '+1s',
  '1m',
  '1 s',
  '1.s',
  '.5s',
  '1e3s',
  '1.0000000001s',
  '315576000001s',
  '1s\n',
  '٣s',
])('%j is no duration, and the message names the field', text =>
  expect(() => parseDuration(text, 'meta.timeouts.run')).toThrow(/^meta\.timeouts\.run: must be/),
);

test('milliseconds are read back as they were written, in the shortest form', () => {
  fc.assert(
    fc.property(
      fc.nat(Number.MAX_SAFE_INTEGER).map(n => n % 315_576_000_000_000),
      milliseconds => {
        const text = formatDuration(milliseconds);
        expect(parseDuration(text)).toBe(milliseconds);
        expect(text).toMatch(/^\d+(\.\d{0,2}[1-9])?s$/);
      },
    ),
  );
});

test('a longer text is never a shorter duration: fractions are rounded up', () => {
  fc.assert(
    fc.property(fc.nat(1000), fc.nat(999_999_999), (seconds, nanos) => {
      const milliseconds = parseDuration(`${seconds}.${String(nanos).padStart(9, '0')}s`);
      expect(milliseconds).toBeGreaterThanOrEqual(seconds * 1000 + nanos / 1e6);
      expect(milliseconds).toBeLessThan(seconds * 1000 + nanos / 1e6 + 1);
    }),
  );
});

test.each([
  [Date.parse('2026-11-24T03:00:00Z'), '2026-11-24T03:00:00Z'],
  [Date.parse('2026-11-24T03:00:00.250Z'), '2026-11-24T03:00:00.250Z'],
])('the instant %d is shown as %s', (milliseconds, text) => expect(formatTime(milliseconds)).toBe(text));
