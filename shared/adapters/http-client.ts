import { type LookupAddress, type LookupAllOptions, lookup as systemLookup } from 'node:dns';
import * as http from 'node:http';
import * as https from 'node:https';
import type { LookupFunction } from 'node:net';
import { InvalidArgument, TransientError } from '../core/errors.ts';
import type { HttpClient, HttpRequest, HttpResponse } from './contract.ts';
import { isAllowedHost, isLoopback, isPublic, literalAddress } from './outbound-policy.ts';

export interface HttpClientOptions {
  /** Whether loopback may be called, also without TLS. */
  local: boolean;
  /** How names are resolved; the system's way when absent. */
  lookup?: Lookup;
}

type Lookup = (
  host: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/** Headers that decide who is asked and where a message ends; setting them would lead past the checks. */
const RESERVED_HEADERS = new Set(['host', 'connection', 'content-length', 'transfer-encoding', 'upgrade', 'expect']);

/** Idle connections are closed before most servers do it, so that few requests meet a closed one. */
const KEEP_ALIVE = { keepAlive: true, timeout: 4000, maxFreeSockets: 256 };

/** The HTTP client of the adapters. Safe against a quest that wants to reach what only we can reach. */
export function createHttpClient({ local, lookup = systemLookup }: HttpClientOptions): HttpClient {
  const isPermitted = {
    'http:': (address: string) => local && isLoopback(address),
    'https:': (address: string) => isPublic(address) || (local && isLoopback(address)),
  };
  const transports: Record<keyof typeof isPermitted, Transport> = {
    'http:': {
      send: http.request,
      agent: new http.Agent(KEEP_ALIVE),
      lookup: guardedLookup(lookup, isPermitted['http:']),
    },
    'https:': {
      send: https.request,
      agent: new https.Agent(KEEP_ALIVE),
      lookup: guardedLookup(lookup, isPermitted['https:']),
    },
  };

  /** What can be known of a URL before its name is resolved. */
  function check(request: HttpRequest): { url: URL; transport: Transport } {
    const url = URL.parse(request.url);
    if (!url) throw new InvalidArgument('url', 'must be an absolute URL');
    const { protocol } = url;
    if (protocol !== 'https:' && !(local && protocol === 'http:')) throw new InvalidArgument('url', 'must be https');
    if (url.username !== '' || url.password !== '') throw new InvalidArgument('url', 'must not hold credentials');
    if (!isAllowedHost(url, request.allowedHosts))
      throw new InvalidArgument('url', `host ${url.host} is not among the allowed hosts`);
    const address = literalAddress(url);
    if (address !== undefined && !isPermitted[protocol](address)) throw forbiddenAddress(url.hostname);
    for (const name of Object.keys(request.headers ?? {}))
      if (RESERVED_HEADERS.has(name.toLowerCase())) throw new InvalidArgument(`headers.${name}`, 'must not be set');
    return { url, transport: transports[protocol] };
  }

  return {
    async request(request) {
      const { url, transport } = check(request);
      const deadline = performance.now() + request.timeoutMs;
      try {
        return await exchange(transport, url, request, request.timeoutMs);
      } catch (error) {
        if (!(error instanceof StaleConnection)) throw error;
        if (request.once === true) throw failureOf(request.method, url, 'ECONNRESET');
        return exchange({ ...transport, agent: false }, url, request, deadline - performance.now());
      }
    },
  };
}

/** The query may hold secrets, and so may the text of an error. */
function failureOf(method: string, url: URL, what: string): TransientError {
  return new TransientError(`${method} ${url.origin}${url.pathname}: ${what}`);
}

interface Transport {
  send: typeof http.request;
  agent: http.Agent | false;
  lookup: LookupFunction;
}

/**
 * A kept connection was reset before an answer came. Most likely the server had closed it and saw no request, but that is
 * not certain: what must not happen twice carries an idempotency key, or is sent `once`.
 */
class StaleConnection extends Error {}

function exchange(
  { send, agent, lookup }: Transport,
  url: URL,
  { method, headers, body, maxBytes }: HttpRequest,
  timeoutMs: number,
): Promise<HttpResponse> {
  const { promise, resolve, reject } = Promise.withResolvers<HttpResponse>();
  const failure = (what: string) => failureOf(method, url, what);
  // Said by us: after DELETE, Node would send the body without its length, as the beginning of another request.
  const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
  const outgoing = start(() => send(url, { method, headers: { ...headers, ...length }, agent, lookup }));

  const timer = setTimeout(() => {
    reject(failure(`no answer within ${Math.round(timeoutMs)} ms`));
    outgoing.destroy();
  }, timeoutMs);
  outgoing.on('error', (error: NodeJS.ErrnoException) => {
    if (error instanceof InvalidArgument) reject(error);
    else if (outgoing.reusedSocket && error.code === 'ECONNRESET') reject(new StaleConnection());
    else reject(failure(error.code ?? error.name));
  });
  outgoing.on('response', response => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const answer = (truncated: boolean): void =>
      resolve({
        status: response.statusCode ?? 0,
        headers: flatten(response.headers),
        body: decode(Buffer.concat(chunks), truncated),
        truncated,
      });
    response.on('data', (chunk: Buffer) => {
      chunks.push(chunk.subarray(0, maxBytes - bytes));
      bytes += chunk.length;
      if (bytes <= maxBytes) return;
      answer(true);
      outgoing.destroy();
    });
    response.on('end', () => answer(false));
    response.on('error', (error: NodeJS.ErrnoException) => reject(failure(error.code ?? error.name)));
  });
  outgoing.end(body);
  return promise.finally(() => clearTimeout(timer));
}

/** Node refuses a method or header that would break the message; its own text would show the value. */
function start(send: () => http.ClientRequest): http.ClientRequest {
  try {
    return send();
  } catch {
    throw new InvalidArgument('headers', 'hold something that HTTP does not allow');
  }
}

/**
 * Looks at the very addresses that will be connected to, so that a name which changes between two look-ups gains nothing.
 * One bad address refuses them all: an honest name has none.
 */
function guardedLookup(lookup: Lookup, isPermitted: (address: string) => boolean): LookupFunction {
  return (host, options, callback) => {
    lookup(host, { ...options, all: true }, (error, addresses) => {
      const [first] = addresses ?? [];
      if (error) callback(error, '');
      else if (!first || !addresses.every(({ address }) => isPermitted(address))) callback(forbiddenAddress(host), '');
      else if (options.all) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

function forbiddenAddress(host: string): InvalidArgument {
  return new InvalidArgument('url', `host ${host} has an address that may not be called`);
}

/** A character that the cut went through is left out. */
function decode(bytes: Buffer, truncated: boolean): string {
  return new TextDecoder().decode(bytes, { stream: truncated });
}

function flatten(headers: http.IncomingHttpHeaders): HttpResponse['headers'] {
  const { 'set-cookie': cookies, ...single } = headers;
  return cookies ? { ...single, 'set-cookie': cookies.join(', ') } : (single as HttpResponse['headers']);
}
