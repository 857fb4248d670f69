import { describe, expect, test } from 'vitest';
import { TransientError } from '../../shared/core/errors.ts';
import type { Database } from '../../shared/embedded/database.ts';
import { NAME_WINDOW_MS } from '../../shared/embedded/delivery-table.ts';
import { createQueue, type QueueOptions } from '../../shared/embedded/queue.ts';
import { queueContract } from '../contracts/queue.ts';
import { createInbox } from '../support/inbox.ts';
import { manualClock } from '../support/services.ts';
import { databasePath, fastDelivery, freshDatabase } from '../support/sqlite.ts';

queueContract('SQLite', async ({ deliver, maxAttempts }) => {
  const database = freshDatabase();
  const queue = createQueue(database, {
    ...fastDelivery(),
    maxAttempts,
    deliver: (task, { retryCount }) => deliver({ ...task, retryCount }),
  });
  queue.start();
  return {
    queue,
    pending: async () => queue.counts().pending,
    async close() {
      await queue.stop(5000);
      database.close();
    },
  };
});

interface Delivered {
  n: unknown;
  name: string;
  retryCount: number;
}

function setUp(options: Partial<QueueOptions> = {}, database: Database = freshDatabase()) {
  const inbox = createInbox<Delivered>();
  const delivery = fastDelivery();
  const queue = createQueue(database, {
    ...delivery,
    ...options,
    deliver(task, info) {
      inbox.add({ n: task.body.n, ...info });
      return options.deliver?.(task, info) ?? Promise.resolve();
    },
  });
  const enqueue = (n: number, more: { at?: number; name?: string } = {}) =>
    queue.enqueue({ path: 'wake', body: { n }, shard: 0, ...more });
  const settled = () => expect.poll(() => queue.counts().inFlight).toBe(0);
  return { queue, inbox, enqueue, settled, log: delivery.log };
}

const never = () => new Promise<never>(() => {});

describe('after a restart', () => {
  test('what was not delivered is delivered, also what was scheduled or in flight', async () => {
    const path = databasePath();
    const database = freshDatabase(path);
    const before = setUp({ deliver: never }, database);
    before.queue.start();
    await before.enqueue(1);
    await before.enqueue(2, { at: Date.now() + 300 });
    await before.inbox.first();
    await before.queue.stop(0);
    await before.enqueue(3);
    database.close();

    const after = setUp({}, freshDatabase(path));
    expect(after.queue.counts()).toEqual({ pending: 3, inFlight: 0, dead: 0 });
    after.queue.start();
    const tasks = await after.inbox.until(({ length }) => length === 3);
    expect(new Set(tasks.map(({ n }) => n))).toEqual(new Set([1, 2, 3]));
    await after.queue.stop(5000);
    expect(after.queue.counts()).toEqual({ pending: 0, inFlight: 0, dead: 0 });
  });

  test('the count of failures goes on', async () => {
    const path = databasePath();
    const database = freshDatabase(path);
    const before = setUp(
      { deliver: () => Promise.reject(new Error('down')), minBackoffMs: 60_000, maxBackoffMs: 60_000 },
      database,
    );
    before.queue.start();
    await before.enqueue(1);
    await before.settled();
    await before.queue.stop(5000);
    database.close();

    const clock = manualClock(Date.now() + 60_000);
    const after = setUp({ clock }, freshDatabase(path));
    after.queue.start();
    expect(await after.inbox.first()).toMatchObject({ n: 1, retryCount: 1 });
    await after.queue.stop(5000);
  });
});

describe('a backlog larger than what is kept in memory', () => {
  const numbers = Array.from({ length: 3000 }, (_, n) => n);

  test('is delivered when it was there before the start, each task once', async () => {
    const { queue, inbox, enqueue } = setUp({ maxConcurrent: 7 });
    await Promise.all(numbers.map(n => enqueue(n)));
    queue.start();
    await inbox.until(({ length }) => length === numbers.length);
    await queue.stop(5000);
    expect(new Set(inbox.items.map(({ n }) => n)).size).toBe(numbers.length);
    expect(queue.counts().pending).toBe(0);
  });

  test('is delivered when it grew while deliveries were stuck, each task once', async () => {
    const stuck = Promise.withResolvers<void>();
    const { queue, inbox, enqueue } = setUp({ maxConcurrent: 7, deliver: () => stuck.promise });
    queue.start();
    await Promise.all(numbers.map(n => enqueue(n)));
    expect(queue.counts()).toEqual({ pending: numbers.length, inFlight: 7, dead: 0 });
    stuck.resolve();
    await inbox.until(({ length }) => length === numbers.length);
    await queue.stop(5000);
    expect(new Set(inbox.items.map(({ n }) => n)).size).toBe(numbers.length);
    expect(queue.counts().pending).toBe(0);
  });
});

