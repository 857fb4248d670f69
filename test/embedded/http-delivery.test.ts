import { createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { TransientError } from '../../shared/core/errors.ts';
import { createPoster } from '../../shared/embedded/http-delivery.ts';
import { listen, serve } from '../support/http-server.ts';

function openPoster(options?: { timeoutMs: number }) {
  const poster = createPoster(options);
  onTestFinished(poster.close);
  return poster;
}

async function failureOf(posting: Promise<void>): Promise<TransientError> {
  const error: unknown = await posting.then(
    () => undefined,
    reason => reason,
  );
  expect(error).toBeInstanceOf(TransientError);
  return error as TransientError;
}

/** A server that answers by hand: `answer` gets each chunk with the number of its connection. */
async function rawServer(answer: (socket: Socket, connection: number, request: number) => void) {
  let connections = 0;
  const server = createServer(socket => {
    const connection = ++connections;
    let requests = 0;
    socket.on('error', () => {});
    socket.on('data', () => answer(socket, connection, ++requests));
    onTestFinished(() => void socket.destroy());
  });
  return { url: `http://${await listen(server)}/`, connections: () => connections };
}
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nok';

test('a body is posted as JSON', async () => {
  const server = await serve(() => ({ status: 204 }));
  await openPoster().post(`${server.url}/path?query=1`, { text: 'grüße' });
  expect(server.requests).toMatchObject([
    {
      method: 'POST',
      path: '/path?query=1',
      headers: { 'content-type': 'application/json', 'content-length': '18' },
      body: '{"text":"grüße"}',
    },
  ]);
});

test('a task has the headers of Cloud Tasks', async () => {
  const server = await serve(() => ({}));
  await openPoster().postTask(`${server.url}/run`, {}, { name: 'task-1', retryCount: 3 });
  expect(server.requests[0]?.headers).toMatchObject({
    'x-cloudtasks-queuename': 'local',
    'x-cloudtasks-taskname': 'task-1',
    'x-cloudtasks-taskretrycount': '3',
  });
});

test.each([200, 201, 202, 204, 299])('%i acknowledges', async status => {
  const server = await serve(() => ({ status }));
  await openPoster().post(server.url, {});
});

test.each([302, 400, 404, 409, 429, 500, 503])('%i is a transient error that names it', async status => {
  const server = await serve(() => ({ status, headers: { location: '/elsewhere' }, body: 'nothing to be shown' }));
  const error = await failureOf(openPoster().post(server.url, {}));
  expect(error.message).toContain(String(status));
  expect(error.message).not.toContain('shown');
  expect(error.retryAfterMs).toBeUndefined();
  expect(server.requests).toHaveLength(1);
});

test.each([
  ['7', 7000],
  ['soon', undefined],
  ['-1', undefined],
])('Retry-After %j asks for %j ms', async (header, retryAfterMs) => {
  const server = await serve(() => ({ status: 503, headers: { 'retry-after': header } }));
  expect((await failureOf(openPoster().post(server.url, {}))).retryAfterMs).toBe(retryAfterMs);
});

test('connections are kept', async () => {
  const server = await rawServer(socket => socket.write(OK));
  const poster = openPoster();
  for (let n = 0; n < 5; n++) await poster.post(server.url, {});
  expect(server.connections()).toBe(1);
});

test('a request is sent again when the kept connection turns out to be reset', async () => {
  const server = await rawServer((socket, connection, request) => {
    if (connection === 1 && request === 2) socket.resetAndDestroy();
    else socket.write(OK);
  });
  const poster = openPoster();
  await poster.post(server.url, {});
  await poster.post(server.url, {});
  expect(server.connections()).toBe(2);
});

test('it is sent again on a new connection, because the other kept ones are likely dead, too', async () => {
  let resets = 0;
  const server = await rawServer((socket, connection, request) => {
    if (connection > 2 || request === 1) {
      socket.write(OK);
    } else {
      resets++;
      socket.resetAndDestroy();
    }
  });
  const poster = openPoster();
  await Promise.all([poster.post(server.url, {}), poster.post(server.url, {})]);
  expect(server.connections()).toBe(2);
  await poster.post(server.url, {});
  expect({ connections: server.connections(), resets }).toEqual({ connections: 3, resets: 1 });
});

test('it is sent again only once', async () => {
  const server = await rawServer((socket, connection, request) => {
    if (connection === 1 && request === 1) socket.write(OK);
    else socket.resetAndDestroy();
  });
  const poster = openPoster();
  await poster.post(server.url, {});
  expect((await failureOf(poster.post(server.url, {}))).message).toContain('ECONNRESET');
  expect(server.connections()).toBe(2);
});

test('a reset of a new connection is a transient error at once', async () => {
  const server = await rawServer(socket => socket.resetAndDestroy());
  expect((await failureOf(openPoster().post(server.url, {}))).message).toContain('ECONNRESET');
  expect(server.connections()).toBe(1);
});

test('an answer that breaks off is a transient error', async () => {
  const server = await rawServer(socket => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf');
    socket.end();
  });
  await failureOf(openPoster().post(server.url, {}));
});

test('one that breaks off on a kept connection is not asked for again: the request was seen', async () => {
  const server = await rawServer((socket, _connection, request) => {
    if (request === 1) socket.write(OK);
    else socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf');
  });
  const poster = openPoster();
  await poster.post(server.url, {});
  await failureOf(poster.post(server.url, {}));
  expect(server.connections()).toBe(1);
});

test('no answer in time is a transient error', async () => {
  const server = await rawServer(() => {});
  const error = await failureOf(openPoster({ timeoutMs: 50 }).post(server.url, {}));
  expect(error.message).toContain('no answer within 50 ms');
});

test('a port where nobody listens is a transient error', async () => {
  expect((await failureOf(openPoster().post('http://127.0.0.1:1/', {}))).message).toContain('ECONNREFUSED');
});
