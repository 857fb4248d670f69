import { once } from 'node:events';
import * as http from 'node:http';
import * as https from 'node:https';
import { createServer, type Socket } from 'node:net';
import { setDefaultCACertificates } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { HttpRequest } from '../../shared/adapters/contract.ts';
import { createHttpClient } from '../../shared/adapters/http-client.ts';
import { TransientError } from '../../shared/core/errors.ts';
import { TEST_CERTIFICATE } from '../support/certificate.ts';
import { get, resolver } from '../support/http-request.ts';
import { listen, serve } from '../support/http-server.ts';

const local = createHttpClient({ local: true });

/** A server below HTTP; its connections end with the test. */
async function serveRaw(onConnection: (socket: Socket) => void): Promise<string> {
  const sockets: Socket[] = [];
  const server = createServer(socket => {
    sockets.push(socket.on('error', () => undefined));
    onConnection(socket);
  });
  const host = await listen(server);
  onTestFinished(() => sockets.forEach(socket => socket.destroy()));
  return `http://${host}`;
}

/** Answers the first request of a connection, and resets it at the second. */
function resetAtSecond(counts: { connections: number; requests: number }) {
  return (socket: Socket) => {
    counts.connections++;
    let first = true;
    socket.on('data', () => {
      counts.requests++;
      if (first) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
      else socket.resetAndDestroy();
      first = false;
    });
  };
}

describe('an exchange', () => {
  test('hands over method, headers and body, and gives back status, headers and body', async () => {
    const server = await serve(() => ({ status: 418, headers: { 'X-Answer': 'yes' }, body: 'grün' }));
    const answer = await local.request(
      get(`${server.url}/path?q=1`, { method: 'PUT', headers: { 'x-question': 'why' }, body: '{"a":"ä"}' }),
    );
    expect(answer).toMatchObject({ status: 418, body: 'grün', truncated: false });
    expect(answer.headers['x-answer']).toBe('yes');
    expect(server.requests).toMatchObject([{ method: 'PUT', path: '/path?q=1', body: '{"a":"ä"}' }]);
    expect(server.requests[0]?.headers).toMatchObject({ 'x-question': 'why', 'content-length': '10' });
  });

  test('works over TLS', async () => {
    setDefaultCACertificates([TEST_CERTIFICATE.cert]);
    const server = https.createServer(TEST_CERTIFICATE, (_, response) => response.end('safe'));
    const host = await listen(server);
    onTestFinished(() => server.closeAllConnections());
    expect(await local.request(get(`https://${host}/`))).toMatchObject({ status: 200, body: 'safe' });
    const named = createHttpClient({ local: true, lookup: resolver('127.0.0.1').lookup });
    const port = host.split(':')[1];
    expect(await named.request(get(`https://executor.test:${port}/`))).toMatchObject({ body: 'safe' });
    const error = await named.request(get(`https://other.test:${port}/`)).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TransientError);
    expect(error).toMatchObject({ message: expect.stringContaining('ERR_TLS_CERT_ALTNAME_INVALID') });
  });

  test('keeps its connection for the next one', async () => {
    let connections = 0;
    const server = http.createServer((_, response) => response.end('x')).on('connection', () => connections++);
    const url = `http://${await listen(server)}/`;
    onTestFinished(() => server.closeAllConnections());
    for (let n = 0; n < 5; n++) await local.request(get(url));
    expect(connections).toBe(1);
  });

  test('whose method mostly has no body is one request all the same', async () => {
    const server = await serve(() => ({ body: 'ok' }));
    for (const body of ['{"a":"ä"}', '{}']) {
      const answer = await local.request(get(`${server.url}/job`, { method: 'DELETE', body }));
      expect(answer).toMatchObject({ status: 200, body: 'ok' });
    }
    expect(server.requests.map(({ method, body }) => `${method} ${body}`)).toEqual(['DELETE {"a":"ä"}', 'DELETE {}']);
    expect(server.requests[0]?.headers['content-length']).toBe('10');
  });

  test('does not follow redirects', async () => {
    const server = await serve(() => ({ status: 302, headers: { location: '/elsewhere' } }));
    const answer = await local.request(get(`${server.url}/`));
    expect(answer).toMatchObject({ status: 302, headers: { location: '/elsewhere' } });
    expect(server.requests).toHaveLength(1);
  });

  test('neither asks for compression nor unpacks it', async () => {
    const bomb = gzipSync('0'.repeat(10_000_000));
    const server = http.createServer((incoming, response) => {
      expect(incoming.headers['accept-encoding']).toBeUndefined();
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb);
    });
    const url = `http://${await listen(server)}/`;
    onTestFinished(() => server.closeAllConnections());
    const answer = await local.request(get(url));
    expect(answer.headers['content-encoding']).toBe('gzip');
    expect(answer.body.length).toBeLessThanOrEqual(bomb.length);
  });

  test('gives several cookies as one header', async () => {
    const server = http.createServer((_, response) => response.setHeader('set-cookie', ['a=1', 'b=2']).end());
    const url = `http://${await listen(server)}/`;
    onTestFinished(() => server.closeAllConnections());
    expect((await local.request(get(url))).headers['set-cookie']).toBe('a=1, b=2');
  });
});