test('no more deliveries go on at the same time than allowed', async () => {
  let now = 0;
  let most = 0;
  const { queue, inbox, enqueue } = setUp({
    maxConcurrent: 3,
    async deliver() {
      most = Math.max(most, ++now);
      await new Promise(setImmediate);
      now--;
    },
  });
  queue.start();
  await Promise.all(Array.from({ length: 50 }, (_, n) => enqueue(n)));
  await inbox.until(({ length }) => length === 50);
  await queue.stop(5000);
  expect(most).toBe(3);
});

test('a task without a name is given one that stays the same when it is repeated', async () => {
  const { queue, inbox, enqueue } = setUp({
    deliver: async (_task, { retryCount }) => {
      if (retryCount === 0) throw new TransientError('not yet');
    },
  });
  queue.start();
  await enqueue(1);
  await enqueue(2, { name: 'mine' });
  const tasks = await inbox.until(({ length }) => length === 4);
  await queue.stop(5000);
  expect(new Set(tasks.filter(({ n }) => n === 1).map(({ name }) => name)).size).toBe(1);
  expect(new Set(tasks.filter(({ n }) => n === 2).map(({ name }) => name))).toEqual(new Set(['mine']));
});

test('a name is free again an hour after its task was done', async () => {
  const clock = manualClock();
  const { queue, inbox, enqueue, settled } = setUp({ clock });
  queue.start();
  await enqueue(1, { name: 'same' });
  await settled();
  clock.advance(NAME_WINDOW_MS - 1);
  await enqueue(2, { name: 'same' });
  clock.advance(1);
  await enqueue(3, { name: 'same' });
  await settled();
  expect(inbox.items.map(({ n }) => n)).toEqual([1, 3]);
});

test('a name stays taken for as long as its task fails', async () => {
  const clock = manualClock();
  const { queue, inbox, enqueue, settled } = setUp({ clock, deliver: () => Promise.reject(new Error('down')) });
  queue.start();
  await enqueue(1, { name: 'same' });
  await settled();
  clock.advance(2 * NAME_WINDOW_MS);
  await enqueue(2, { name: 'same' });
  await inbox.until(({ length }) => length === 2);
  await settled();
  expect(inbox.items.map(({ n }) => n)).toEqual([1, 1]);
});

test('a task for much later is delivered then', async () => {
  const clock = manualClock();
  const { queue, inbox, enqueue } = setUp({ clock });
  queue.start();
  const DAY_MS = 24 * 3_600_000;
  await enqueue(1, { at: clock.now() + 30 * DAY_MS });
  clock.advance(30 * DAY_MS - 1);
  await enqueue(2);
  await inbox.until(({ length }) => length === 1);
  expect(inbox.items[0]?.n).toBe(2);
  clock.advance(1);
  await inbox.until(tasks => tasks.some(({ n }) => n === 1));
});

test('a failure is repeated after the backoff, or after what the receiver asked for when that is longer', async () => {
  const clock = manualClock();
  const failures = [
    new TransientError('busy', { retryAfterMs: 60_000 }),
    new TransientError('busy', { retryAfterMs: 1 }),
  ];
  const { queue, inbox, enqueue, settled } = setUp({
    clock,
    minBackoffMs: 1000,
    maxBackoffMs: 8000,
    random: { fraction: () => 0, token: () => '' },
    deliver: async ({ body }) => {
      const failure = body.n === 1 ? failures.shift() : undefined;
      if (failure) throw failure;
    },
  });
  queue.start();
  /** A task that overtakes whatever is not due yet. */
  async function deliveredSoFar(probe: number): Promise<unknown[]> {
    await enqueue(probe);
    await inbox.until(tasks => tasks.some(({ n }) => n === probe));
    await settled();
    return inbox.items.map(({ n }) => n).filter(n => n === 1);
  }
  await enqueue(1);
  await settled();
  clock.advance(59_999);
  expect(await deliveredSoFar(100)).toHaveLength(1);
  clock.advance(1);
  await inbox.until(tasks => tasks.filter(({ n }) => n === 1).length === 2);
  await settled();
  // The second backoff, 2 s, at its least: half of it.
  clock.advance(999);
  expect(await deliveredSoFar(101)).toHaveLength(2);
  clock.advance(1);
  await inbox.until(tasks => tasks.filter(({ n }) => n === 1).length === 3);
});

