import { type BinaryLike, createHash, createHmac } from 'node:crypto';
import { KEYRING } from '../support/engine.ts';

/** Tokens that nobody but us should be able to make, made by somebody else. */

/** What a forger may have seen: valid tokens, and everything about the execution that is no secret. */
export interface Seen {
  /** `content.signature` */
  auth: string;
  content: string;
  signature: string;
  claims: readonly [execution: string, distributor: string, issuedAt: number, keyId: string];
  activation: string;
  nonce: string;
}

const base64url = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const hmac = (key: BinaryLike, content: string, algorithm = 'sha256') =>
  createHmac(algorithm, key).update(content).digest('base64url');
const jwt = (header: object, claims: unknown, key?: BinaryLike) => {
  const signed = `${base64url(header)}.${base64url(claims)}`;
  return `${signed}.${key === undefined ? '' : hmac(key, signed)}`;
};
/** As we would sign it, with another key or for another purpose. */
const signed = (claims: unknown, key: BinaryLike, purpose = 'notification') => {
  const content = base64url(claims);
  return `${content}.${hmac(key, `${purpose}\n${content}`)}`;
};

const OUR_KEY = KEYRING.keys[KEYRING.current]!;
export const ANOTHER_KEY = Buffer.alloc(32, 9);

/** The same bits in other words. */
export const REWRITTEN: Record<string, (text: string) => string> = {
  'without its last character': text => text.slice(0, -1),
  'without its first character': text => text.slice(1),
  'its first half': text => text.slice(0, text.length / 2),
  doubled: text => text + text,
  'in hexadecimal': text => Buffer.from(text, 'base64url').toString('hex'),
  'in base64 with padding': text => Buffer.from(text, 'base64url').toString('base64'),
  'with padding': text => `${text}=`,
  // 43 characters hold two bits more than 32 bytes; decoders drop them.
  'with other bits where none count': text =>
    text.slice(0, -1) + String.fromCodePoint(text.codePointAt(text.length - 1)! + 1),
  'in capitals': text => text.toUpperCase(),
  'with an escaped character': text => `%${text.codePointAt(0)!.toString(16)}${text.slice(1)}`,
  'as a JSON string': text => JSON.stringify(text),
  'in a list': text => JSON.stringify([text]),
};

