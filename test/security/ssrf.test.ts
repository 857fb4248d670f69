import { createServer, type Socket } from 'node:net';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { createHttpClient } from '../../shared/adapters/http-client.ts';
import { InvalidArgument } from '../../shared/core/errors.ts';
import { get, resolver } from '../support/http-request.ts';
import { listen, serve } from '../support/http-server.ts';
import { DISGUISED, LOOPBACK, NAMES, NEVER, NO_ADDRESS } from './ssrf-corpus.ts';

/** An address is what it is: no resolver may be asked about it. */
const { asked, lookup } = resolver('8.8.8.8');
beforeEach(() => void asked.splice(0));

const MODES = {
  deployed: createHttpClient({ local: false, lookup }),
  local: createHttpClient({ local: true, lookup }),
};
const BOTH = Object.keys(MODES) as (keyof typeof MODES)[];

async function expectRefused(promise: Promise<unknown>, message?: string): Promise<void> {
  const error: unknown = await promise.then(
    () => expect.fail('it was called'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(InvalidArgument);
  expect(error).toMatchObject({ field: 'url' });
  if (message !== undefined) expect((error as Error).message).toContain(message);
}

describe.each(BOTH)('%s, there is no way to', mode => {
  test.each(NEVER)('%s: %s', async (_, host) => {
    const { host: normalized } = new URL(`https://${host}/`);
    for (const scheme of ['https', 'http']) {
      const url = `${scheme}://${host}/computeMetadata/v1/`;
      await expectRefused(MODES[mode].request(get(url, { allowedHosts: [host, normalized], timeoutMs: 500 })));
    }
    expect(asked).toEqual([]);
  });

  test.each(NAMES)('the name %s, which is said to be %j', async (name, addresses) => {
    const found = resolver(...addresses);
    const client = createHttpClient({ local: mode === 'local', lookup: found.lookup });
    const url = `https://${name}/`;
    await expectRefused(client.request(get(url, { timeoutMs: 500 })), 'has an address that may not be called');
    expect(found.asked).toEqual([new URL(url).hostname]);
  });

  test.each(DISGUISED)('%s when only %j is allowed', async (url, allowed) => {
    await expectRefused(MODES[mode].request(get(url, { allowedHosts: [allowed], timeoutMs: 500 })));
    expect(asked).toEqual([]);
  });

  test.each(NO_ADDRESS)('what is no web address of a host: %s', async url => {
    // Also when everything is allowed that could be meant.
    const allowedHosts = [URL.parse(url)?.host ?? '', '', 'example.com', '8.8.8.8', 'null'];
    await expectRefused(MODES[mode].request(get(url, { allowedHosts, timeoutMs: 500 })));
    expect(asked).toEqual([]);
  });
});

describe('loopback', () => {
  test.each(LOOPBACK)('is not called when deployed: %s', async host => {
    await expectRefused(MODES.deployed.request(get(`https://${host}:9/`, { timeoutMs: 500 })), 'may not be called');
  });

  test.each(['localhost', 'LOCALHOST', 'localhost.', 'sub.localhost'])(
    'is not called when deployed by the name %s',
    async name => {
      for (const address of ['127.0.0.1', '::1']) {
        const client = createHttpClient({ local: false, lookup: resolver(address).lookup });
        await expectRefused(client.request(get(`https://${name}/`, { timeoutMs: 500 })), 'may not be called');
      }
    },
  );

  test.each(['http://8.8.8.8/', 'http://localhost/', 'HTTP://example.com:443/'])(
    'is what plain http is for, and only locally: not for %s',
    async url => {
      await expectRefused(MODES.deployed.request(get(url)), 'must be https');
      const client = createHttpClient({ local: true, lookup: resolver('8.8.8.8').lookup });
      await expectRefused(client.request(get(url, { timeoutMs: 500 })), 'may not be called');
    },
  );

  test.each(['127.0.0.1', '2130706433', '0x7f.1', '127。0。0。1', 'LOCALHOST'])(
    'answers locally, so that the refusals above are no accident: %s',
    async host => {
      const server = await serve(() => ({ body: 'here' }));
      const client = createHttpClient({ local: true, lookup: resolver('127.0.0.1').lookup });
      const url = `http://${host}:${server.host.split(':')[1]}/`;
      expect(await client.request(get(url))).toMatchObject({ body: 'here' });
    },
  );
});

describe('a name that changes its mind', () => {
  /** A resolver that answers each time with the next address. */
  function fickle(...addresses: string[]) {
    const asks: string[] = [];
    return {
      asks,
      lookup: (
        host: string,
        _: object,
        callback: (error: null, found: { address: string; family: number }[]) => void,
      ) => {
        asks.push(host);
        callback(null, [{ address: addresses[asks.length - 1] ?? '8.8.8.8', family: 4 }]);
      },
    };
  }
  const portOf = (host: string) => host.split(':')[1];

  test('is asked once for a connection, which goes to the very address that was looked at', async () => {
    const server = await serve(() => ({ body: 'honest' }));
    const names = fickle('127.0.0.1', '169.254.169.254');
    const client = createHttpClient({ local: true, lookup: names.lookup });
    expect(await client.request(get(`http://rebound.test:${portOf(server.host)}/`))).toMatchObject({ body: 'honest' });
    expect(names.asks).toEqual(['rebound.test']);
  });

  test('is looked at again for the next connection', async () => {
    const server = await serve(() => ({ headers: { connection: 'close' }, body: 'honest' }));
    const names = fickle('127.0.0.1', '169.254.169.254');
    const client = createHttpClient({ local: true, lookup: names.lookup });
    const url = `http://rebound.test:${portOf(server.host)}/`;
    await client.request(get(url));
    await expectRefused(client.request(get(url, { timeoutMs: 500 })));
    expect(server.requests).toHaveLength(1);
  });

  test('is looked at again when a kept connection is reset and the call is made once more', async () => {
    const sockets: Socket[] = [];
    const server = createServer(socket => {
      sockets.push(socket.on('error', () => {}));
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
        socket.once('data', () => socket.resetAndDestroy());
      });
    });
    const host = await listen(server);
    onTestFinished(() => sockets.forEach(socket => socket.destroy()));
    const names = fickle('127.0.0.1', '10.0.0.1');
    const client = createHttpClient({ local: true, lookup: names.lookup });
    const url = `http://rebound.test:${portOf(host)}/`;
    expect(await client.request(get(url))).toMatchObject({ body: 'ok' });
    await expectRefused(client.request(get(url, { timeoutMs: 500 })));
    expect(names.asks).toHaveLength(2);
  });
});

describe('a redirect is an answer', () => {
  const LOCATIONS = [
    'http://169.254.169.254/computeMetadata/v1/',
    'https://metadata.google.internal/',
    '//169.254.169.254/',
    'file:///etc/passwd',
  ];

  test.each([300, 301, 302, 303, 305, 307, 308])('and leads nowhere: %i', async status => {
    const inside = await serve(() => ({ body: 'inside' }));
    for (const location of [...LOCATIONS, `${inside.url}/`, '/again']) {
      const headers = { location, refresh: `0; url=${inside.url}/`, link: `<${inside.url}/>; rel=next` };
      const outside = await serve(() => ({ status, headers }));
      for (const method of ['GET', 'POST']) {
        const allowedHosts = [outside.host, inside.host];
        const answer = await MODES.local.request(get(`${outside.url}/`, { method, allowedHosts }));
        expect(answer).toMatchObject({ status, headers: { location } });
      }
      expect(outside.requests).toHaveLength(2);
    }
    expect(inside.requests).toEqual([]);
  });
});