test('a dead letter is kept with its last error, and logged', async () => {
  const database = freshDatabase();
  const { queue, enqueue, log } = setUp(
    {
      maxAttempts: 2,
      deliver: (_task, { retryCount }) => {
        // Thrown before there is a promise, and not even an Error.
        throw `failure ${retryCount}`;
      },
    },
    database,
  );
  queue.start();
  await enqueue(7, { name: 'hopeless' });
  await expect.poll(() => queue.counts()).toEqual({ pending: 0, inFlight: 0, dead: 1 });
  expect(database.prepare('SELECT name, tries, error, payload FROM dead_letters').all()).toEqual([
    { name: 'hopeless', tries: 2, error: 'failure 1', payload: '{"path":"wake","body":{"n":7}}' },
  ]);
  expect(log.lines.filter(({ severity }) => severity === 'error')).toMatchObject([
    { message: expect.stringContaining('given up'), fields: { name: 'hopeless', error: 'failure 1' } },
  ]);
});

test('a start in the very moment in which a task becomes durable delivers it once', async () => {
  const database = freshDatabase();
  const { queue, inbox, enqueue, settled } = setUp({}, database);
  // Both are committed together; the start comes before the queue is told that its task is stored.
  await Promise.all([database.transact(() => {}).then(queue.start), enqueue(1)]);
  await inbox.first();
  await settled();
  expect(inbox.items).toHaveLength(1);
});

test('a task whose outcome could not be recorded is delivered again', async () => {
  const database = freshDatabase();
  let refusals = 1;
  const { queue, inbox, enqueue, log } = setUp(
    {},
    {
      ...database,
      transact: work =>
        inbox.items.length > 0 && refusals-- > 0
          ? Promise.reject(new TransientError('the disk is full'))
          : database.transact(work),
    },
  );
  queue.start();
  await enqueue(1);
  await inbox.until(({ length }) => length === 2);
  await queue.stop(5000);
  expect(log.lines).toMatchObject([{ severity: 'error', fields: { error: 'the disk is full' } }]);
  expect(queue.counts()).toEqual({ pending: 0, inFlight: 0, dead: 0 });
});

describe('stopping', () => {
  test('waits for what is in flight and begins nothing more', async () => {
    const stuck = Promise.withResolvers<void>();
    const { queue, inbox, enqueue } = setUp({ maxConcurrent: 2, deliver: () => stuck.promise });
    queue.start();
    await Promise.all([enqueue(1), enqueue(2), enqueue(3)]);
    const stopped = queue.stop(60_000);
    await enqueue(4);
    stuck.resolve();
    await stopped;
    expect(inbox.items.map(({ n }) => n)).toEqual([1, 2]);
    expect(queue.counts()).toEqual({ pending: 2, inFlight: 0, dead: 0 });
    queue.start();
    await inbox.until(({ length }) => length === 4);
    expect(new Set(inbox.items.map(({ n }) => n))).toEqual(new Set([1, 2, 3, 4]));
  });

  test('waits no longer than allowed', async () => {
    const { queue, enqueue } = setUp({ deliver: never });
    queue.start();
    await enqueue(1);
    await queue.stop(1);
    expect(queue.counts().inFlight).toBe(1);
  });

  test('an outcome that comes after the file was closed is logged; the task comes again', async () => {
    const path = databasePath();
    const database = freshDatabase(path);
    const stuck = Promise.withResolvers<void>();
    const { queue, enqueue, log } = setUp({ deliver: () => stuck.promise }, database);
    queue.start();
    await enqueue(1);
    await queue.stop(0);
    const counts = queue.counts();
    database.close();
    expect(counts.pending).toBe(1);
    stuck.resolve();
    await expect
      .poll(() => log.lines)
      .toMatchObject([{ severity: 'error', fields: { error: 'the database is closed' } }]);
    const again = setUp({}, freshDatabase(path));
    again.queue.start();
    expect(await again.inbox.first()).toMatchObject({ n: 1 });
    await again.queue.stop(5000);
  });
});
