import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../build/entry.ts';
import { queueIds } from '../../functions/settings.ts';
import { createLog, systemClock, systemRandom } from '../../functions/system.ts';
import { FUNCTION_NAMES, type FunctionName } from '../../functions/wiring.ts';
import { typesOf } from '../../build/distributors.ts';
import { ownTopics } from '../../shared/adapters/distributors.ts';
import { createPoster } from '../../shared/embedded/http-delivery.ts';
import { readDistributors } from '../distributors-file.ts';
import { loadKeyring } from '../keys.ts';
import type { RunningStack } from '../program.ts';
import { repeat } from '../scheduler.ts';
import type { Settings } from '../settings.ts';
import { bundlesFor, LOCAL_TYPES } from './bundles.ts';
import { type CloudTasksStats, startCloudTasks } from './cloud-tasks.ts';
import { environmentOf, LOCAL } from './functions.ts';
import { type Emulator, findEmulators, startFirestoreEmulator, startPubSubEmulator } from './google.ts';
import { portsFrom } from './ports.ts';
import { createTopicAndSubscription } from './pubsub.ts';
import { type Supervised, supervise } from './supervisor.ts';

export interface EmulatorStack extends RunningStack {
  projectId: string;
  /** The id of the notification topic. */
  topic: string;
  pubsubHost: string;
  firestoreHost: string;
  /** What the Cloud Tasks server did so far. */
  taskStats(): CloudTasksStats;
  /** Of the process of a function; undefined while there is none. */
  pid(name: FunctionName): number | undefined;
  /** SIGKILL for the process of a function; it is started again after a moment. */
  kill(name: FunctionName): void;
  /** SIGKILL for the Firestore emulator, which comes back empty under the same address. */
  restartFirestore(): Promise<void>;
}

export interface StartOptions {
  /** For what goes wrong while it runs. */
  writeLog?: (line: string) => void;
  /** For how far the start is. */
  report?: (line: string) => void;
  /** Gives the start up at the next step. */
  signal?: AbortSignal;
  between?: Between;
  /** Path of the module that exports `ADAPTER_TYPES`; what one machine can run unless given. */
  types?: string;
}

/** For measurements: what stands between the parts. It is told an address, and gives the one that is used instead. */
export interface Between {
  /** Between a function and all who call it. */
  callers(name: FunctionName, url: string): Promise<string>;
  /** Between a function and an emulator. */
  emulator(name: FunctionName, host: string): Promise<string>;
}

const NOTHING_BETWEEN: Between = { callers: async (_, url) => url, emulator: async (_, host) => host };

/** What starts a function where it is deployed, too. */
const FRAMEWORK = join(ROOT, 'node_modules/.bin/functions-framework');

