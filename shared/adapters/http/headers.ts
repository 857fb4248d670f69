import type { z } from 'zod';

/** Headers that only a distributor's config may set, and only by reference. */
const SECRET = new Set(['authorization', 'proxy-authorization', 'cookie']);

/** Headers that this adapter or HTTP itself sets. */
const RESERVED = new Set([
  'connection',
  'content-length',
  'content-type',
  'expect',
  'host',
  'idempotency-key',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-activation-token',
  'x-auth-token',
  'x-execution-id',
  'x-execution-url',
  'x-notify-topic',
  'x-notify-url',
]);

type Headers = Record<string, string>;

export function isSecretReference(value: string): boolean {
  return value.startsWith('env:');
}

/** Refines a distributor's own headers: what is secret by its name must not stand in the config itself. */
export function checkConfigHeaders(headers: Headers, context: z.RefinementCtx<Headers>): void {
  report(headers, context, (name, value) =>
    SECRET.has(name) && !isSecretReference(value) ? 'is a secret: name it as "env:NAME"' : undefined,
  );
}

/** Refines a quest's headers: they hold no secrets and override nothing of the distributor's. */
export function checkQuestHeaders(configured: Headers) {
  const taken = new Set(Object.keys(configured).map(name => name.toLowerCase()));
  return (headers: Headers, context: z.RefinementCtx<Headers>): void =>
    report(headers, context, name => {
      if (taken.has(name)) return 'is set by the distributor';
      return SECRET.has(name) ? "is a secret: secrets belong to the distributor's config" : undefined;
    });
}

function report(
  headers: Headers,
  context: z.RefinementCtx<Headers>,
  problemOf: (lowerCaseName: string, value: string) => string | undefined,
): void {
  for (const [name, value] of Object.entries(headers)) {
    const message = malformed(name, value) ?? problemOf(name.toLowerCase(), value);
    if (message !== undefined) context.addIssue({ code: 'custom', message, path: [name] });
  }
}

/** RFC 9110 §5.1 and §5.5. */
function malformed(name: string, value: string): string | undefined {
  if (!/^[!#$%&'*+.^_`|~\dA-Za-z-]+$/.test(name)) return 'is not the name of a header';
  if (/[^\t\u0020-\u007e\u0080-\u00ff]/.test(value)) return 'holds a character that HTTP does not allow';
  return RESERVED.has(name.toLowerCase()) ? 'is set by the distributor' : undefined;
}
