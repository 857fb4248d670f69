import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { executionId, questId } from '../../shared/core/ids.ts';
import {
  activationToken,
  authToken,
  hashToken,
  isActivationToken,
  type Keyring,
  sameText,
  verifyAuthToken,
} from '../../shared/core/tokens.ts';

/** From few parts, so that two differ in one thing only as often as in many. */
const executions = fc
  .tuple(fc.constantFrom('A', 'B'), fc.constantFrom(1, 11), fc.constantFrom(1, 11))
  .map(([letter, attempt, execution]) => executionId(questId(letter.repeat(43)), attempt, execution));
const secrets = fc.record({
  nonce: fc.constantFrom('', 'n', 'nonce', 'n\nonce'),
  issuedAt: fc.constantFrom(0, 1_795_000_000_000),
  keyId: fc.constantFrom('1', 'key-2', '__proto__ '),
});
const claims = fc.record({ execution: executions, distributor: fc.constantFrom('echo', 'echo.', 'Echo') });
const keyBytes = fc.uint8Array({ minLength: 32, maxLength: 32 });
/** A ring of three keys, of which any is the current one. */
const keyrings = fc
  .tuple(
    fc.uniqueArray(keyBytes, { minLength: 3, maxLength: 3, comparator: isDeepStrictEqual }),
    fc.constantFrom('1', 'key-2'),
  )
  .map(([[a, b, c], current]): Keyring => ({ current, keys: { '1': a!, 'key-2': b!, '__proto__ ': c! } }));

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
/** Changes a text in one place: another character, one more, one less, or two that change places. */
const damages = fc.record({
  place: fc.nat(),
  kind: fc.constantFrom('replace', 'insert', 'remove', 'swap', 'flip'),
  character: fc.constantFrom(...BASE64URL.split(''), '.', '=', '+', '/', ' ', '\0', 'é'),
  bit: fc.nat(6),
});
type Damage = typeof damages extends fc.Arbitrary<infer T> ? T : never;

function damaged(text: string, { place, kind, character, bit }: Damage): string {
  const at = place % (text.length + 1);
  const [before, here, after] = [text.slice(0, at), text.charAt(at), text.slice(at + 1)];
  if (kind === 'insert') return before + character + here + after;
  if (kind === 'remove') return before + after;
  if (kind === 'swap') return before + after.slice(0, 1) + here + after.slice(1);
  if (kind === 'flip') return before + String.fromCharCode(text.charCodeAt(at) ^ (1 << bit)) + after;
  return before + character + after;
}

function without({ current, keys }: Keyring, keyId: string): Keyring {
  return { current, keys: Object.fromEntries(Object.entries(keys).filter(([id]) => id !== keyId)) };
}

test('an auth token says what was signed, under every key of the ring, and none when its key is gone or another', () => {
  fc.assert(
    fc.property(keyrings, claims, secrets, keyBytes, (ring, claimed, secret, foreign) => {
      const token = authToken(ring, claimed, secret);
      for (const current of Object.keys(ring.keys))
        expect(verifyAuthToken({ ...ring, current }, token)).toEqual(claimed);
      expect(verifyAuthToken(without(ring, secret.keyId), token)).toBeUndefined();
      fc.pre(!isDeepStrictEqual(foreign, ring.keys[secret.keyId]));
      expect(verifyAuthToken({ ...ring, keys: { ...ring.keys, [secret.keyId]: foreign } }, token)).toBeUndefined();
    }),
  );
});

test('an auth token that was changed in any place is worth nothing', () => {
  fc.assert(
    fc.property(keyrings, claims, secrets, damages, (ring, claimed, secret, damage) => {
      const token = authToken(ring, claimed, secret);
      const text = damaged(token, damage);
      fc.pre(text !== token);
      expect(verifyAuthToken(ring, text)).toBeUndefined();
    }),
    { numRuns: 2000 },
  );
});

test('the signature of one auth token is none for another content', () => {
  fc.assert(
    fc.property(keyrings, claims, secrets, claims, secrets, (ring, claimed, secret, otherClaims, otherSecret) => {
      const [content, signature] = authToken(ring, claimed, secret).split('.');
      const [otherContent] = authToken(ring, otherClaims, otherSecret).split('.');
      fc.pre(content !== otherContent);
      expect(verifyAuthToken(ring, `${otherContent}.${signature}`)).toBeUndefined();
    }),
  );
});

test('an activation token opens its own execution with its own nonce and key, and nothing else', () => {
  fc.assert(
    fc.property(keyrings, executions, secrets, executions, secrets, (ring, id, secret, otherId, otherSecret) => {
      const token = activationToken(ring, id, secret);
      const isSame = id === otherId && secret.nonce === otherSecret.nonce && secret.keyId === otherSecret.keyId;
      expect(isActivationToken(ring, otherId, otherSecret, token)).toBe(isSame);
      expect(isActivationToken(without(ring, secret.keyId), id, secret, token)).toBe(false);
    }),
    { numRuns: 1000 },
  );
});

test('an activation token that was changed in any place is worth nothing', () => {
  fc.assert(
    fc.property(keyrings, executions, secrets, damages, (ring, id, secret, damage) => {
      const token = activationToken(ring, id, secret);
      const text = damaged(token, damage);
      expect(isActivationToken(ring, id, secret, text)).toBe(text === token);
    }),
    { numRuns: 1000 },
  );
});

test('no token serves another purpose, whole or in parts', () => {
  fc.assert(
    fc.property(keyrings, claims, secrets, (ring, claimed, secret) => {
      const activation = activationToken(ring, claimed.execution, secret);
      const auth = authToken(ring, claimed, secret);
      const [content = '', signature = ''] = auth.split('.');
      for (const text of [auth, content, signature]) {
        expect(isActivationToken(ring, claimed.execution, secret, text)).toBe(false);
      }
      for (const text of [
        activation,
        `${content}.${activation}`,
        `${activation}.${signature}`,
        `${auth}.${signature}`,
      ]) {
        expect(verifyAuthToken(ring, text)).toBeUndefined();
      }
      expect(sameText(hashToken(activation), activation)).toBe(false);
    }),
  );
});

test('whatever text comes in, verifying answers and does not throw', () => {
  const ring: Keyring = { current: '1', keys: { '1': Buffer.alloc(32, 1) } };
  const contents = fc
    .jsonValue({ maxDepth: 1 })
    .map(value => `${Buffer.from(JSON.stringify(value)).toString('base64url')}.AAAA`);
  fc.assert(
    fc.property(fc.oneof(fc.string(), contents), text => {
      expect(verifyAuthToken(ring, text)).toBeUndefined();
      expect(
        isActivationToken(
          ring,
          executionId(questId('A'.repeat(43)), 1, 1),
          { nonce: '', issuedAt: 0, keyId: '1' },
          text,
        ),
      ).toBe(false);
    }),
  );
});

test('texts are the same exactly when all of them is', () => {
  const texts = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '\0'), maxLength: 3 });
  fc.assert(fc.property(texts, texts, (a, b) => sameText(a, b) === (a === b)));
});
