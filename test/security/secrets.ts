import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';

export type Secrets = Readonly<Record<string, string | Uint8Array>>;

/** A secret of the kinds that break naive searching: with characters that JSON, URLs and shells write otherwise. */
export function randomSecret(): string {
  return `${randomBytes(24).toString('base64url')}/+"\\%${randomBytes(8).toString('hex')}`;
}

/** How a text is written by those who hand it on. PHP escapes slashes, .NET all that could mean something to HTML. */
export const WRITINGS: Record<string, (text: string) => string> = {
  'as it is': text => text,
  'in JSON': text => JSON.stringify(text).slice(1, -1),
  'in JSON with escaped slashes': text => JSON.stringify(text).slice(1, -1).replaceAll('/', String.raw`\/`),
  'in JSON with escaped characters': text =>
    text.replaceAll(/[^\w-]/g, one => `\\u${one.codePointAt(0)!.toString(16).padStart(4, '0')}`),
  'percent-encoded': encodeURIComponent,
};

function formsOf(secret: string | Uint8Array): string[] {
  const bytes = Buffer.from(secret);
  const encoded = (['base64', 'base64url', 'hex', 'latin1'] as const).map(encoding => bytes.toString(encoding));
  return typeof secret === 'string' ? [...encoded, ...Object.values(WRITINGS).map(write => write(secret))] : encoded;
}

/** Every text in a value, keys among them. */
function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [String(value)];
  return Object.entries(value).flatMap(([key, child]) => [key, ...textsOf(child)]);
}

/** The secrets, by name, that a value gives away. */
export function secretsIn(value: unknown, secrets: Secrets): string[] {
  const text = textsOf(value).join('\n');
  return Object.entries(secrets).flatMap(([name, secret]) =>
    formsOf(secret).some(form => text.includes(form)) ? [name] : [],
  );
}

/** Fails with what gave a secret away, and the name of the secret. */
export function expectSecrecy(shown: readonly unknown[], secrets: Secrets): void {
  expect(shown.length).toBeGreaterThan(0);
  const given = shown.flatMap(one =>
    secretsIn(one, secrets).map(name => ({ name, in: JSON.stringify(one).slice(0, 120) })),
  );
  expect(given).toEqual([]);
}
