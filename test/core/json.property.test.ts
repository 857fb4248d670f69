import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalCopy, canonicalJson, type JsonObject, type JsonValue } from '../../shared/core/json.ts';

const values = fc.jsonValue({ stringUnit: 'binary', maxDepth: 5 }) as fc.Arbitrary<JsonValue>;
/** Few different ones, so that two of them are often equal. */
const smallValues = fc.jsonValue({ stringUnit: fc.constantFrom('a', 'é'), maxDepth: 2 }) as fc.Arbitrary<JsonValue>;

/** What RFC 8785 §3.2 says, in a few lines: how JavaScript writes it, with keys in the order of their UTF-16 units. */
function specified(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map(specified).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const keys = Object.keys(value).toSorted((a, b) => (a < b ? -1 : 1));
  return `{${keys.map(key => `${JSON.stringify(key)}:${specified(value[key]!)}`).join()}}`;
}

/** The same value as somebody else may write it: spaces, escapes, exponents, and keys in any order. */
function spelled(value: JsonValue, choose: () => number): string {
  const space = ['', ' ', '\n\t'][choose() % 3]!;
  if (Array.isArray(value)) return `[${space}${value.map(child => spelled(child, choose)).join(`${space},`)}]`;
  if (typeof value === 'string') return choose() % 2 === 0 ? JSON.stringify(value) : escaped(value);
  if (typeof value === 'number') return choose() % 2 === 0 ? JSON.stringify(value) : value.toExponential();
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([key, child]) => `${escaped(key)}${space}:${spelled(child, choose)}`);
  const cut = choose() % Math.max(1, members.length);
  return `{${[...members.slice(cut), ...members.slice(0, cut)].join(`,${space}`)}${space}}`;
}

function escaped(text: string): string {
  const units = Array.from({ length: text.length }, (_, i) => text.charCodeAt(i).toString(16).padStart(4, '0'));
  return `"${units.map(unit => String.raw`\u${unit}`).join('')}"`;
}

test('canonical JSON is what RFC 8785 says of every value, and is read back as that value', () => {
  fc.assert(
    fc.property(values, value => {
      const text = canonicalJson(value);
      expect(text).toBe(specified(value));
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

test('however a value was written, its canonical text is the same, and so is the order of keys in a copy', () => {
  fc.assert(
    fc.property(values, fc.infiniteStream(fc.nat(100)), (value, choices) => {
      const read = JSON.parse(spelled(value, () => choices.next().value!)) as JsonValue;
      expect(canonicalJson(read)).toBe(canonicalJson(value));
      const inObject = (inner: JsonValue): JsonObject => ({ z: inner, a: inner });
      expect(JSON.stringify(canonicalCopy(inObject(read)))).toBe(JSON.stringify(canonicalCopy(inObject(value))));
    }),
  );
});

test('two values have the same canonical text exactly when they are the same value', () => {
  fc.assert(
    fc.property(smallValues, smallValues, (one, other) => {
      // -0 and 0 are one number in JSON.
      const same = isDeepStrictEqual(JSON.parse(JSON.stringify(one)), JSON.parse(JSON.stringify(other)));
      expect(canonicalJson(one) === canonicalJson(other)).toBe(same);
    }),
    { numRuns: 2000 },
  );
});

test('text with half of a surrogate pair is refused wherever it stands, and no other text is', () => {
  const halves = fc.constantFrom('a', '\ud83d', '\ude00', '\ud83d\ude00');
  const places: ((text: string) => JsonValue)[] = [text => text, text => [1, { a: [text] }], text => ({ [text]: 1 })];
  fc.assert(
    fc.property(fc.string({ unit: halves, maxLength: 4 }), fc.constantFrom(...places), (text, place) => {
      const write = () => canonicalJson(place(text), 'parameters');
      if (text.isWellFormed()) expect(JSON.parse(write())).toEqual(place(text));
      else expect(write).toThrow(/^parameters: cannot be written/);
    }),
  );
});
