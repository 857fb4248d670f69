import { afterEach, describe, expect, test } from 'vitest';
import { isJsonObject, parseJson } from '../../shared/core/json.ts';
import { SERVED_BY, setUp } from '../functions/harness.ts';
import { type Endpoint, ENDPOINTS, post, type Stack } from './endpoints.ts';

const LEVELS = 100_000;
const LONG = 300_000;

/** Bodies that nobody means well with, as they stand on the wire. None of them is what any endpoint asks for. */
const HOSTILE: Record<string, string | Buffer> = {
  'arrays 100,000 levels deep': `${'['.repeat(LEVELS)}${']'.repeat(LEVELS)}`,
  'objects 100,000 levels deep': `${'{"":'.repeat(LEVELS)}1${'}'.repeat(LEVELS)}`,
  'arrays that never close': '['.repeat(LEVELS),
  'objects that never close': '{"a":'.repeat(60_000),
  'only closing': ']'.repeat(LEVELS),
  'an own __proto__': '{"__proto__": {"polluted": true}}',
  'an own __proto__ by escapes': String.raw`{"\u005f_proto__": {"polluted": true}}`,
  'a prototype by its constructor': '{"constructor": {"prototype": {"polluted": true}}}',
  'methods of all objects': '{"toString": 1, "valueOf": 1, "hasOwnProperty": 1, "toJSON": 1, "then": 1}',
  'a length': '{"length": 4294967295}',
  NaN: '{"a": NaN}',
  Infinity: '{"a": -Infinity}',
  'a hexadecimal number': '{"a": 0x10}',
  'a number with a leading zero': '{"a": 010}',
  'a number with a separator': '{"a": 1_000}',
  'a number beyond all numbers': '1e400',
  'one of many digits': `1${'0'.repeat(LONG)}`,
  'one with a great exponent': `{"a": 1e${'9'.repeat(LONG)}}`,
  'a lone surrogate': String.raw`"\ud800"`,
  'a lone surrogate as a key': String.raw`{"\udc00": 1}`,
  'bytes that are no UTF-8': Buffer.from([0x22, 0xff, 0xfe, 0xc0, 0x80, 0xed, 0xa0, 0x80, 0x22]),
  'UTF-16': Buffer.from('\ufeff{"a": 1}', 'utf16le'),
  'a byte order mark': '\ufeff{}x',
  'zero bytes': '\0'.repeat(1000),
  'a raw control character': '{"a": "\u0001"}',
  'single quotes': "{'a': 1}",
  'a comment': '{/* */"a": 1}',
  'a trailing comma': '{"a": 1,}',
  'two values': '{}{}',
  'a long key': `{"${'k'.repeat(LONG)}": 1}`,
  'a long text': `"${'x'.repeat(LONG)}"`,
  'very many keys': `{${Array.from({ length: 25_000 }, (_, i) => `"${i}":0`).join(',')}}`,
  'very many elements': `[${'0,'.repeat(100_000)}0]`,
};

afterEach(() => {
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  expect(Object.keys(Object.prototype)).toEqual([]);
});

/** What each function says to nonsense; never that it has failed itself. */
function expectedOf({ onNonsense, cap, target }: Endpoint, body: string | Buffer): object {
  if (onNonsense === 'drops') return { status: 200, json: { outcome: 'dropped: malformed' } };
  if (onNonsense === 'ignores') return { status: 200, json: { due: 0, complete: true } };
  if (Buffer.byteLength(body) > cap * 1024) return { status: 413 };
  // These look at the token before they look at what stands in the JSON.
  const value = parseJson(body.toString());
  const isTaken =
    (target.endsWith(':notify') && value !== undefined) ||
    (/:(ensureGraphData|walkGraph)$/.test(target) && isJsonObject(value));
  return { status: isTaken ? 401 : 400 };
}

async function expectNothingDone({ tasks, messages, log, call }: Stack): Promise<void> {
  expect(tasks).toEqual([]);
  expect(messages).toEqual([]);
  expect(log.lines.filter(({ severity }) => severity === 'error')).toEqual([]);
  expect((await call('api', 'GET /v1/attempts')).json).toEqual({ attempts: [] });
}

describe.each(SERVED_BY)('served by %s,', servedBy => {
  test.each(ENDPOINTS)('$name is not impressed by hostile JSON at $target', async endpoint => {
    const stack = await setUp(servedBy);
    for (const [what, body] of Object.entries(HOSTILE)) {
      expect(await post(stack, endpoint, { body }), what).toMatchObject(expectedOf(endpoint, body));
    }
    await expectNothingDone(stack);
  });
});
