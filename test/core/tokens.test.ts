import { describe, expect, test } from 'vitest';
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

const keys = { 'key-1': Buffer.alloc(32, 1), 'key-2': Buffer.alloc(32, 2) };
const keyring: Keyring = { current: 'key-1', keys };
const id = executionId(questId('A'.repeat(43)), 1, 1);
const other = executionId(questId('A'.repeat(43)), 1, 2);
const secret = { nonce: 'nonce', issuedAt: 5, keyId: 'key-1' };
const claims = { execution: id, distributor: 'echo' };

/** Every text that differs from this one in one character. */
function tampered(text: string): string[] {
  return Array.from(text, (character, i) => text.slice(0, i) + (character === 'A' ? 'B' : 'A') + text.slice(i + 1));
}

describe('an activation token', () => {
  const token = activationToken(keyring, id, secret);

  test('is the same each time, and accepted for its execution', () => {
    expect(activationToken(keyring, id, secret)).toBe(token);
    expect(isActivationToken(keyring, id, secret, token)).toBe(true);
  });

  test('is not accepted for another execution, nonce or key', () => {
    expect(isActivationToken(keyring, other, secret, token)).toBe(false);
    expect(isActivationToken(keyring, id, { ...secret, nonce: 'other' }, token)).toBe(false);
    expect(isActivationToken(keyring, id, { ...secret, keyId: 'key-2' }, token)).toBe(false);
  });

  test('is not accepted when it was tampered with', () => {
    for (const text of ['', 'x', `${token}A`, token.slice(1), ...tampered(token)]) {
      expect(isActivationToken(keyring, id, secret, text)).toBe(false);
    }
  });

  test.each(['key-3', '__proto__', 'constructor', 'toString'])('made with the unknown key %s is refused', keyId => {
    expect(() => activationToken(keyring, id, { ...secret, keyId })).toThrow('signing key');
    // A function that throws here would turn a bad request into an internal error.
    expect(isActivationToken({ ...keyring, keys: { ...keys } }, id, { ...secret, keyId: 'key-3' }, token)).toBe(false);
  });
});

describe('an auth token', () => {
  const token = authToken(keyring, claims, secret);

  test('is the same each time, and says which execution of which distributor its bearer may speak of', () => {
    expect(authToken(keyring, claims, secret)).toBe(token);
    expect(verifyAuthToken(keyring, token)).toEqual(claims);
  });

  test('verifies after its key is no longer the current one, and not after it is gone', () => {
    expect(verifyAuthToken({ current: 'key-2', keys }, token)).toEqual(claims);
    expect(verifyAuthToken({ current: 'key-2', keys: { 'key-2': keys['key-2'] } }, token)).toBeUndefined();
    expect(verifyAuthToken({ current: 'key-1', keys: { 'key-1': Buffer.alloc(32, 9) } }, token)).toBeUndefined();
  });

  test('is not accepted when it was tampered with', () => {
    for (const text of ['', '.', 'a.b', `${token}.`, `${token}A`, `.${token}`, ...tampered(token)]) {
      expect(verifyAuthToken(keyring, text)).toBeUndefined();
    }
  });

  test('cannot be signed with another content or a key that is a property of every object', () => {
    const [, signature] = token.split('.');
    for (const content of [
      [other, 'echo', 5, 'key-1'],
      [id, 'echo', 5, '__proto__'],
      [id, 'echo', 5],
      {},
      null,
      'text',
    ]) {
      const text = `${Buffer.from(JSON.stringify(content)).toString('base64url')}.${signature}`;
      expect(verifyAuthToken(keyring, text)).toBeUndefined();
    }
  });

  test('is worth nothing for another purpose', () => {
    expect(isActivationToken(keyring, id, secret, token)).toBe(false);
    expect(isActivationToken(keyring, id, secret, token.split('.')[1]!)).toBe(false);
    expect(verifyAuthToken(keyring, activationToken(keyring, id, secret))).toBeUndefined();
  });
});

test('hashed tokens are 43 characters and tell tokens apart', () => {
  expect(hashToken('a')).toHaveLength(43);
  expect(sameText(hashToken('a'), hashToken('a'))).toBe(true);
  expect(sameText(hashToken('a'), hashToken('b'))).toBe(false);
});

test('texts of different length are different, not an error', () => {
  expect(sameText('a', 'ab')).toBe(false);
  expect(sameText('', '')).toBe(true);
});
