import { afterEach, describe, expect, test } from 'vitest';
import { TransientError } from '../../shared/core/errors.ts';
import type { JsonObject } from '../../shared/core/json.ts';
import type { Queue, QueueTask } from '../../shared/core/ports.ts';
import { createInbox } from '../support/inbox.ts';

export interface DeliveredTask {
  path: string;
  body: JsonObject;
  retryCount: number;
}

export interface QueueFixture {
  queue: Queue;
  /** Tasks that will still be delivered or are being delivered. */
  pending(): Promise<number>;
  close(): Promise<void>;
}

export interface QueueSetup {
  /** What the backend delivers to; a rejection means that the task is not acknowledged. */
  deliver(task: DeliveredTask): Promise<void>;
  maxAttempts: number;
}

/** What every implementation of the Queue port must do. Fixtures choose short backoffs. */
export function queueContract(backend: string, createFixture: (setup: QueueSetup) => Promise<QueueFixture>): void {
  describe(`queue contract: ${backend}`, () => {
    let close: () => Promise<void>;
    afterEach(() => close());

    async function open({ maxAttempts = 10, deliver = async (_task: DeliveredTask) => {} } = {}) {
      const inbox = createInbox<DeliveredTask>();
      const fixture = await createFixture({
        maxAttempts,
        deliver(task) {
          inbox.add(task);
          return deliver(task);
        },
      });
      close = fixture.close;
      const drained = () => expect.poll(fixture.pending, { timeout: 20_000 }).toBe(0);
      return { queue: fixture.queue, inbox, drained };
    }

    const taskOf = (n: number, more: Partial<QueueTask> = {}): QueueTask => ({
      path: 'wake',
      body: { n },
      shard: n % 16,
      ...more,
    });

    test('a task is delivered with its path and body', async () => {
      const { queue, inbox } = await open();
      const body = { id: 'q|1|1', text: 'grüße 👋', deep: { list: [1, null] } };
      await queue.enqueue({ path: 'distributor/web.pool-1', body, shard: 5 });
      expect(await inbox.first()).toEqual({ path: 'distributor/web.pool-1', body, retryCount: 0 });
    });

    test('each of many tasks is delivered', async () => {
      const { queue, inbox } = await open();
      const numbers = Array.from({ length: 200 }, (_, n) => n);
      await Promise.all(numbers.map(n => queue.enqueue(taskOf(n))));
      await inbox.until(tasks => new Set(tasks.map(({ body }) => body.n)).size === numbers.length);
    });

    test('a task with a time is not delivered before it, and holds up no other', async () => {
      const deliveredAt: number[] = [];
      const { queue, inbox } = await open({ deliver: async () => void deliveredAt.push(Date.now()) });
      const at = Date.now() + 700;
      await queue.enqueue(taskOf(1, { at }));
      await queue.enqueue(taskOf(2));
      await inbox.until(tasks => tasks.some(({ body }) => body.n === 1));
      const scheduled = inbox.items.findIndex(({ body }) => body.n === 1);
      expect(deliveredAt[scheduled]).toBeGreaterThanOrEqual(at);
      expect(inbox.items[0]?.body).toEqual({ n: 2 });
    });

    test('a time in the past means now', async () => {
      const { queue, inbox } = await open();
      await queue.enqueue(taskOf(1, { at: Date.now() - 60_000 }));
      await inbox.first();
    });

    test('what fails is delivered again with a rising count until it succeeds', async () => {
      const { queue, inbox, drained } = await open({
        deliver: async ({ retryCount }) => {
          if (retryCount < 3) throw new TransientError('not yet');
        },
      });
      await queue.enqueue(taskOf(1));
      await inbox.until(tasks => tasks.some(({ retryCount }) => retryCount === 3));
      await drained();
      const counts = inbox.items.map(({ retryCount }) => retryCount);
      expect(counts).toEqual(counts.toSorted((a, b) => a - b));
      expect(new Set(counts)).toEqual(new Set([0, 1, 2, 3]));
    });

    test('what fails holds up no other', async () => {
      const { queue, inbox } = await open({
        deliver: async ({ body, retryCount }) => {
          if (body.n === 1 && retryCount < 2) throw new TransientError('not yet');
        },
      });
      await queue.enqueue(taskOf(1));
      await queue.enqueue(taskOf(2));
      await inbox.until(tasks => tasks.some(({ body }) => body.n === 2));
      await inbox.until(tasks => tasks.some(({ body, retryCount }) => body.n === 1 && retryCount === 2));
    });

    test('what never succeeds is given up, and what comes after it is delivered', async () => {
      const { queue, inbox, drained } = await open({
        maxAttempts: 3,
        deliver: async ({ body }) => {
          if (body.n === 1) throw new Error('never');
        },
      });
      await queue.enqueue(taskOf(1));
      await inbox.until(tasks => tasks.length === 3);
      await drained();
      await queue.enqueue(taskOf(2));
      await inbox.until(tasks => tasks.some(({ body }) => body.n === 2));
      expect(inbox.items.filter(({ body }) => body.n === 1).map(({ retryCount }) => retryCount)).toEqual([0, 1, 2]);
    });

    test('of tasks with the same name only the first is delivered, also when it is already done', async () => {
      const { queue, inbox, drained } = await open();
      const name = 'q-1-r7';
      const shard = 5;
      await queue.enqueue(taskOf(1, { name, shard }));
      await queue.enqueue(taskOf(2, { name, shard }));
      await drained();
      await queue.enqueue(taskOf(3, { name, shard }));
      await queue.enqueue(taskOf(4, { name: 'q-1-r8' }));
      await queue.enqueue(taskOf(5));
      await drained();
      expect(new Set(inbox.items.map(({ body }) => body.n))).toEqual(new Set([1, 4, 5]));
    });

    test('of 16 tasks with the same name enqueued together one is delivered', async () => {
      const { queue, inbox, drained } = await open();
      await Promise.all(Array.from({ length: 16 }, (_, n) => queue.enqueue(taskOf(n, { name: 'same', shard: 5 }))));
      await drained();
      expect(new Set(inbox.items.map(({ body }) => body.n)).size).toBe(1);
    });
  });
}
