import { TransientError } from '../../shared/core/errors.ts';
import type { Delivery } from '../../shared/embedded/delivery-table.ts';
import { askedDelayMs, isAccepted } from '../../shared/embedded/http-delivery.ts';
import type { HttpSender } from '../../shared/embedded/http-send.ts';
import type { Payload } from './cloud-tasks-request.ts';

/**
 * Delivers a task as Cloud Tasks does, with its headers: only a 2xx acknowledges
 * (https://cloud.google.com/tasks/docs/creating-http-target-tasks#handler). Rejects when it must be repeated.
 */
export function createDispatcher(
  queue: string,
  sender: HttpSender,
  onDispatch: () => void,
): (delivery: Delivery) => Promise<void> {
  const queueId = queue.split('/').at(-1) ?? queue;
  /** How often a task that failed got an answer at all, and the last one. */
  const answers = new Map<number, { count: number; last: number }>();

  return async ({ id, name = String(id), payload, retryCount }) => {
    const { url, method, headers, body, deadlineMs, scheduledAt } = JSON.parse(payload) as Payload;
    const earlier = answers.get(id);
    onDispatch();
    const answer = await sender.send({
      url,
      method,
      headers: {
        ...headers,
        'user-agent': 'Google-Cloud-Tasks',
        'x-cloudtasks-queuename': queueId,
        'x-cloudtasks-taskname': name,
        'x-cloudtasks-taskretrycount': String(retryCount),
        'x-cloudtasks-taskexecutioncount': String(earlier?.count ?? 0),
        'x-cloudtasks-tasketa': (scheduledAt / 1000).toFixed(3),
        ...(earlier && { 'x-cloudtasks-taskpreviousresponse': String(earlier.last) }),
      },
      body: Buffer.from(body, 'base64'),
      timeoutMs: deadlineMs,
    });
    if (isAccepted(answer)) {
      answers.delete(id);
      return;
    }
    answers.set(id, { count: (earlier?.count ?? 0) + 1, last: answer.status });
    const retryAfterMs = askedDelayMs(answer);
    throw new TransientError(`${method} ${url}: ${answer.status}`, retryAfterMs === undefined ? {} : { retryAfterMs });
  };
}
