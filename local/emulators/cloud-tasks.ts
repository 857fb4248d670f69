import { Server, ServerCredentials, type sendUnaryData, type ServerUnaryCall, status } from '@grpc/grpc-js';
import { messageOf } from '../../shared/core/errors.ts';
import type { Clock, Log, Random } from '../../shared/core/ports.ts';
import { openDatabase } from '../../shared/embedded/database.ts';
import { createDeliveries, type Deliveries } from '../../shared/embedded/deliveries.ts';
import { createHttpSender } from '../../shared/embedded/http-send.ts';
import { DEFAULT_CONFIG, type QueueConfig } from './cloud-tasks-config.ts';
import { createDispatcher } from './cloud-tasks-dispatch.ts';
import { createRateLimiter } from './cloud-tasks-rate.ts';
import {
  type CreateTaskRequest,
  type Payload,
  parseTask,
  type Refusal,
  SERVICE,
  type Task,
} from './cloud-tasks-request.ts';

export interface CloudTasksOptions {
  clock: Clock;
  random: Random;
  log: Log;
  /** Full names: `projects/P/locations/L/queues/Q`. */
  queues: readonly string[];
  /** A free one unless given. */
  port?: number;
  retry?: Partial<QueueConfig>;
}

export interface CloudTasksStats {
  created: number;
  /** Calls of CreateTask that met a taken name. */
  duplicates: number;
  /** Deliveries, repeated ones among them. */
  dispatched: number;
  pending: number;
  /** Given up after `maxAttempts`. */
  dead: number;
}

export interface CloudTasks {
  /** `host:port` */
  host: string;
  stats(): CloudTasksStats;
  close(): Promise<void>;
}

const CLOSE_GRACE_MS = 1000;

/**
 * A server of the Cloud Tasks API (google.cloud.tasks.v2) that the real client talks to: CreateTask, and deliveries over
 * HTTP as Cloud Tasks makes them. Tasks live in memory: they outlive the functions, but not this process.
 */
export async function startCloudTasks(options: CloudTasksOptions): Promise<CloudTasks> {
  const { clock, random, log, queues, port = 0 } = options;
  const database = openDatabase(':memory:');
  const sender = createHttpSender();
  const config = { ...DEFAULT_CONFIG, ...options.retry };
  const closing = new AbortController();
  const counts = { created: 0, duplicates: 0, dispatched: 0 };
  let unnamed = 0;

  function createQueue(queue: string): Deliveries {
    const limiter = createRateLimiter(config.maxDispatchesPerSecond, clock, closing.signal);
    const dispatch = createDispatcher({ queue, config, sender, limiter, onDispatch: () => counts.dispatched++ });
    return createDeliveries(database, queue, dispatch, {
      clock,
      random,
      log,
      maxConcurrent: config.maxConcurrent,
      maxAttempts: config.maxAttempts === -1 ? Number.POSITIVE_INFINITY : config.maxAttempts,
      // Each failure says itself how long to wait, which is never less.
      minBackoffMs: config.minBackoffMs,
      maxBackoffMs: config.minBackoffMs,
    });
  }
  const queueOf = new Map(queues.map(name => [name, createQueue(name)]));

  async function createTask({ parent, task }: CreateTaskRequest): Promise<Task> {
    const queue = queueOf.get(parent);
    if (queue === undefined) throw refusal(status.NOT_FOUND, `Queue does not exist: ${parent}`);
    const { name, at, payload } = parseTask(parent, task, clock.now());
    const id = name ?? String(++unnamed);
    if (!(await queue.add(JSON.stringify({ ...payload, id } satisfies Payload), { at, name }))) {
      counts.duplicates++;
      throw refusal(
        status.ALREADY_EXISTS,
        'The task cannot be created because a task with this name existed too recently',
      );
    }
    counts.created++;
    return { ...task, name: `${parent}/tasks/${id}` };
  }

  const server = new Server();
  server.addService(SERVICE, {
    createTask({ request }: ServerUnaryCall<CreateTaskRequest, Task>, answer: sendUnaryData<Task>) {
      createTask(request).then(
        task => answer(null, task),
        (error: unknown) => answer(isRefusal(error) ? error : refusal(status.INTERNAL, messageOf(error))),
      );
    },
  });
  const bound = await bind(server, port);
  for (const queue of queueOf.values()) queue.start();
  log.info('Cloud Tasks is served', { port: bound });

  return {
    host: `127.0.0.1:${bound}`,
    stats() {
      const all = [...queueOf.values()].map(queue => queue.counts());
      const total = (what: 'pending' | 'dead') => all.reduce((sum, queue) => sum + queue[what], 0);
      return { ...counts, pending: total('pending'), dead: total('dead') };
    },
    async close() {
      if (closing.signal.aborted) return;
      closing.abort();
      server.forceShutdown();
      await Promise.all([...queueOf.values()].map(queue => queue.stop(CLOSE_GRACE_MS)));
      sender.close();
      database.close();
    },
  };
}

function bind(server: Server, port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, bound) =>
    error === null ? resolve(bound) : reject(error),
  );
  return promise;
}

function refusal(code: number, message: string): Refusal {
  return { code, message };
}

function isRefusal(error: unknown): error is Refusal {
  return typeof error === 'object' && error !== null && 'code' in error && 'message' in error;
}
