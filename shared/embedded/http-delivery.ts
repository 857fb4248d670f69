import { TransientError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import { type Answer, createHttpSender } from './http-send.ts';
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

export function createPoster({ timeoutMs = TIMEOUT_MS } = {}): Poster {
  const sender = createHttpSender();

  async function post(url: string, body: JsonObject | PushBody, headers: Record<string, string> = {}): Promise<void> {
    const answer = await sender.send({
      url,
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      timeoutMs,
    });
    if (isAccepted(answer)) return;
    const retryAfterMs = askedDelayMs(answer);
    throw new TransientError(`POST ${url}: ${answer.status}`, retryAfterMs === undefined ? {} : { retryAfterMs });
  }

  return {
    post: (url, body) => post(url, body),
    postTask: (url, body, { name, retryCount }) =>
      post(url, body, {
        'x-cloudtasks-queuename': QUEUE_NAME,
        'x-cloudtasks-taskname': name,
        'x-cloudtasks-taskretrycount': String(retryCount),
      }),
    close: sender.close,
  };
}

export function isAccepted({ status }: Answer): boolean {
  return status >= 200 && status < 300;
}

/** What `Retry-After` asks for. Our functions answer in seconds, never with a date. */
export function askedDelayMs({ headers }: Answer): number | undefined {
  const seconds = Number(headers['retry-after']);
  return seconds > 0 ? seconds * 1000 : undefined;
}