describe('a body', () => {
  test.each([
    { sent: 'x'.repeat(100), cap: 100, body: 'x'.repeat(100), truncated: false },
    { sent: 'x'.repeat(101), cap: 100, body: 'x'.repeat(100), truncated: true },
    { sent: 'xä', cap: 2, body: 'x', truncated: true },
    { sent: '\ufeff{}', cap: 100, body: '{}', truncated: false },
    { sent: '', cap: 0, body: '', truncated: false },
  ])('is cut at the cap: $sent.length characters at $cap bytes', async ({ sent, cap, body, truncated }) => {
    const server = await serve(() => ({ body: sent }));
    expect(await local.request(get(server.url, { maxBytes: cap }))).toMatchObject({ body, truncated });
  });

  test('without end is cut off, connection and all', async () => {
    const closed = Promise.withResolvers<void>();
    const url = await serveRaw(socket => {
      socket.on('close', () => closed.resolve());
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      const timer = setInterval(() => socket.write('x'.repeat(10_000)), 1);
      socket.on('close', () => clearInterval(timer));
    });
    const answer = await local.request(get(`${url}/`));
    expect(answer).toMatchObject({ truncated: true, body: 'x'.repeat(100_000) });
    await closed.promise;
  });
});

describe('a transient error, which names neither query nor headers, follows', () => {
  const secrets = { headers: { authorization: 'Bearer s3cret' } };

  async function failureOf(url: string, overrides: Partial<HttpRequest> = {}): Promise<TransientError> {
    const error: unknown = await local
      .request(get(`${url}/path?key=s3cret`, { ...secrets, ...overrides }))
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TransientError);
    const { message } = error as TransientError;
    expect(message).toContain(`GET ${url}/path: `);
    expect(message).not.toContain('s3cret');
    return error as TransientError;
  }

  test('when nobody listens', async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    await once(server.close(), 'close');
    expect((await failureOf(`http://127.0.0.1:${port}`)).message).toContain('ECONNREFUSED');
  });

  test('when a name cannot be resolved', async () => {
    const client = createHttpClient({
      local: false,
      lookup: (_, __, callback) => callback(Object.assign(new Error('?'), { code: 'ENOTFOUND' }), []),
    });
    await expect(client.request(get('https://nowhere.test/'))).rejects.toThrow(
      new TransientError('GET https://nowhere.test/: ENOTFOUND'),
    );
  });

  test('when the server says nothing in time', async () => {
    expect((await failureOf(await serveRaw(() => undefined), { timeoutMs: 50 })).message).toContain('no answer');
  });

  test('when the body does not come to its end in time', async () => {
    const url = await serveRaw(socket => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf'));
    expect((await failureOf(url, { timeoutMs: 50 })).message).toContain('no answer');
  });

  test('when the connection breaks before an answer, without a second try', async () => {
    let connections = 0;
    const url = await serveRaw(socket => {
      connections++;
      socket.once('data', () => socket.destroy());
    });
    await failureOf(url);
    expect(connections).toBe(1);
  });

  test('when the connection breaks within the body', async () => {
    const url = await serveRaw(socket => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf');
      socket.once('data', () => socket.destroy());
    });
    expect((await failureOf(url)).message).toContain('ECONNRESET');
  });

  test('when the answer is not HTTP', async () => {
    await failureOf(await serveRaw(socket => socket.end('s3cret s3cret\r\n\r\n')));
  });
});

describe('a connection that was kept too long', () => {
  test('costs one more try, on a new connection', async () => {
    const counts = { connections: 0, requests: 0 };
    const url = await serveRaw(resetAtSecond(counts));
    const client = createHttpClient({ local: true });
    await client.request(get(url));
    expect(await client.request(get(url, { method: 'POST', body: '{}' }))).toMatchObject({ body: 'ok' });
    expect(counts).toEqual({ connections: 2, requests: 3 });
  });

  test('costs one more try even among others like it', async () => {
    const counts = { connections: 0, requests: 0 };
    const resetting = resetAtSecond(counts);
    const sockets: Socket[] = [];
    // The first is served together with the second, so that both are kept.
    const url = await serveRaw(socket => {
      sockets.push(socket);
      if (sockets.length === 2) sockets.forEach(resetting);
      if (sockets.length > 2) resetting(socket);
    });
    const client = createHttpClient({ local: true });
    await Promise.all([client.request(get(url)), client.request(get(url))]);
    expect(await client.request(get(url))).toMatchObject({ body: 'ok' });
    expect(counts).toEqual({ connections: 3, requests: 4 });
  });

  test('costs no more tries for what may be sent only once', async () => {
    const counts = { connections: 0, requests: 0 };
    const url = await serveRaw(resetAtSecond(counts));
    const client = createHttpClient({ local: true });
    await client.request(get(url));
    await expect(client.request(get(url, { method: 'POST', body: '{}', once: true }))).rejects.toThrow(TransientError);
    expect(counts).toEqual({ connections: 1, requests: 2 });
  });

  test('costs only one more try', async () => {
    let requests = 0;
    const url = await serveRaw(socket => {
      socket.on('data', () => {
        if (++requests === 1) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
        else socket.resetAndDestroy();
      });
    });
    const client = createHttpClient({ local: true });
    await client.request(get(url));
    await expect(client.request(get(url))).rejects.toThrow(TransientError);
    expect(requests).toBe(3);
  });
});
