import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import type { ExecutionId } from './ids.ts';
import { parseJson, sha256 } from './json.ts';

/** Signing keys by id. New tokens use `current`; the others still verify, so that keys rotate by adding one. */
export interface Keyring {
  current: string;
  keys: Readonly<Record<string, Uint8Array>>;
}

/** The purpose is part of what is signed: a token for one thing is worth nothing for another. */
type Purpose = 'activation' | 'notification';

/** Key objects are made once: to make one of the bytes at each signature cost more than the signature. */
const keyObjects = new WeakMap<Uint8Array, KeyObject>();

function keyObject(bytes: Uint8Array): KeyObject {
  const known = keyObjects.get(bytes) ?? createSecretKey(bytes);
  keyObjects.set(bytes, known);
  return known;
}

function mac(keyring: Keyring, keyId: string, purpose: Purpose, content: string): string | undefined {
  const key = Object.hasOwn(keyring.keys, keyId) ? keyring.keys[keyId] : undefined;
  return key && createHmac('sha256', keyObject(key)).update(`${purpose}\n${content}`).digest('base64url');
}

/** Throws when the key is gone. */
function sign(keyring: Keyring, keyId: string, purpose: Purpose, content: string): string {
  const code = mac(keyring, keyId, purpose, content);
  if (code === undefined) throw new Error(`there is no signing key "${keyId}"`);
  return code;
}

/** Whether the key that is named signed this. */
function isSigned(keyring: Keyring, keyId: string, purpose: Purpose, content: string, signature: string): boolean {
  const code = mac(keyring, keyId, purpose, content);
  return code !== undefined && sameText(code, signature);
}

export interface ExecutionSecret {
  nonce: string;
  issuedAt: number;
  keyId: string;
}

/** What a job shows to activate. Derived from the execution each time, never stored. Throws when its key is gone. */
export function activationToken(keyring: Keyring, id: ExecutionId, { nonce, keyId }: ExecutionSecret): string {
  return sign(keyring, keyId, 'activation', `${id}\n${nonce}`);
}

export function isActivationToken(
  keyring: Keyring,
  id: ExecutionId,
  { nonce, keyId }: ExecutionSecret,
  token: string,
): boolean {
  return isSigned(keyring, keyId, 'activation', `${id}\n${nonce}`, token);
}

export interface AuthClaims {
  execution: ExecutionId;
  distributor: string;
}

/** `auth_token`: says that its bearer may speak about one execution of one distributor. `claims.signature`, base64url. */
export function authToken(
  keyring: Keyring,
  { execution, distributor }: AuthClaims,
  { issuedAt, keyId }: Pick<ExecutionSecret, 'issuedAt' | 'keyId'>,
): string {
  const content = Buffer.from(JSON.stringify([execution, distributor, issuedAt, keyId])).toString('base64url');
  return `${content}.${sign(keyring, keyId, 'notification', content)}`;
}

/** What an `auth_token` claims, or undefined when it is malformed or forged. */
export function verifyAuthToken(keyring: Keyring, token: string): AuthClaims | undefined {
  const [content = '', signature = '', ...rest] = token.split('.');
  const claims = rest.length === 0 ? parseJson(Buffer.from(content, 'base64url').toString()) : undefined;
  if (!Array.isArray(claims)) return undefined;
  const [execution, distributor, , keyId] = claims;
  if (typeof execution !== 'string' || typeof distributor !== 'string' || typeof keyId !== 'string') return undefined;
  if (!isSigned(keyring, keyId, 'notification', content, signature)) return undefined;
  return { execution: execution as ExecutionId, distributor };
}

/** How tokens chosen by a job are stored. */
export function hashToken(token: string): string {
  return sha256(token).toString('base64url');
}

/** Compares in constant time. */
export function sameText(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}
