import fc from 'fast-check';
import { expect, test } from 'vitest';
import { durationSchema, formatDuration, formatTime, parseDuration } from '../../shared/core/duration.ts';
import { InvalidArgument } from '../../shared/core/errors.ts';

/** 10,000 years, as google.protobuf.Duration has it. */
const MAX_SECONDS = 315_576_000_000n;
const seconds = fc.oneof(fc.bigInt({ min: 0n, max: MAX_SECONDS }), fc.bigInt({ min: 0n, max: 100n }));
const fractions = fc.string({ unit: fc.constantFrom('0', '0', '1', '9'), minLength: 1, maxLength: 9 });

/** The milliseconds of a duration, rounded up, in whole numbers of any size. */
function exactly(whole: bigint, fraction: string): bigint {
  const nanos = whole * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'));
  return (nanos + 999_999n) / 1_000_000n;
}

test('a duration is its exact number of milliseconds, rounded up, up to 10,000 years', () => {
  fc.assert(
    fc.property(seconds, fractions, (whole, fraction) => {
      expect(BigInt(parseDuration(`${whole}.${fraction}s`))).toBe(exactly(whole, fraction));
    }),
  );
});

test('a longer duration is never fewer milliseconds, and never becomes nothing', () => {
  fc.assert(
    fc.property(seconds, fractions, seconds, fractions, (a, x, b, y) => {
      const [one, other] = [parseDuration(`${a}.${x}s`), parseDuration(`${b}.${y}s`)];
      const isShorter = a < b || (a === b && x.padEnd(9, '0') < y.padEnd(9, '0'));
      if (isShorter) expect(one).toBeLessThanOrEqual(other);
      expect(one === 0).toBe(a === 0n && /^0+$/.test(x));
    }),
  );
});

test('every way to write a duration has one canonical text, which stays as it is', () => {
  fc.assert(
    fc.property(seconds, fc.nat(999), fc.nat(3), fc.nat(3), (whole, milliseconds, leading, trailing) => {
      const fraction = String(milliseconds).padStart(3, '0');
      fc.pre(`${'0'.repeat(leading)}${whole}`.length <= 12);
      const text = `${'0'.repeat(leading)}${whole}.${fraction}${'0'.repeat(trailing)}s`;
      const canonical = durationSchema.parse(text);
      expect(canonical).toBe(formatDuration(Number(whole) * 1000 + milliseconds));
      expect(canonical).toMatch(/^(0|[1-9]\d*)(\.\d{0,2}[1-9])?s$/);
      expect(durationSchema.parse(canonical)).toBe(canonical);
    }),
  );
});

/** Whether this is digits, perhaps a point and digits, and an s, said without a pattern. */
function isDuration(text: string): boolean {
  if (!text.endsWith('s')) return false;
  const [whole = '', fraction, ...rest] = text.slice(0, -1).split('.');
  const areDigits = (part: string, most: number) =>
    part.length >= 1 && part.length <= most && Array.from(part).every(character => '0123456789'.includes(character));
  if (rest.length > 0 || !areDigits(whole, 12) || BigInt(whole) > MAX_SECONDS) return false;
  return fraction === undefined || areDigits(fraction, 9);
}

test('a text that is no duration is refused, naming the field, and no other is', () => {
  const near = fc.oneof(
    fc.string({ unit: fc.constantFrom(...'0059.s-+e m\n٣'.split('')), maxLength: 8 }),
    fc.tuple(seconds, fractions).map(([whole, fraction]) => `${whole}.${fraction}s`),
    fc
      .tuple(fc.bigInt({ min: 0n, max: 10n ** 13n }), fc.constantFrom('s', '', '.s', '.0000000001s'))
      .map(([n, end]) => `${n}${end}`),
  );
  fc.assert(
    fc.property(near, text => {
      const parse = () => parseDuration(text, 'timeout');
      if (isDuration(text)) expect(parse()).toBeGreaterThanOrEqual(0);
      else expect(parse).toThrow(InvalidArgument);
      expect(durationSchema.safeParse(text).success).toBe(isDuration(text));
    }),
    { numRuns: 1000 },
  );
});

test('an instant is shown so that it is read back to the millisecond', () => {
  fc.assert(
    fc.property(fc.nat(253_402_300_799_999), instant => {
      const text = formatTime(instant);
      expect(Date.parse(text)).toBe(instant);
      expect(text).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/);
    }),
  );
});
