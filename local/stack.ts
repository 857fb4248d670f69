import { createLog, readSecret, systemClock, systemRandom } from '../functions/system.ts';
import { wire } from '../functions/wiring.ts';
import { createExecType } from '../shared/adapters/exec/index.ts';
import { createHttpClient } from '../shared/adapters/http-client.ts';
import { typeTable } from '../shared/adapters/registry.ts';
import { ADAPTER_TYPES } from '../shared/adapters/types.ts';
import { openDatabase } from '../shared/embedded/database.ts';
import { createPoster } from '../shared/embedded/http-delivery.ts';
import { createQueue } from '../shared/embedded/queue.ts';
import { createStore } from '../shared/embedded/store.ts';
import { createTopic } from '../shared/embedded/topic.ts';
import { createAccessTokens } from '../shared/google/access-token.ts';
import { readDistributors } from './distributors-file.ts';
import { loadKeyring } from './keys.ts';
import type { RunningStack } from './program.ts';
import { repeat } from './scheduler.ts';
import { openServers } from './servers.ts';
import { databaseFile, type Settings } from './settings.ts';

/** `close` stops jobs and deliveries, and closes the file. What was not done goes on at the next start. */
export type Stack = RunningStack;

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
      accessToken: createAccessTokens(),
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

function writeToStderr(line: string): void {
  process.stderr.write(line);
}
