import { CALL_TIMEOUT_MS } from '../core/calls.ts';
import { InvalidArgument } from '../core/errors.ts';
import type { Clock, Queue, QueueTask, TaskPath } from '../core/ports.ts';
import { CHANNEL } from './channel.ts';
import { fromGoogle, isAlreadyExists } from './errors.ts';
import { lazyClient } from './lazy-client.ts';

export interface CloudTasksQueueOptions {
  projectId: string;
  location: string;
  /** Ids of the queues among which a task's shard chooses. */
  queues: readonly string[];
  /** Of the `tasks` function; also the audience of the OIDC token. */
  tasksUrl: string;
  /** E-mail of the account that may call it; without one, tasks carry no token. */
  serviceAccount?: string;
  /** `host:port` of a local server of the API. */
  emulatorHost?: string;
  clock: Clock;
  timeoutMs?: number;
}

/** One call. The client's own default is 20 s. */
const TIMEOUT_MS = 10_000;

/**
 * A delivery without an answer is repeated after this long. The longest call of an executor and the writes around it fit
 * in; the default of 10 min would leave a task to an instance that vanished.
 */
const DISPATCH_DEADLINE_MS = 2 * Math.max(...Object.values(CALL_TIMEOUT_MS));

/** An adapter's own work may wait for a service: that of http does so for up to 8 min. */
const ADAPTER_DISPATCH_DEADLINE_MS = 9 * 60_000;

/** Cloud Tasks refuses what is further away than 30 days, by its own clock. */
const LATEST_SCHEDULE_MS = (30 * 24 - 1) * 60 * 60_000;

/** `Task.name` (google/cloud/tasks/v2/task.proto). */
const TASK_ID = /^[\w-]{1,500}$/;

/**
 * The queue on Cloud Tasks. A task that is meant for a time more than 30 days away comes early: what must not, has a
 * `wakeAt` that says so.
 */
export function createQueue(options: CloudTasksQueueOptions): Queue & { close(): Promise<void> } {
  const { projectId, location, queues, clock, timeoutMs = TIMEOUT_MS } = options;
  if (queues.length === 0) throw new InvalidArgument('queues', 'needs at least one queue');
  const names = queues.map(id => `projects/${projectId}/locations/${location}/queues/${id}`);
  const client = lazyClient('Cloud Tasks', () => openClient(options));

  function taskOf({ path, body, at, name }: QueueTask, queue: string) {
    const { tasksUrl, serviceAccount } = options;
    const now = clock.now();
    return {
      ...(name !== undefined && { name: `${queue}/tasks/${checkedId(name)}` }),
      ...(at !== undefined && at > now && { scheduleTime: timestamp(Math.min(at, now + LATEST_SCHEDULE_MS)) }),
      dispatchDeadline: { seconds: deadlineMsOf(path) / 1000 },
      httpRequest: {
        httpMethod: 'POST' as const,
        url: `${tasksUrl}/${path}`,
        headers: { 'content-type': 'application/json' },
        body: Buffer.from(JSON.stringify(body)),
        ...(serviceAccount !== undefined && {
          oidcToken: { serviceAccountEmail: serviceAccount, audience: tasksUrl },
        }),
      },
    };
  }

  return {
    async enqueue(task) {
      const parent = names[task.shard % names.length]!;
      const request = { parent, task: taskOf(task, parent) };
      const tasks = await client.get();
      try {
        // The options are the call's own: the client writes its routing header into them.
        await tasks.createTask(request, { timeout: timeoutMs });
      } catch (error) {
        if (task.name !== undefined && isAlreadyExists(error)) return;
        throw fromGoogle(error, `create a task in ${parent}`);
      }
    },
    close: client.close,
  };
}

async function openClient({ projectId, emulatorHost }: CloudTasksQueueOptions) {
  const { CloudTasksClient } = await import('@google-cloud/tasks');
  if (emulatorHost === undefined) return new CloudTasksClient({ projectId, ...CHANNEL });
  const { credentials } = await import('@grpc/grpc-js');
  const { hostname, port } = new URL(`http://${emulatorHost}`);
  return new CloudTasksClient({
    projectId,
    ...CHANNEL,
    apiEndpoint: hostname,
    port: Number(port),
    sslCreds: credentials.createInsecure(),
    // Given, so that no metadata server is looked for.
    universeDomain: 'googleapis.com',
  });
}

function deadlineMsOf(path: TaskPath): number {
  return path.startsWith('distributor/') ? ADAPTER_DISPATCH_DEADLINE_MS : DISPATCH_DEADLINE_MS;
}

function checkedId(name: string): string {
  if (TASK_ID.test(name)) return name;
  throw new InvalidArgument('name', 'must be 1 to 500 letters, digits, hyphens and underscores');
}

function timestamp(at: number): { seconds: number; nanos: number } {
  const seconds = Math.floor(at / 1000);
  return { seconds, nanos: Math.round((at - seconds * 1000) * 1e6) };
}
