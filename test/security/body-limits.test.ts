import { deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { errorOf, SERVED_BY, setUp } from '../functions/harness.ts';
import { ENDPOINTS, post } from './endpoints.ts';

const KIB = 1024;
const BOMB = gzipSync(Buffer.alloc(16 * KIB * KIB));

/** Bombs, and names for them that a lenient server would understand or look up. */
const COMPRESSED: readonly (readonly [encoding: string, body: Buffer])[] = [
  ['gzip', BOMB],
  ['GZip', BOMB],
  ['x-gzip', BOMB],
  ['gzip, gzip', gzipSync(BOMB)],
  ['identity, gzip', BOMB],
  ['deflate', deflateSync(Buffer.alloc(KIB * KIB))],
  ['br', BOMB],
  ['zstd', BOMB],
  ['compress', BOMB],
  ['', BOMB],
];

describe.each(SERVED_BY)('served by %s,', servedBy => {
  test.each(ENDPOINTS)('$name takes no body over $cap KiB at $target', async endpoint => {
    const stack = await setUp(servedBy);
    const bytes = endpoint.cap * KIB;
    // Pub/Sub would repeat for days a message that is refused, though it never gets smaller.
    const expected =
      endpoint.name === 'notify'
        ? { status: 200, json: { outcome: 'dropped: malformed' } }
        : errorOf(413, 'PAYLOAD_TOO_LARGE', `body: larger than ${bytes} bytes`);
    for (const chunked of [false, true]) {
      for (const size of [bytes + 1, 5 * KIB * KIB])
        expect(await post(stack, endpoint, { body: '{}'.padEnd(size), chunked })).toMatchObject(expected);
      expect((await post(stack, endpoint, { body: '{}'.padEnd(bytes), chunked })).status).not.toBe(413);
    }
    // Nobody waits for what was announced.
    const headers = { 'content-length': String(2 ** 31) };
    expect(await post(stack, endpoint, { body: '{}', headers })).toMatchObject(expected);
  });

  test.each(ENDPOINTS)('$name unpacks nothing at $target', async endpoint => {
    const stack = await setUp(servedBy);
    for (const [encoding, body] of COMPRESSED) {
      for (const chunked of [false, true]) {
        const answer = await post(stack, endpoint, { body, headers: { 'content-encoding': encoding }, chunked });
        expect(answer, encoding).toMatchObject(
          errorOf(415, 'UNSUPPORTED_MEDIA_TYPE', 'Content-Encoding: compressed bodies are not accepted'),
        );
      }
    }
  });

  test.each(ENDPOINTS)('$name takes a bomb that claims to be none for what it is at $target', async endpoint => {
    const stack = await setUp(servedBy);
    for (const headers of [{}, { 'content-encoding': 'identity' }, { 'content-encoding': 'Identity' }]) {
      const answer = await post(stack, endpoint, { body: BOMB, headers });
      if (endpoint.onNonsense === 'refuses')
        expect(answer).toMatchObject(errorOf(400, 'INVALID_ARGUMENT', 'body: is not valid JSON'));
      else expect(answer.status).toBe(200);
    }
    expect(stack.tasks).toEqual([]);
    expect(stack.messages).toEqual([]);
  });
});
