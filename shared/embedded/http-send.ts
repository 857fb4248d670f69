import { Agent, type IncomingHttpHeaders, request as httpRequest } from 'node:http';
import { TransientError } from '../core/errors.ts';

export interface Outgoing {
  url: string;
  method: string;
  headers: Record<string, string>;
  body: string | Buffer;
  /** Until the answer is complete. */
  timeoutMs: number;
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
}

export interface HttpSender {
  /** Resolves with any complete answer; rejects with TransientError when there is none. */
  send: (outgoing: Outgoing) => Promise<Answer>;
  close: () => void;
}

/** Built-in fetch would take three times as long as a keep-alive `http.request`. */
export function createHttpSender(): HttpSender {
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 256, scheduling: 'lifo' });
  return {
    async send(outgoing) {
      try {
        return await exchange(outgoing, agent);
      } catch (error) {
        if (!(error instanceof StaleConnection)) throw error;
        return exchange(outgoing, false);
      }
    },
    close: () => agent.destroy(),
  };
}

/** The server hung up on an idle connection just as it was used again; most likely it has not seen the request. */
class StaleConnection extends Error {}

function exchange({ url, method, headers, body, timeoutMs }: Outgoing, agent: Agent | false): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const failed = (error: NodeJS.ErrnoException): void => {
    clearTimeout(timeout);
    reject(new TransientError(`${method} ${url}: ${error.code ?? error.message}`, { cause: error }));
  };
  const request = httpRequest(url, {
    agent,
    method,
    headers: { ...headers, 'content-length': Buffer.byteLength(body) },
  });
  const timeout = setTimeout(() => request.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  request.on('error', (error: NodeJS.ErrnoException) => {
    if (request.reusedSocket && error.code === 'ECONNRESET') reject(new StaleConnection());
    failed(error);
  });
  request.on('response', response => {
    response.on('error', failed);
    response.on('end', () => {
      clearTimeout(timeout);
      resolve({ status: response.statusCode ?? 0, headers: response.headers });
    });
    response.resume();
  });
  request.end(body);
  return promise;
}
