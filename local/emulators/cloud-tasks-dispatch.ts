import { messageOf, TransientError } from '../../shared/core/errors.ts';
import type { Delivery } from '../../shared/embedded/delivery-table.ts';
import { askedDelayMs, isAccepted } from '../../shared/embedded/http-delivery.ts';
import type { Answer, HttpSender } from '../../shared/embedded/http-send.ts';
import { type QueueConfig, retryIntervalMs } from './cloud-tasks-config.ts';
import type { RateLimiter } from './cloud-tasks-rate.ts';
import type { Payload } from './cloud-tasks-request.ts';

export interface DispatcherOptions {
  /** Its full name. */
  queue: string;
  config: QueueConfig;
  sender: HttpSender;
  limiter: RateLimiter;
  onDispatch: () => void;
}

/** What the headers of a retry tell of the attempts before it. */
interface Earlier {
  /** Answers without those of 5xx. */
  executions: number;
  /** The last one; absent when there was none. */
  status?: number;
}

/** These slow the whole queue down (google/cloud/tasks/v2/target.proto, HttpRequest). */
const OVERLOADED = new Set([429, 503]);

/**
 * Delivers a task as Cloud Tasks does, with its headers: only a 2xx acknowledges
 * (https://cloud.google.com/tasks/docs/creating-http-target-tasks#handler). Rejects when it must be repeated.
 */
export function createDispatcher(options: DispatcherOptions): (delivery: Delivery) => Promise<void> {
  const { queue, config, sender, limiter, onDispatch } = options;
  const queueId = queue.split('/').at(-1) ?? queue;
  const failed = new Map<number, Earlier>();

  async function send({ payload, retryCount }: Delivery, earlier: Earlier): Promise<Answer> {
    const { id, url, method, headers, body, deadlineMs, scheduledAt } = JSON.parse(payload) as Payload;
    await limiter.turn();
    onDispatch();
    return sender.send({
      url,
      method,
      headers: {
        ...headers,
        'user-agent': 'Google-Cloud-Tasks',
        'x-cloudtasks-queuename': queueId,
        'x-cloudtasks-taskname': id,
        'x-cloudtasks-taskretrycount': String(retryCount),
        'x-cloudtasks-taskexecutioncount': String(earlier.executions),
        'x-cloudtasks-tasketa': (scheduledAt / 1000).toFixed(3),
        ...(earlier.status !== undefined && { 'x-cloudtasks-taskpreviousresponse': String(earlier.status) }),
      },
      body: Buffer.from(body, 'base64'),
      timeoutMs: deadlineMs,
    });
  }

  function failure(delivery: Delivery, message: string, askedMs = 0): TransientError {
    const retry = delivery.retryCount + 1;
    if (retry === config.maxAttempts) failed.delete(delivery.id);
    return new TransientError(message, { retryAfterMs: Math.max(retryIntervalMs(config, retry), askedMs) });
  }

  return async delivery => {
    const earlier = failed.get(delivery.id) ?? { executions: 0 };
    let answer: Answer;
    try {
      answer = await send(delivery, earlier);
    } catch (error) {
      failed.set(delivery.id, { executions: earlier.executions });
      throw failure(delivery, messageOf(error));
    }
    if (isAccepted(answer)) {
      limiter.recover();
      failed.delete(delivery.id);
      return;
    }
    const { status } = answer;
    if (OVERLOADED.has(status)) limiter.slowDown();
    failed.set(delivery.id, { executions: earlier.executions + (status < 500 ? 1 : 0), status });
    throw failure(delivery, `the target answered ${status}`, askedDelayMs(answer));
  };
}
