import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson, canonicalObject, type JsonValue, MAX_JSON_BYTES, parseJson } from '../../shared/core/json.ts';

function nested(levels: number): JsonValue {
  return levels === 0 ? 1 : { a: nested(levels - 1) };
}

describe('canonical JSON', () => {
  test('of the example in RFC 8785 §3.2.2', () => {
    const example = JSON.parse(
      String.raw`{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}`,
    ) as JsonValue;
    expect(canonicalJson(example)).toBe(
      String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
    );
  });

  test('sorts keys by UTF-16 code units, as RFC 8785 §3.2.3 shows', () => {
    const keys = ['\u20ac', '\r', '\ufb33', '1', '\u{1f600}', '\u0080', '\u00f6'];
    const text = canonicalJson(Object.fromEntries(keys.map(key => [key, 0])));
    expect(Object.keys(JSON.parse(text) as object)).toEqual(['1', '\r', '\u0080', 'ö', '€', '\u{1f600}', '\ufb33']);
  });

  // RFC 8785, appendix B.
  test.each([
    [0, '0'],
    [-0, '0'],
    [5e-324, '5e-324'],
    [-1.7976931348623157e308, '-1.7976931348623157e+308'],
    [9007199254740992, '9007199254740992'],
    [295147905179352830000, '295147905179352830000'],
    [9.999999999999997e22, '9.999999999999997e+22'],
    [1e21, '1e+21'],
    [0.000001, '0.000001'],
    [1e-7, '1e-7'],
  ])('writes the number %s as %s', (value, text) => expect(canonicalJson(value)).toBe(text));

  test.each([
    ['NaN', Number.NaN],
    ['Infinity', [Number.POSITIVE_INFINITY]],
    ['a lone surrogate', { a: '\ud800' }],
    ['a lone surrogate in a key', { '\udc00': 1 }],
    ['undefined', undefined],
    ['a bigint', { a: 1n }],
    ['more than 100 levels', nested(101)],
  ])('refuses %s', (_, value) => {
    expect(() => canonicalJson(value as JsonValue, 'parameters')).toThrow(/^parameters: /);
  });

  test('accepts 100 levels', () => {
    expect(canonicalJson(nested(100))).toHaveLength(601);
  });

  test('refuses a hundred thousand levels without overflowing the stack', () => {
    const deep = parseJson(`${'['.repeat(100_000)}${']'.repeat(100_000)}`);
    // Either the parser gave up, or the depth was noticed first.
    if (deep !== undefined) expect(() => canonicalJson(deep)).toThrow('nested deeper');
  });

  test('keeps a key named __proto__ as a key', () => {
    expect(canonicalObject(JSON.parse('{"b": 1, "__proto__": {"x": 1}}'), 'f')).toBe('{"__proto__":{"x":1},"b":1}');
  });

  test('does not depend on the order of keys, and says the same value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), json => {
        const value = json as JsonValue;
        const text = canonicalJson(value);
        expect(canonicalJson(reversed(value))).toBe(text);
        expect(canonicalJson(JSON.parse(text) as JsonValue)).toBe(text);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});

function reversed(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, child]) => [key, reversed(child)]),
  );
}

describe('a canonical object', () => {
  test.each([null, [], 'text', 1, true, undefined])('is not %j', value => {
    expect(() => canonicalObject(value, 'result.data')).toThrow('result.data: must be a JSON object');
  });

  test('may have 256 KiB, counted in bytes, and no more', () => {
    const ofBytes = (bytes: number) => ({
      a: `${'x'.repeat((bytes - 8) % 2)}${'é'.repeat(Math.floor((bytes - 8) / 2))}`,
    });
    expect(Buffer.byteLength(canonicalObject(ofBytes(MAX_JSON_BYTES), 'f'))).toBe(MAX_JSON_BYTES);
    expect(() => canonicalObject(ofBytes(MAX_JSON_BYTES + 1), 'f')).toThrow(
      'is 262145 bytes of JSON, more than 262144',
    );
  });
});