/** The five functions as they are deployed, each in a process of its own, on Google's emulators and our Cloud Tasks. */
export async function startEmulatorStack(settings: Settings, options: StartOptions = {}): Promise<EmulatorStack> {
  const {
    writeLog = line => void process.stderr.write(line),
    report = () => {},
    signal,
    between = NOTHING_BETWEEN,
    types = LOCAL_TYPES,
  } = options;
  const { missing } = findEmulators();
  if (missing.length > 0) throw new Error(`missing: ${missing.join(', ')}`);
  const distributors = readDistributors(settings.distributorsFile, await typesOf(types));
  const ports = await portsFrom(settings.port);
  const urls = await mapFunctions(name => between.callers(name, `http://127.0.0.1:${ports[name]}`));
  const log = createLog(settings.logLevel, writeLog);
  const logs = join(settings.dataDir, 'logs');
  mkdirSync(logs, { recursive: true });
  const keyring = loadKeyring(settings.dataDir);
  const step = stepsOf(report, signal);

  // Closed in the opposite order, also when the start fails half way.
  await using opened = new AsyncDisposableStack();
  const keep = async <Part extends { close(): Promise<void> }>(part: Promise<Part>) =>
    opened.adopt(await part, ({ close }) => close());
  let firestore: Emulator | undefined;
  opened.defer(async () => firestore?.close());
  const startFirestore = async (port?: number) =>
    (firestore = await startFirestoreEmulator(port === undefined ? {} : { port }));

  const [bundles, pubsub, { host: firestoreHost }, tasks] = await allOrNone([
    step('the functions are bundled', bundlesFor(settings.distributorsFile, types)),
    step('the Pub/Sub emulator runs', keep(startPubSubEmulator())),
    step('the Firestore emulator runs', startFirestore()),
    keep(startCloudTasks({ clock: systemClock, random: systemRandom, log, queues: queueNames() })),
  ]);
  const topics = ownTopics(distributors);
  await createTopicAndSubscription({
    ...LOCAL,
    host: pubsub.host,
    pushEndpoint: `${urls.notify}/`,
    ownTopics: topics,
  });
  for (const [name, topic] of topics)
    report(`          ${name} listens to ${topic} (PUBSUB_EMULATOR_HOST=${pubsub.host})`);

  const world = {
    settings,
    distributors,
    keyring,
    urls,
    tasksHost: tasks.host,
  };
  const hosts = await mapFunctions(async name => ({
    firestoreHost: await between.emulator(name, firestoreHost),
    pubsubHost: await between.emulator(name, pubsub.host),
  }));
  const start = (name: FunctionName): Promise<Supervised> =>
    supervise({
      name,
      command: process.execPath,
      args: [FRAMEWORK, `--source=${join(bundles, name)}`, `--target=${name}`],
      env: { ...environmentOf(name, { ...world, ...hosts[name] }), PORT: String(ports[name]) },
      port: ports[name],
      logFile: join(logs, `${name}.log`),
      writeLine: writeLog,
      log,
    });
  const started = await step('the functions run', allOrNone(FUNCTION_NAMES.map(name => keep(start(name)))));
  const processOf = (name: FunctionName) => started[FUNCTION_NAMES.indexOf(name)]!;
  const poster = opened.adopt(createPoster(), ({ close }) => close());
  opened.defer(repeat(log, () => poster.post(`${urls.sweep}/`, {})));

  const running = opened.move();
  return {
    urls,
    distributors: [...distributors.keys()],
    projectId: LOCAL.projectId,
    topic: LOCAL.topicId,
    pubsubHost: pubsub.host,
    firestoreHost,
    taskStats: tasks.stats,
    pid: name => processOf(name).pid(),
    kill: name => processOf(name).kill(),
    async restartFirestore() {
      await firestore?.close();
      await startFirestore(Number(new URL(`http://${firestoreHost}`).port));
    },
    close: () => running.disposeAsync(),
  };
}

function queueNames(): string[] {
  const { projectId, location, queues, queuePrefix } = LOCAL;
  return queueIds(queuePrefix, queues).map(id => `projects/${projectId}/locations/${location}/queues/${id}`);
}

function stepsOf(report: (line: string) => void, signal: AbortSignal | undefined) {
  const startedAt = performance.now();
  return async <T>(what: string, work: Promise<T>): Promise<T> => {
    const result = await work;
    signal?.throwIfAborted();
    report(`${((performance.now() - startedAt) / 1000).toFixed(1).padStart(6)} s  ${what}`);
    return result;
  };
}

/** As Promise.all, but nothing goes on any more when it rejects. */
async function allOrNone<Parts extends readonly unknown[]>(
  parts: {
    [I in keyof Parts]: Promise<Parts[I]>;
  },
): Promise<Parts> {
  await Promise.allSettled(parts);
  return Promise.all(parts);
}

async function mapFunctions<T>(of: (name: FunctionName) => Promise<T>): Promise<Record<FunctionName, T>> {
  const entries = await Promise.all(FUNCTION_NAMES.map(async name => [name, await of(name)] as const));
  return Object.fromEntries(entries) as Record<FunctionName, T>;
}
