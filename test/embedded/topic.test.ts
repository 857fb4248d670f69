import { expect, test } from 'vitest';
import { createQueue } from '../../shared/embedded/queue.ts';
import { createTopic, type PushBody } from '../../shared/embedded/topic.ts';
import { topicContract } from '../contracts/topic.ts';
import { createInbox } from '../support/inbox.ts';
import { manualClock } from '../support/services.ts';
import { databasePath, fastDelivery, freshDatabase } from '../support/sqlite.ts';

const NAMES = { name: 'projects/local/topics/updates', subscription: 'projects/local/subscriptions/notify' };

topicContract('SQLite', async deliver => {
  const database = freshDatabase();
  const topic = createTopic(database, { ...fastDelivery(), ...NAMES, deliver });
  topic.start();
  return {
    topic,
    async close() {
      await topic.stop(5000);
      database.close();
    },
  };
});

test('the push body is what Pub/Sub sends', async () => {
  const inbox = createInbox<PushBody>();
  const clock = manualClock();
  const topic = createTopic(freshDatabase(), {
    ...fastDelivery(),
    clock,
    ...NAMES,
    deliver: async body => inbox.add(body),
  });
  await topic.publish({ data: 'hello', attributes: { a: 'b' } });
  await topic.publish({ data: '', attributes: {} });
  clock.advance(1000);
  topic.start();
  await inbox.until(({ length }) => length === 2);
  await topic.stop(5000);
  expect(inbox.items).toEqual([
    {
      message: { data: 'aGVsbG8=', attributes: { a: 'b' }, messageId: '1', publishTime: '2026-11-24T00:00:00.000Z' },
      subscription: NAMES.subscription,
      deliveryAttempt: 1,
    },
    {
      message: { attributes: {}, messageId: '2', publishTime: '2026-11-24T00:00:00.000Z' },
      subscription: NAMES.subscription,
      deliveryAttempt: 1,
    },
  ]);
});

test('the delivery attempt counts up to the dead letter', async () => {
  const inbox = createInbox<PushBody>();
  const topic = createTopic(freshDatabase(), {
    ...fastDelivery(),
    ...NAMES,
    maxAttempts: 5,
    async deliver(body) {
      inbox.add(body);
      throw new Error('down');
    },
  });
  topic.start();
  await topic.publish({ data: 'hopeless', attributes: {} });
  await expect.poll(() => topic.counts()).toEqual({ pending: 0, inFlight: 0, dead: 1 });
  expect(inbox.items.map(({ deliveryAttempt }) => deliveryAttempt)).toEqual([1, 2, 3, 4, 5]);
});

test('message ids never come back, also after a restart', async () => {
  const path = databasePath();
  const ids: string[] = [];
  for (const data of ['first', 'second']) {
    const database = freshDatabase(path);
    const topic = createTopic(database, {
      ...fastDelivery(),
      ...NAMES,
      deliver: async ({ message }) => void ids.push(message.messageId),
    });
    topic.start();
    await topic.publish({ data, attributes: {} });
    await expect.poll(() => topic.counts().pending).toBe(0);
    await topic.stop(5000);
    database.close();
  }
  expect(new Set(ids).size).toBe(2);
});

test('topics and a queue on one file keep apart', async () => {
  const database = freshDatabase();
  const inbox = createInbox<string>();
  const open = (name: string) =>
    createTopic(database, {
      ...fastDelivery(),
      name,
      subscription: NAMES.subscription,
      deliver: async () => inbox.add(name),
    });
  const first = open('projects/local/topics/first');
  const second = open('projects/local/topics/second');
  const queue = createQueue(database, {
    ...fastDelivery(),
    deliver: async (_task, { retryCount }) => inbox.add(`task ${retryCount}`),
  });
  await queue.enqueue({ path: 'wake', body: {}, shard: 0 });
  await second.publish({ data: 'x', attributes: {} });
  await first.publish({ data: 'x', attributes: {} });

  first.start();
  await expect.poll(() => first.counts()).toMatchObject({ pending: 0, inFlight: 0 });
  expect(inbox.items).toEqual([first.name]);
  second.start();
  await expect.poll(() => second.counts()).toMatchObject({ pending: 0, inFlight: 0 });
  expect(inbox.items).toEqual([first.name, second.name]);
  queue.start();
  await inbox.until(({ length }) => length === 3);
  expect(inbox.items[2]).toBe('task 0');
  await Promise.all([queue.stop(5000), first.stop(5000), second.stop(5000)]);
});
