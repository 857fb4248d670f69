import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalJson, type JsonObject } from '../../shared/core/json.ts';
import { normalizeQuest, RETRY_CLASSES } from '../../shared/core/quest.ts';

/** Durations as their milliseconds and as one of the ways to write them. */
const durations = fc.constantFrom(
  ...([
    [0, ['0s', '0.000s', '00s']],
    [500, ['0.5s', '0.500s', '0.4999999s']],
    [90_000, ['90s', '90.0s', '090s']],
  ] as const),
);
const written = durations.chain(([milliseconds, texts]) =>
  fc.constantFrom(...texts.map(text => ({ milliseconds, text }))),
);
const positive = written.filter(({ milliseconds }) => milliseconds > 0);

const parameters = fc.constantFrom<JsonObject | undefined>(
  undefined,
  {},
  { a: 1, b: [2] },
  { b: [2], a: 1 },
  { a: null },
);
const optional = { requiredKeys: [] };
const retries = fc.record(Object.fromEntries(RETRY_CLASSES.map(name => [name, fc.constantFrom(0, 0, 1)])), optional);

/** From so few parts that two descriptions often mean the same, and often differ in one thing only. */
const drafts = fc.record({
  distributor: fc.constantFrom('echo', 'echo', 'other'),
  parameters,
  distributorParameters: parameters,
  mode: fc.constantFrom(undefined, undefined, 'unattended', 'interactive'),
  asAccount: fc.constantFrom(undefined, undefined, 'builder'),
  retry: fc.option(retries, { nil: undefined }),
  backoff: fc.option(fc.record({ initial: written, multiplier: fc.constantFrom(1, 2), max: written }, optional), {
    nil: undefined,
  }),
  timeouts: fc.option(fc.record({ start: written, run: written, stop: positive }, optional), { nil: undefined }),
});
type Draft = typeof drafts extends fc.Arbitrary<infer T> ? T : never;

function descOf({ distributor, mode, asAccount, retry, backoff, timeouts, ...rest }: Draft): object {
  const texts = (part: object | undefined) =>
    part &&
    Object.fromEntries(
      Object.entries(part).map(([key, value]) => [key, (value as { text?: string }).text ?? (value as unknown)]),
    );
  const meta = { mode, asAccount, retry, backoff: texts(backoff), timeouts: texts(timeouts) };
  return JSON.parse(JSON.stringify({ distributorConfigName: distributor, ...rest, meta })) as object;
}

/** Everything that makes work different, and nothing else. */
function meaningOf({ parameters: given, distributorParameters, retry, backoff, timeouts, ...rest }: Draft): unknown {
  const milliseconds = (part: object | undefined) =>
    Object.entries(part ?? {})
      .map(([key, value]) => [key, (value as { milliseconds?: number }).milliseconds ?? (value as unknown)])
      .toSorted(([a = ''], [b = '']) => (String(a) < String(b) ? -1 : 1));
  return {
    ...rest,
    parameters: given ?? {},
    distributorParameters: distributorParameters ?? {},
    retry: RETRY_CLASSES.map(name => retry?.[name] ?? 0),
    backoff: milliseconds(backoff),
    timeouts: milliseconds(timeouts),
  };
}

/** A draft and another one that differs from it in few parts, or in none. */
const pairs = fc
  .tuple(drafts, drafts, fc.subarray(['parameters', 'mode', 'retry', 'backoff', 'timeouts'] as const))
  .map(([one, another, keys]) => {
    const changes = Object.fromEntries(keys.map(key => [key, another[key]]));
    return [one, { ...one, ...changes }] as [Draft, Draft];
  });

test('equal ids, equal canonical descriptions and equal meaning are the same', () => {
  fc.assert(
    fc.property(pairs, ([one, other]) => {
      const [a, b] = [normalizeQuest(descOf(one)), normalizeQuest(descOf(other))];
      const isSameText = canonicalJson(a.desc as JsonObject) === canonicalJson(b.desc as JsonObject);
      expect(a.id === b.id).toBe(isDeepStrictEqual(meaningOf(one), meaningOf(other)));
      expect(a.id === b.id).toBe(isSameText);
    }),
    { numRuns: 2000 },
  );
});

test('a description means the same after it was normalized, stored and read', () => {
  fc.assert(
    fc.property(drafts, draft => {
      const normalized = normalizeQuest(descOf(draft));
      const read = JSON.parse(JSON.stringify(normalized.desc)) as object;
      expect(normalizeQuest(read)).toEqual(normalized);
      expect(JSON.stringify(read)).toBe(canonicalJson(normalized.desc as JsonObject));
    }),
  );
});
