import { describe, expect, test } from 'vitest';
import { createHttpClient } from '../../shared/adapters/http-client.ts';
import { InvalidArgument } from '../../shared/core/errors.ts';
import { get } from '../support/http-request.ts';
import { serve } from '../support/http-server.ts';

const local = createHttpClient({ local: true });

/** Which URLs and addresses are refused is in test/security/ssrf.test.ts. */
test('a host that is not allowed is refused, naming the url and what it asked for', async () => {
  const error: unknown = await local
    .request(get('http://127.0.0.1:9/', { allowedHosts: ['127.0.0.1:8'] }))
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(InvalidArgument);
  expect(error).toMatchObject({ field: 'url', description: 'host 127.0.0.1:9 is not among the allowed hosts' });
});

describe('headers that would lead past the checks are refused', () => {
  test.each<[Record<string, string>, string]>([
    [{ Host: 'metadata.google.internal' }, 'headers.Host'],
    [{ 'Transfer-Encoding': 'chunked' }, 'headers.Transfer-Encoding'],
    [{ 'content-length': '1' }, 'headers.content-length'],
    [{ connection: 'upgrade' }, 'headers.connection'],
    [{ x: 's3cret\r\nhost: evil.test' }, 'headers'],
    [{ x: 's3cret\nx' }, 'headers'],
    [{ 'x\r\ny': 's3cret' }, 'headers'],
  ])('%j', async (headers, field) => {
    const server = await serve(() => ({}));
    const error: unknown = await local.request(get(server.url, { headers })).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'InvalidArgument', field });
    expect((error as Error).message).not.toContain('s3cret');
    expect(server.requests).toHaveLength(0);
  });
});
