import { createServer } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startCloudTasks } from '../../local/emulators/cloud-tasks.ts';
import { TransientError } from '../../shared/core/errors.ts';
import type { JsonObject } from '../../shared/core/json.ts';
import { createQueue } from '../../shared/google/queue.ts';
import { queueContract } from '../contracts/queue.ts';
import { grpcProxy } from '../support/grpc-proxy.ts';
import { listen, type ReceivedRequest, serveDeliveries } from '../support/http-server.ts';
import { realClock } from '../support/services.ts';
import { fastDelivery } from '../support/sqlite.ts';

const PARENT = { projectId: 'p', location: 'l' };
const IDS = ['distributor-0', 'distributor-1'];
const NAMES = IDS.map(id => `projects/p/locations/l/queues/${id}`);

interface Settings {
  maxAttempts?: number;
  timeoutMs?: number;
}

/** A queue on a server of its own that delivers to `receiver`. */
async function open(tasksUrl: string, { maxAttempts = 10, timeoutMs = 10_000 }: Settings = {}) {
  const { clock, random, log, ...retry } = fastDelivery();
  const server = await startCloudTasks({
    clock,
    random,
    log,
    queues: NAMES,
    retry: { ...retry, maxAttempts },
  });
  const queue = createQueue({
    ...PARENT,
    queues: IDS,
    tasksUrl,
    emulatorHost: server.host,
    clock: realClock,
    timeoutMs,
  });
  return { server, queue };
}

queueContract('Cloud Tasks', async ({ deliver, maxAttempts }) => {
  const receiver = await serveDeliveries(({ path, body, headers }) =>
    deliver({
      path: path.slice(1),
      body: JSON.parse(body) as JsonObject,
      retryCount: Number(headers['x-cloudtasks-taskretrycount']),
    }),
  );
  const { server, queue } = await open(receiver.url, { maxAttempts });
  return {
    queue,
    pending: async () => server.stats().pending,
    async close() {
      await queue.close();
      await server.close();
    },
  };
});

describe('the queue on Cloud Tasks', () => {
  async function setUp(options: Settings = {}) {
    const received: ReceivedRequest[] = [];
    const receiver = await serveDeliveries(async request => {
      received.push(request);
      if (received.length === 1) throw new TransientError('not yet');
    });
    const { server, queue } = await open(receiver.url, options);
    onTestFinished(async () => {
      await queue.close();
      await server.close();
    });
    return { received, server, queue };
  }

  test('a redelivery says how often and how the task failed', async () => {
    const { received, queue } = await setUp();
    await queue.enqueue({ path: 'wake', body: { id: 'a' }, shard: 3, name: 'a-1' });
    await expect.poll(() => received.length).toBe(2);
    expect(received[1]?.headers).toMatchObject({
      'content-type': 'application/json',
      'x-cloudtasks-queuename': 'distributor-1',
      'x-cloudtasks-taskname': 'a-1',
      'x-cloudtasks-taskretrycount': '1',
      'x-cloudtasks-taskexecutioncount': '0',
      'x-cloudtasks-taskpreviousresponse': '503',
    });
  });

  test('a queue that was never made is an error that names it', async () => {
    const { server } = await setUp();
    const queue = createQueue({
      ...PARENT,
      queues: ['nowhere'],
      tasksUrl: 'http://127.0.0.1:1',
      emulatorHost: server.host,
      clock: realClock,
    });
    onTestFinished(() => queue.close());
    await expect(queue.enqueue({ path: 'wake', body: {}, shard: 0 })).rejects.toThrow(/queues\/nowhere/);
  });

  test('a server that is down is a TransientError, and the same queue goes on when it is back', async () => {
    const { server, queue } = await setUp({ timeoutMs: 1500 });
    await queue.enqueue({ path: 'wake', body: { n: 1 }, shard: 0 });
    await server.close();
    await expect(queue.enqueue({ path: 'wake', body: { n: 2 }, shard: 0 })).rejects.toThrow(TransientError);
    const { clock, random, log } = fastDelivery();
    const port = Number(server.host.split(':')[1]);
    const again = await startCloudTasks({ clock, random, log, queues: NAMES, port });
    onTestFinished(() => again.close());
    await expect
      .poll(() => queue.enqueue({ path: 'wake', body: { n: 3 }, shard: 0 }).then(() => 'made', String), {
        timeout: 20_000,
      })
      .toBe('made');
    expect(again.stats().created).toBe(1);
  });

  test('what was created though the connection broke is dropped when it comes again under its name', async () => {
    const { server } = await setUp();
    const proxy = await grpcProxy(server.host);
    proxy.onAnswer(async () => (proxy.calls.length === 1 ? 'cut' : 'pass'));
    const queue = queueAt(proxy.host);
    const task = { path: 'wake', body: {}, shard: 0, name: 'a-1' } as const;
    await expect(queue.enqueue(task)).rejects.toThrow(TransientError);
    await queue.enqueue(task);
    expect(server.stats()).toMatchObject({ created: 1, duplicates: 1 });
  });

  test('a server that says nothing is a TransientError once the time is up', async () => {
    const silent = await listen(createServer(socket => onTestFinished(() => void socket.destroy())));
    await expect(queueAt(silent, 300).enqueue({ path: 'wake', body: {}, shard: 0 })).rejects.toThrow(TransientError);
  });

  test('a task for a time more than 30 days away is not refused', async () => {
    const { server, queue } = await setUp();
    await queue.enqueue({ path: 'wake', body: {}, shard: 0, at: Date.now() + 400 * 24 * 60 * 60_000 });
    expect(server.stats()).toMatchObject({ created: 1, pending: 1 });
  });

  test.each(['', 'q|1|1', 'a b', 'é', 'a'.repeat(501)])(
    'a name that Cloud Tasks would refuse is not sent: %j',
    async name => {
      const { server, queue } = await setUp();
      const enqueued = queue.enqueue({ path: 'wake', body: {}, shard: 0, name });
      await expect(enqueued).rejects.toMatchObject({ name: 'InvalidArgument', field: 'name' });
      expect(server.stats().created).toBe(0);
    },
  );

  test('what is closed takes nothing more', async () => {
    const { queue } = await setUp();
    await queue.close();
    await expect(queue.enqueue({ path: 'wake', body: {}, shard: 0 })).rejects.toThrow(TransientError);
  });
});

/** A queue of its own at any address; it ends with the test. */
function queueAt(emulatorHost: string, timeoutMs = 10_000) {
  const queue = createQueue({
    ...PARENT,
    queues: IDS,
    tasksUrl: 'http://127.0.0.1:1',
    emulatorHost,
    clock: realClock,
    timeoutMs,
  });
  onTestFinished(() => queue.close());
  return queue;
}
