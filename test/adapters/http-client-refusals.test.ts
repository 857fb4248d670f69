import { describe, expect, test } from 'vitest';
import { createHttpClient } from '../../shared/adapters/http-client.ts';
import { InvalidArgument } from '../../shared/core/errors.ts';
import { get, resolver } from '../support/http-request.ts';
import { serve } from '../support/http-server.ts';

const local = createHttpClient({ local: true });
const deployed = createHttpClient({ local: false });

async function refusal(promise: Promise<unknown>): Promise<InvalidArgument> {
  const error: unknown = await promise.then(
    () => expect.fail('it was called'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(InvalidArgument);
  expect(error).toMatchObject({ field: 'url' });
  return error as InvalidArgument;
}

describe('what may not be called is refused, naming the url', () => {
  test.each([
    'https://10.0.0.1/',
    'https://127.0.0.1/',
    'https://0.0.0.0/',
    'https://169.254.169.254/computeMetadata/v1/',
    'https://[::1]/',
    'https://[::ffff:169.254.169.254]/',
    'https://[::ffff:7f00:1]/',
    'https://[fd00::1]/',
    'https://[fe80::1]/',
    'https://2852039166/', // 169.254.169.254
    'https://0xa9fea9fe/',
    'https://0251.0376.0251.0376/',
    'https://127.1/',
    'http://8.8.8.8/',
    'http://example.com/',
    'ftp://example.com/',
    'file:///etc/passwd',
    'data:,x',
    'https://user:pass@example.com/',
    'https://user@example.com/',
    'example.com',
    '/path',
    '',
  ])('in the cloud: %s', async url => {
    await refusal(deployed.request(get(url)));
  });

  test.each([
    'http://8.8.8.8/',
    'http://10.0.0.1/',
    'https://192.168.0.1/',
    'http://169.254.169.254/',
    'http://0.0.0.0/',
    'http://[::ffff:127.0.0.1]/',
    'ftp://127.0.0.1/',
    'http://user:pass@127.0.0.1/',
  ])('locally: %s', async url => {
    await refusal(local.request(get(url)));
  });

  test('a host that is not allowed', async () => {
    const error = await refusal(local.request(get('http://127.0.0.1:9/', { allowedHosts: ['127.0.0.1:8'] })));
    expect(error.message).toBe('url: host 127.0.0.1:9 is not among the allowed hosts');
  });

  test.each([
    [['169.254.169.254']],
    [['fd00:ec2::254']],
    [['127.0.0.1']],
    [['::ffff:10.0.0.1']],
    [['8.8.8.8', '10.0.0.1']],
    [['2606:4700::1111', '::1']],
    [[]],
  ])('a name that resolves to %j', async addresses => {
    const { asked, lookup } = resolver(...addresses);
    const client = createHttpClient({ local: false, lookup });
    await refusal(client.request(get('https://metadata.google.internal/')));
    expect(asked).toEqual(['metadata.google.internal']);
  });

  test('locally, a name for plain http that is not loopback', async () => {
    const client = createHttpClient({ local: true, lookup: resolver('8.8.8.8').lookup });
    await refusal(client.request(get('http://localhost/')));
  });

  test('a name that was honest when it was first looked up', async () => {
    const server = await serve(() => ({ headers: { connection: 'close' }, body: 'honest' }));
    const answers = ['127.0.0.1', '169.254.169.254'];
    const client = createHttpClient({
      local: true,
      lookup: (_, __, callback) => callback(null, [{ address: answers.shift()!, family: 4 }]),
    });
    const url = `http://rebound.test:${server.host.split(':')[1]}/`;
    expect(await client.request(get(url))).toMatchObject({ body: 'honest' });
    await refusal(client.request(get(url)));
  });
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
