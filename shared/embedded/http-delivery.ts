import { Agent, type IncomingMessage, request as httpRequest } from 'node:http';
import { TransientError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { TaskInfo } from './queue.ts';
import type { PushBody } from './topic.ts';

/**
 * How the local queue and topic deliver: as Cloud Tasks and Pub/Sub do, by POST, and only a 2xx acknowledges. Everything
 * else rejects with a TransientError.
 */
export interface Poster {
  post: (url: string, body: JsonObject | PushBody) => Promise<void>;
  /** With the headers of Cloud Tasks (https://cloud.google.com/tasks/docs/creating-http-target-tasks#handler). */
  postTask: (url: string, body: JsonObject, info: TaskInfo) => Promise<void>;
  close: () => void;
}

/** The default of Cloud Tasks for one delivery. */
const TIMEOUT_MS = 10 * 60_000;
const QUEUE_NAME = 'local';

/** Built-in fetch would take three times as long as a keep-alive `http.request`. */
export function createPoster({ timeoutMs = TIMEOUT_MS } = {}): Poster {
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 256, scheduling: 'lifo' });

  async function send(url: string, body: JsonObject | PushBody, headers: Record<string, string> = {}): Promise<void> {
    const call = { url, text: JSON.stringify(body), headers, timeoutMs };
    try {
      await exchange(call, agent);
    } catch (error) {
      if (!(error instanceof StaleConnection)) throw error;
      await exchange(call, false);
    }
  }

  return {
    post: (url, body) => send(url, body),
    postTask: (url, body, { name, retryCount }) =>
      send(url, body, {
        'x-cloudtasks-queuename': QUEUE_NAME,
        'x-cloudtasks-taskname': name,
        'x-cloudtasks-taskretrycount': String(retryCount),
      }),
    close: () => agent.destroy(),
  };
}

/** The server hung up on an idle connection just as it was used again; most likely it has not seen the request. */
class StaleConnection extends Error {}

interface Call {
  url: string;
  text: string;
  headers: Record<string, string>;
  timeoutMs: number;
}

function exchange({ url, text, headers, timeoutMs }: Call, agent: Agent | false): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const failed = (error: NodeJS.ErrnoException): void =>
    reject(new TransientError(`POST ${url}: ${error.code ?? error.message}`, { cause: error }));
  const request = httpRequest(url, {
    agent,
    method: 'POST',
    timeout: timeoutMs,
    headers: { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
  });
  request.on('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)));
  request.on('error', (error: NodeJS.ErrnoException) => {
    if (request.reusedSocket && error.code === 'ECONNRESET') reject(new StaleConnection());
    else failed(error);
  });
  request.on('response', response => {
    response.on('error', failed);
    response.on('end', () => {
      const refusal = refusalOf(url, response);
      if (refusal === undefined) resolve();
      else reject(refusal);
    });
    response.resume();
  });
  request.end(text);
  return promise;
}

function refusalOf(url: string, { statusCode = 0, headers }: IncomingMessage): TransientError | undefined {
  if (statusCode >= 200 && statusCode < 300) return undefined;
  // Our functions answer in seconds, never with a date.
  const seconds = Number(headers['retry-after']);
  return new TransientError(`POST ${url}: ${statusCode}`, seconds > 0 ? { retryAfterMs: seconds * 1000 } : {});
}