export const AUTH_TOKENS: Record<string, (seen: Seen) => string> = {
  'a JWT of no algorithm': ({ claims }) => jwt({ alg: 'none' }, claims),
  'a JWT of no algorithm with our claims in Google’s words': ({ claims: [sub] }) =>
    jwt({ alg: 'none', typ: 'JWT' }, { sub, iss: 'https://accounts.google.com' }),
  'a JWT signed with the id of our key': ({ claims }) => jwt({ alg: 'HS256', kid: 'key-1' }, claims, 'key-1'),
  'a JWT that brings its key': ({ claims }) => jwt({ alg: 'HS256', jwk: { kty: 'oct', k: '' } }, claims, ''),
  'our signature in a JWT': ({ content, signature }) => `${base64url({ alg: 'HS256' })}.${content}.${signature}`,
  'claims without a signature': ({ content }) => content,
  'claims with an empty signature': ({ content }) => `${content}.`,
  'a signature without claims': ({ signature }) => `.${signature}`,
  'claims and signature exchanged': ({ content, signature }) => `${signature}.${content}`,
  'the token twice': ({ auth }) => `${auth}.${auth}`,
  'signed with nothing': ({ claims }) => signed(claims, ''),
  'signed with the id of our key': ({ claims }) => signed(claims, claims[3]),
  'signed with the id of the execution': ({ claims }) => signed(claims, claims[0]),
  'signed with the nonce': ({ claims, nonce }) => signed(claims, nonce),
  'signed with zeros': ({ claims }) => signed(claims, Buffer.alloc(32)),
  'signed with a signature of ours': ({ claims, signature }) => signed(claims, signature),
  'signed with another key of the same id': ({ claims }) => signed(claims, ANOTHER_KEY),
  'signed by us for activation': ({ claims }) => signed(claims, OUR_KEY, 'activation'),
  'signed by us for nothing': ({ claims }) => signed(claims, OUR_KEY, ''),
  'the activation token as the signature': ({ content, activation }) => `${content}.${activation}`,
  'hashed with our key in front, as nobody should': ({ content }) =>
    `${content}.${createHash('sha256').update(OUR_KEY).update(`notification\n${content}`).digest('base64url')}`,
  'signed with SHA-1': ({ content }) => `${content}.${hmac(OUR_KEY, `notification\n${content}`, 'sha1')}`,
  'signed with SHA-512, cut': ({ content }) =>
    `${content}.${hmac(OUR_KEY, `notification\n${content}`, 'sha512').slice(0, 43)}`,
  ...Object.fromEntries(
    ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '', 'key-2', 'key-1\n', 'KEY-1'].map(keyId => [
      `of the key ${JSON.stringify(keyId)}`,
      ({ claims: [execution, distributor, at] }: Seen) => signed([execution, distributor, at, keyId], ''),
    ]),
  ),
  'our signature under other claims': ({ claims: [execution, ...rest], signature }) =>
    `${base64url([execution.replace(/\d+$/, '1'), ...rest])}.${signature}`,
  'our signature under the same claims written otherwise': ({ claims, signature }) =>
    `${base64url(JSON.stringify(claims, undefined, 1))}.${signature}`,
  'our signature under claims with padding': ({ content, signature }) => `${content}=.${signature}`,
  'signed by us, with a list as the execution': ({ claims: [execution, ...rest] }) =>
    signed([[execution], ...rest], OUR_KEY),
  'signed by us, with an object for the claims': ({ claims: [execution, distributor, issuedAt, keyId] }) =>
    signed({ execution, distributor, issuedAt, keyId }, OUR_KEY),
  'signed by us, 1500 levels deep': () => signed(`${'['.repeat(1500)}${']'.repeat(1500)}`, OUR_KEY),
  ...Object.fromEntries(
    Object.entries(REWRITTEN).map(([name, rewrite]) => [
      `with its signature ${name}`,
      ({ content, signature }: Seen) => `${content}.${rewrite(signature)}`,
    ]),
  ),
};

export const ACTIVATION_TOKENS: Record<string, (seen: Seen) => string> = {
  'a JWT of no algorithm': ({ claims }) => jwt({ alg: 'none' }, claims),
  'a JWT signed with the nonce': ({ claims, nonce }) => jwt({ alg: 'HS256' }, claims, nonce),
  'the nonce': ({ nonce }) => nonce,
  'signed with the nonce': ({ claims: [id], nonce }) => hmac(nonce, `activation\n${id}\n${nonce}`),
  'signed with the id of our key': ({ claims: [id, , , keyId], nonce }) => hmac(keyId, `activation\n${id}\n${nonce}`),
  'signed with another key': ({ claims: [id], nonce }) => hmac(ANOTHER_KEY, `activation\n${id}\n${nonce}`),
  'signed by us for notifications': ({ claims: [id], nonce }) => hmac(OUR_KEY, `notification\n${id}\n${nonce}`),
  'signed by us for another nonce': ({ claims: [id] }) => hmac(OUR_KEY, `activation\n${id}\nother`),
  'signed by us for no nonce': ({ claims: [id] }) => hmac(OUR_KEY, `activation\n${id}\n`),
  'signed with SHA-512, cut': ({ claims: [id], nonce }) =>
    hmac(OUR_KEY, `activation\n${id}\n${nonce}`, 'sha512').slice(0, 43),
  'the signature of the auth token': ({ signature }) => signature,
  ...Object.fromEntries(
    Object.entries(REWRITTEN).map(([name, rewrite]) => [name, ({ activation }: Seen) => rewrite(activation)]),
  ),
};
