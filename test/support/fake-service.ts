import type { z } from 'zod';
import { isJsonObject, type JsonObject, parseJson } from '../../shared/core/json.ts';
import { createHttpClient } from '../../shared/adapters/http-client.ts';
import type { HttpClient } from '../../shared/adapters/contract.ts';
import type { Answer, ReceivedRequest, Serve, TestServer } from './plain-server.ts';

/** What fakes of executors have in common: routes, strictness about unknown fields, and the ways in which a service fails. */

export interface FakeCall {
  /** By the names in the route. */
  params: Record<string, string>;
  query: URLSearchParams;
  headers: ReceivedRequest['headers'];
  body: JsonObject;
}

/** `METHOD /path/{name}` → what it answers. `{name}` takes no slash and, before a verb, no colon; `{name+}` takes slashes. */
export type FakeRoutes = Readonly<Record<string, (call: FakeCall) => Answer | object>>;

/**
 * How a call goes wrong. `lost`: the service did it, and its answer never came; `silent`: neither did it, and the
 * connection stays open; an Answer replaces what the service would say, which it does not do.
 */
export type Fault = 'lost' | 'silent' | Answer;

export interface FakeService extends TestServer {
  /** The next calls whose `METHOD path` fits go wrong like this, one after the other. */
  fail(pattern: RegExp, ...faults: Fault[]): void;
}

/** Thrown by routes: the answer is an error as Google's APIs write it (https://google.aip.dev/193). */
export class FakeError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export type ErrorWriter = (error: FakeError) => Answer;

const googleError: ErrorWriter = ({ status, code, message }) => ({
  status,
  body: { error: { code: status, status: code, message } },
});

/** Until the test ends, unless `serveWith` says otherwise: outside of a test there is none. */
export async function serveFake(
  routes: FakeRoutes,
  writeError: ErrorWriter = googleError,
  serveWith?: Serve,
): Promise<FakeService> {
  const serve = serveWith ?? (await import('./http-server.ts')).serve;
  const table = Object.entries(routes).map(([route, handle]) => ({ ...compile(route), handle }));
  const faults: { pattern: RegExp; fault: Fault }[] = [];

  function respond(request: ReceivedRequest): Answer {
    const url = new URL(request.path, 'http://fake');
    for (const { method, path, names, handle } of table) {
      const found = method === request.method ? path.exec(url.pathname) : null;
      if (found === null) continue;
      const params = Object.fromEntries(names.map((name, i) => [name, decodeURIComponent(found[i + 1] ?? '')]));
      const body = request.body === '' ? {} : parseJson(request.body);
      if (!isJsonObject(body)) throw new FakeError(400, 'INVALID_ARGUMENT', 'the body is not a JSON object');
      const answer = handle({ params, query: url.searchParams, headers: request.headers, body });
      return isAnswer(answer) ? answer : { body: answer };
    }
    throw new FakeError(404, 'NOT_FOUND', `fake: no route ${request.method} ${url.pathname}`);
  }

  function answerOf(request: ReceivedRequest): Answer {
    try {
      return respond(request);
    } catch (error) {
      if (error instanceof FakeError) return writeError(error);
      throw error;
    }
  }

  const server = await serve(request => {
    const index = faults.findIndex(({ pattern }) => pattern.test(`${request.method} ${request.path}`));
    const fault = index < 0 ? undefined : faults.splice(index, 1)[0]?.fault;
    if (fault === 'silent') return { cut: 'silent' };
    if (fault !== undefined && fault !== 'lost') return fault;
    const answer = answerOf(request);
    return fault === 'lost' ? { cut: 'reset' } : answer;
  });
  return {
    ...server,
    fail: (pattern, ...next) => void faults.push(...next.map(fault => ({ pattern, fault }))),
  };
}

const ANSWER_KEYS = new Set(['status', 'headers', 'body', 'cut']);

/** Handlers may answer with the JSON alone, unless it looks like an answer. */
function isAnswer(value: object): value is Answer {
  const keys = Object.keys(value);
  return (
    ('status' in value ? typeof value.status === 'number' : 'body' in value) && keys.every(key => ANSWER_KEYS.has(key))
  );
}

function compile(route: string): { method: string; path: RegExp; names: string[] } {
  const [method = '', template = ''] = route.split(' ');
  const names = Array.from(template.matchAll(/\{(\w+)\+?\}/g), ([, name]) => name ?? '');
  const source = template
    .replaceAll(/[.$()]/g, String.raw`\$&`)
    .replaceAll(/\{\w+\+\}/g, '(.+?)')
    .replaceAll(/\{\w+\}/g, '([^/:]+)');
  return { method, path: new RegExp(`^${source}$`), names };
}

/** What a strict API says of a body: unknown fields are refused. */
export function strictBody<T>(schema: z.ZodType<T>, { body }: FakeCall): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const { path = [], message = '' } = parsed.error.issues[0] ?? {};
  throw new FakeError(400, 'INVALID_ARGUMENT', `Invalid JSON payload received: ${path.join('.')}: ${message}`);
}

/** The adapters' client, with time-outs that a test can wait for. */
export const impatientHttp: HttpClient = (({ request }) => ({
  request: call => request({ ...call, timeoutMs: Math.min(call.timeoutMs, 2000) }),
}))(createHttpClient({ local: true }));
