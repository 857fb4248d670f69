import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HttpFunction } from '../functions/http.ts';

export interface Request {
  method: 'GET' | 'POST';
  path: string;
  /** JSON. */
  body?: unknown;
  bearer?: string;
  headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  status: number;
  body: unknown;
}

/** Calls a function's handler without a socket: with all of a request that handlers look at, and no event loop between. */
export async function callFunction(handler: HttpFunction, request: Request): Promise<Answer> {
  const bytes = request.body === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(request.body));
  const incoming = {
    method: request.method,
    url: request.path,
    complete: true,
    headers: {
      ...(bytes.length > 0 && { 'content-type': 'application/json', 'content-length': String(bytes.length) }),
      ...(request.bearer !== undefined && { authorization: `Bearer ${request.bearer}` }),
      ...request.headers,
    },
    async *[Symbol.asyncIterator]() {
      yield bytes;
    },
  };
  const answer: Answer = { status: 0, body: undefined };
  const outgoing = {
    destroyed: false,
    once: () => outgoing,
    writeHead(status: number) {
      answer.status = status;
      return outgoing;
    },
    end(text: Buffer) {
      answer.body = JSON.parse(text.toString());
    },
  };
  await handler(incoming as unknown as IncomingMessage, outgoing as unknown as ServerResponse);
  return answer;
}
