import { type FunctionName, wire } from '../functions/wiring.ts';
import { createExecType } from '../shared/adapters/exec/index.ts';
import { createHttpClient } from '../shared/adapters/http-client.ts';
import { typeTable } from '../shared/adapters/registry.ts';
import { ADAPTER_TYPES } from '../shared/adapters/types.ts';
import { messageOf } from '../shared/core/errors.ts';
import type { Log } from '../shared/core/ports.ts';
import { openDatabase } from '../shared/embedded/database.ts';
import { createPoster } from '../shared/embedded/http-delivery.ts';
import { createQueue } from '../shared/embedded/queue.ts';
import { createStore } from '../shared/embedded/store.ts';
import { createTopic } from '../shared/embedded/topic.ts';
import { readDistributors } from './distributors-file.ts';
import { loadKeyring } from './keys.ts';
import { openServers } from './servers.ts';
import { databaseFile, type Settings } from './settings.ts';
import { createLog, systemClock, systemRandom } from './system.ts';

export interface Stack {
  urls: Record<FunctionName, string>;
  distributors: string[];
  /** Stops jobs and deliveries, and closes the file. What was not done goes on at the next start. */
  close(): Promise<void>;
}

const SWEEP_PERIOD_MS = 5000;
const STOP_GRACE_MS = 5000;
const DELIVERY = { maxConcurrent: 256, maxAttempts: 100, minBackoffMs: 100, maxBackoffMs: 60_000 };
const TOPIC = { name: 'projects/local/topics/notifications', subscription: 'projects/local/subscriptions/notify' };

/** All functions, their store, queue and topic in this process: what `npm start` runs. */
export async function startStack(settings: Settings, writeLog = writeToStderr): Promise<Stack> {
  const log = createLog(settings.logLevel, writeLog);
  const exec = createExecType({ directory: settings.dataDir, environment: process.env });
  const types = typeTable([...ADAPTER_TYPES, exec]);
  const distributors = readDistributors(settings.distributorsFile, types);

  // Closed in the opposite order, also when the start fails half way.
  await using opened = new AsyncDisposableStack();
  // Before the keys are read: whoever has the file open may just be making them.
  const database = opened.adopt(openDatabase(databaseFile(settings)), ({ close }) => close());
  const keyring = loadKeyring(settings.dataDir);
  const poster = opened.adopt(createPoster(), ({ close }) => close());
  const servers = opened.adopt(await openServers(settings.port), ({ close }) => close());

  const system = { clock: systemClock, random: systemRandom, log };
  const store = createStore(database);
  const queue = createQueue(database, {
    ...DELIVERY,
    ...system,
    deliver: (task, info) => poster.postTask(`${servers.urls.tasks}/${task.path}`, task.body, info),
  });
  const topic = createTopic(database, {
    ...DELIVERY,
    ...system,
    ...TOPIC,
    deliver: body => poster.post(`${servers.urls.notify}/`, body),
  });
  opened.defer(async () => void (await Promise.all([queue.stop(STOP_GRACE_MS), topic.stop(STOP_GRACE_MS)])));
  const { engine, functions } = wire(
    {
      ...system,
      store,
      queue,
      topic,
      keyring,
      types,
      distributors,
      http: createHttpClient({ local: true }),
      jobUrl: servers.urls.job,
      secret: readSecret,
    },
    { log, local: true },
  );
  opened.defer(() => exec.close());
  await engine.recover();
  servers.serve(functions);
  queue.start();
  topic.start();
  opened.defer(
    repeat(log, async () => {
      await poster.post(`${servers.urls.sweep}/`, {});
      await store.purgeExpired(systemClock.now());
    }),
  );

  const running = opened.move();
  return {
    urls: servers.urls,
    distributors: [...distributors.keys()],
    close: () => running.disposeAsync(),
  };
}

/** Runs `work` at once and then every sweep period. Returns how to stop, which waits for a run that is under way. */
function repeat(log: Log, work: () => Promise<void>): () => Promise<void> {
  const stopped = new AbortController();
  const loop = (async () => {
    while (!stopped.signal.aborted) {
      await work().catch((error: unknown) => log.error('the sweep failed', { error: messageOf(error) }));
      await systemClock.sleep(SWEEP_PERIOD_MS, stopped.signal).catch(() => {});
    }
  })();
  return async () => {
    stopped.abort();
    await loop;
  };
}

function readSecret(reference: string): string {
  const name = /^env:([A-Za-z_][A-Za-z0-9_]*)$/.exec(reference)?.[1];
  const value = name === undefined ? undefined : process.env[name];
  if (value === undefined) throw new Error(`the secret ${reference} is not set in the environment`);
  return value;
}

function writeToStderr(line: string): void {
  process.stderr.write(line);
}
