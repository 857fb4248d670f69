import { http } from '@google-cloud/functions-framework';
import type { DistributorType } from '../shared/adapters/contract.ts';
import { parseDistributors, secretNames } from '../shared/adapters/distributors.ts';
import { createHttpClient } from '../shared/adapters/http-client.ts';
import { typeTable } from '../shared/adapters/registry.ts';
import { messageOf } from '../shared/core/errors.ts';
import type { Topic } from '../shared/core/ports.ts';
import { createEngine, type Engine } from '../shared/engine/engine.ts';
import { createAccessTokens } from '../shared/google/access-token.ts';
import { openFirestore } from '../shared/google/firestore.ts';
import { createQueue } from '../shared/google/queue.ts';
import { createStore } from '../shared/google/store.ts';
import { createTopic } from '../shared/google/topic.ts';
import { keepParsersAway } from './body.ts';
import { keepDomainsAway } from './domains.ts';
import type { HttpFunction, ServeOptions } from './http.ts';
import { type FunctionSettings, readSettings } from './settings.ts';
import { createLog, readSecret, systemClock, systemRandom } from './system.ts';
import type { FunctionName } from './wiring.ts';

type CreateFunction = (engine: Engine, options: ServeOptions) => HttpFunction;

/**
 * Registers one function on Google's parts. The entry of each bundle, which the build writes, calls this with what is
 * known at build time: the distributors file and the types that may be named in it.
 */
export function deploy(
  name: FunctionName,
  create: CreateFunction,
  knownTypes: readonly DistributorType[],
  distributorsFile: unknown,
): void {
  try {
    const types = typeTable(knownTypes);
    const distributors = parseDistributors(distributorsFile, types);
    const settings = readSettings(name, process.env, secretNames(distributors));
    const log = createLog(settings.logLevel, writeLog);
    keepParsersAway();
    keepDomainsAway();
    const engine = createEngine({ ...engineParts(settings), log, types, distributors });
    http(name, create(engine, { log, local: settings.local }));
  } catch (error) {
    // A revision that cannot work must not become ready.
    createLog('error', writeLog).error(`${name} cannot start: ${messageOf(error)}`);
    process.exit(1);
  }
}

function engineParts(settings: FunctionSettings) {
  const { projectId, databaseId, location, queues, tasksUrl, tasksCaller, tasksEmulatorHost, retentionMs } = settings;
  const clock = systemClock;
  const firestore = openFirestore({ projectId, databaseId });
  return {
    clock,
    random: systemRandom,
    store: createStore(firestore, { clock, ...(retentionMs !== undefined && { retentionMs }) }),
    queue: createQueue({
      projectId,
      location,
      queues,
      tasksUrl,
      clock,
      ...(tasksCaller !== undefined && { serviceAccount: tasksCaller }),
      ...(tasksEmulatorHost !== undefined && { emulatorHost: tasksEmulatorHost }),
    }),
    topic: settings.topicId === undefined ? NO_TOPIC : createTopic({ projectId, topicId: settings.topicId }),
    http: createHttpClient({ local: settings.local }),
    keyring: settings.keyring ?? NO_KEYS,
    jobUrl: settings.jobUrl ?? '',
    secret: readSecret,
    accessToken: createAccessTokens(),
  };
}

/** For functions that publish nothing and sign nothing; each fails loudly if that should ever change. */
const NO_TOPIC: Topic = {
  name: '',
  publish: () => Promise.reject(new Error('this function has no TOPIC')),
};
const NO_KEYS = { current: '', keys: {} };

function writeLog(line: string): void {
  process.stdout.write(line);
}
