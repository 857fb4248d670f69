import type { IncomingMessage, ServerResponse } from 'node:http';
import { isLoopback } from '../shared/adapters/outbound-policy.ts';
import { ApiError, InvalidArgument } from '../shared/core/errors.ts';
import { isJsonObject, type JsonObject, parseJson } from '../shared/core/json.ts';
import type { Log } from '../shared/core/ports.ts';
import { readBody } from './body.ts';
import { errorReply } from './respond.ts';

/** A function as functions-framework and node:http both call it. */
export type HttpFunction = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

export interface Call {
  /** The `{name}`s of the route's path, URL-decoded. */
  params: Readonly<Record<string, string>>;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  /** The body as text; '' when there is none. */
  text: string;
  /** The body as a JSON object. Throws InvalidArgument. */
  json(): JsonObject;
  /** A signal that aborts when the caller has gone away. Made on demand, since few need it. */
  signal(): AbortSignal;
}

export interface Reply {
  status: number;
  body: unknown;
}

export interface Route {
  method: 'GET' | 'POST';
  /** As in google.api.http: `/v1/quests/{quest}/attempts/{attempt}:wait`. A variable matches within one segment, without `:`. */
  path: string;
  /** In bytes; 1 MiB unless given. */
  maxBodyBytes?: number;
  /** Answers for a body that is too large, for callers that would repeat for days what is refused. */
  oversized?(): Reply;
  handle(call: Call): Promise<Reply>;
}

export interface ServeOptions {
  log: Log;
  /** On one machine, web pages and neighbours could reach these ports: then only loopback peers, Hosts and Origins are answered. */
  local: boolean;
}

const DEFAULT_MAX_BODY_BYTES = 1024 * 1024;

export function ok(body: unknown): Reply {
  return { status: 200, body };
}

/** Serves a table of routes. Every answer is JSON; every error goes through respond.ts. */
export function serveRoutes(routes: readonly Route[], { log, local }: ServeOptions): HttpFunction {
  const table = routes.map(route => ({ route, pattern: compile(route.path) }));

  async function answer(request: IncomingMessage, signal: Call['signal']): Promise<Reply> {
    if (local) refuseForeign(request);
    const { pathname, query } = splitUrl(request.url ?? '/');
    const matches = table.flatMap(({ route, pattern }) => {
      const match = pattern.exec(pathname);
      return match ? [{ route, params: match.groups ?? {} }] : [];
    });
    const match = matches.find(({ route }) => route.method === request.method);
    if (match === undefined) {
      if (matches.length === 0) throw new ApiError('NOT_FOUND', `there is nothing at ${pathname}`);
      const allowed = matches.map(({ route }) => route.method).join(', ');
      throw new ApiError('METHOD_NOT_ALLOWED', `${pathname} takes ${allowed}, not ${request.method}`);
    }
    const { route } = match;
    let text = '';
    try {
      if (route.method !== 'GET') text = await readBody(request, route.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES);
    } catch (error) {
      if (route.oversized && error instanceof ApiError && error.status === 'PAYLOAD_TOO_LARGE')
        return route.oversized();
      throw error;
    }
    return route.handle({
      params: decodeParams(match.params),
      query,
      headers: request.headers,
      text,
      json: () => parseObject(text),
      signal,
    });
  }

  return async (request, response) => {
    let reply: Reply;
    try {
      reply = await answer(request, () => untilClosed(response));
    } catch (error) {
      reply = errorReply(error, log);
    }
    if (response.destroyed) return;
    const body = Buffer.from(`${JSON.stringify(reply.body)}\n`);
    // What was not read of a refused body would be taken for the next request.
    const close = request.complete ? {} : { connection: 'close' };
    response.writeHead(reply.status, { 'content-type': 'application/json', 'content-length': body.length, ...close });
    response.end(body);
  };
}

function untilClosed(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  if (response.destroyed) gone.abort();
  else response.once('close', () => gone.abort());
  return gone.signal;
}

/** The token of `Authorization: Bearer <token>`. Throws UNAUTHENTICATED. */
export function bearerToken({ headers }: Pick<Call, 'headers'>): string {
  const token = /^Bearer ([\x21-\x7e]{1,4096})$/i.exec(headers.authorization ?? '')?.[1];
  if (token === undefined)
    throw new ApiError('UNAUTHENTICATED', 'the header "Authorization: Bearer <token>" is missing');
  return token;
}

function compile(path: string): RegExp {
  const pattern = path.replaceAll(/[.]/g, String.raw`\.`).replaceAll(/\{(\w+)\}/g, '(?<$1>[^/:]+)');
  return new RegExp(`^${pattern}$`);
}

function splitUrl(url: string): { pathname: string; query: URLSearchParams } {
  const [pathname = '/', ...query] = url.split('?');
  return { pathname, query: new URLSearchParams(query.join('?')) };
}

function decodeParams(params: Record<string, string>): Record<string, string> {
  try {
    return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, decodeURIComponent(value)]));
  } catch {
    throw new InvalidArgument('path', 'is not a valid URL encoding');
  }
}

function parseObject(text: string): JsonObject {
  const value = parseJson(text);
  if (value === undefined && text !== '') throw new InvalidArgument('body', 'is not valid JSON');
  if (!isJsonObject(value)) throw new InvalidArgument('body', 'must be a JSON object');
  return value;
}

const LOOPBACK = /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/i;

function refuseForeign({ headers, socket }: IncomingMessage): void {
  // functions-framework listens on all addresses of the machine.
  const peer = socket.remoteAddress?.replace(/^::ffff:/, '') ?? '';
  if (!isLoopback(peer)) throw new ApiError('PERMISSION_DENIED', 'only this machine is served');
  if (!LOOPBACK.test(headers.host ?? '')) throw new ApiError('PERMISSION_DENIED', 'Host: only this machine is served');
  const { origin } = headers;
  if (origin !== undefined && !(origin.startsWith('http://') && LOOPBACK.test(origin.slice('http://'.length)))) {
    throw new ApiError('PERMISSION_DENIED', 'Origin: only pages of this machine are served');
  }
}
