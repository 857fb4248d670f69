import { expect, onTestFinished } from 'vitest';
import { z } from 'zod';
import {
  commonConfig,
  type Distributor,
  type DistributorType,
  ownTopic,
  type RunOutcome,
  type Services,
} from '../../shared/adapters/contract.ts';
import { parseDistributors } from '../../shared/adapters/distributors.ts';
import { typeTable } from '../../shared/adapters/registry.ts';
import type { Attempt } from '../../shared/core/attempt.ts';
import type { Execution } from '../../shared/core/execution.ts';
import { ApiError } from '../../shared/core/errors.ts';
import { type AttemptId, attemptId, executionId, type ExecutionId, parseAttemptId } from '../../shared/core/ids.ts';
import type { QueueTask, Store, TopicMessage } from '../../shared/core/ports.ts';
import { MODES } from '../../shared/core/quest.ts';
import { authToken, type Keyring } from '../../shared/core/tokens.ts';
import type { AdapterQueueTask } from '../../shared/engine/adapter-task.ts';
import { createEngine, type Engine } from '../../shared/engine/engine.ts';
import type { Polls } from '../../shared/engine/polls.ts';
import type { Wake } from '../../shared/engine/wake-task.ts';
import { createMemoryStore, type MemoryStore } from './memory-store.ts';
import { fakeServices, manualClock, recordingLog } from './services.ts';

export const KEYRING: Keyring = { current: 'key-1', keys: { 'key-1': Buffer.alloc(32, 1) } };

export interface FakeExecutor {
  type: DistributorType;
  /** What each operation does. One that is not here must not be called: the test fails. */
  script: Partial<Distributor>;
  calls: { operation: keyof Distributor; args: unknown[]; config: object }[];
  unexpected: string[];
  /** The first argument of each call of an operation so far. */
  argsOf(operation: keyof Distributor): unknown[];
  /** What the adapter got of the system; of the instance that was made last. */
  services(): Services;
}

/** How many handles a scripted `getStatuses` takes at once. */
export const MAX_STATUSES = 3;

/** The type `fake`, whose executor a test scripts. `validate`, `infoUrl` and `executionOf` may always be called. */
export function fakeExecutor(script: Partial<Distributor>, type = 'fake'): FakeExecutor {
  let services: Services | undefined;
  const executor: FakeExecutor = {
    script,
    calls: [],
    unexpected: [],
    argsOf: operation => executor.calls.filter(made => made.operation === operation).map(({ args }) => args[0]),
    services: () => services!,
    type: {
      type,
      modes: ['unattended', ...MODES],
      ...(script.getStatuses && { maxStatuses: MAX_STATUSES }),
      configSchema: z.strictObject({ ...commonConfig, ...ownTopic, site: z.string().optional() }),
      create(config, given) {
        services = given;
        return {
          run: call('run', config),
          cancel: call('cancel', config),
          getStatus: call('getStatus', config),
          handleNotification: call('handleNotification', config),
          handleTaskQueueTask: call('handleTaskQueueTask', config),
          infoUrl: token => executor.script.infoUrl?.(token),
          executionOf: message => executor.script.executionOf?.(message),
          ...(executor.script.getStatuses && { getStatuses: call('getStatuses', config) }),
          validate: quest => executor.script.validate?.(quest),
        };
      },
    },
  };

  type Operation = Exclude<keyof Distributor, 'validate' | 'infoUrl'>;
  function call<O extends Operation>(operation: O, config: object): Distributor[O] {
    return ((...args: unknown[]) => {
      executor.calls.push({ operation, args: structuredClone(JSON.parse(JSON.stringify(args))), config });
      const scripted = executor.script[operation] as ((...given: unknown[]) => unknown) | undefined;
      if (scripted !== undefined) return scripted(...args);
      executor.unexpected.push(operation);
      throw new Error(`unexpected call: ${operation}`);
    }) as Distributor[O];
  }
  return executor;
}

export interface TestEngineOptions {
  script?: Partial<Distributor>;
  distributors?: Record<string, unknown>;
  /** In [0, 1). At 0 a conflict is retried at once, and the backoff of retries is over at once. */
  random?: () => number;
}

export interface TestEngine<S extends Store = MemoryStore> {
  engine: Engine;
  executor: FakeExecutor;
  store: S;
  clock: ReturnType<typeof manualClock>;
  log: ReturnType<typeof recordingLog>;
  /** What is waiting to be delivered; a test may drop and reorder it. */
  tasks: QueueTask[];
  messages: TopicMessage[];
  /** Another process on the same ports: everything that was in memory is gone. */
  restart(changes?: { executors?: FakeExecutor[]; distributors?: Record<string, unknown> }): void;
  /** Asks for an attempt of a quest (by default of the distributor `echo`). */
  submit(desc?: object): Promise<AttemptId>;
  deliver(task: QueueTask | undefined, retryCount?: number): Promise<string>;
  /** A notification by somebody who has the execution's auth token. */
  notify(id: ExecutionId, data?: unknown, overrides?: Record<string, string>): Promise<string>;
  /** Delivers what is due, one after the other, until nothing is. */
  settle(): Promise<void>;
  /** Lets time pass, then sweeps and settles. */
  elapse(milliseconds: number): Promise<void>;
  attempt(id: AttemptId): Promise<Attempt>;
  execution(id: AttemptId, number?: number): Promise<Execution>;
}

export function createTestEngine(options?: TestEngineOptions): TestEngine {
  return createTestEngineOn(createMemoryStore(), options);
}

export function createTestEngineOn<S extends Store>(
  store: S,
  { script = {}, distributors, random = () => 0 }: TestEngineOptions = {},
): TestEngine<S> {
  const clock = manualClock();
  const log = recordingLog();
  const tasks: QueueTask[] = [];
  const messages: TopicMessage[] = [];
  const names = new Set<string>();
  const executor = fakeExecutor(script);
  let tokens = 0;
  const world = { store, clock, log, tasks, messages, executor } as TestEngine<S>;

  let alive = Symbol('process');

  world.restart = ({
    executors = [executor],
    distributors: file = distributors ?? { echo: { type: 'fake' } },
  } = {}) => {
    const types = typeTable(executors.map(({ type }) => type));
    const { http, secret, accessToken } = fakeServices();
    const process = Symbol('process');
    alive = process;
    const isAlive = () => alive === process;
    world.engine = createEngine({
      store: mortal(store, isAlive),
      queue: {
        async enqueue(task) {
          if (!isAlive()) return NEVER;
          if (task.name !== undefined && names.has(task.name)) return;
          if (task.name !== undefined) names.add(task.name);
          tasks.push(JSON.parse(JSON.stringify(task)) as QueueTask);
        },
      },
      topic: {
        name: 'projects/test/topics/notifications',
        publish: async message => (isAlive() ? void messages.push(structuredClone(message)) : NEVER),
      },
      clock: { now: clock.now, sleep: (ms, signal) => (ms === 0 ? Promise.resolve() : clock.sleep(ms, signal)) },
      random: { fraction: random, token: () => `nonce-${++tokens}` },
      log,
      http,
      secret,
      accessToken,
      keyring: KEYRING,
      types,
      distributors: parseDistributors(file, types),
      jobUrl: 'https://job.test',
    });
  };

  world.submit = async (desc = {}) => {
    const { questIds } = await world.engine.ensureGraph({
      quests: [{ desc: { distributorConfigName: 'echo', ...desc } }],
    });
    return attemptId(questIds[0]!, 1);
  };

  world.deliver = async (task, retryCount = 0) => {
    if (task === undefined) expect.fail('there is no task to deliver');
    const { path, body } = JSON.parse(JSON.stringify(task)) as QueueTask;
    if (path === 'polls') return world.engine.pollTogether(body as unknown as Polls);
    return path.startsWith('distributor/')
      ? world.engine.handleAdapterTask(path.slice('distributor/'.length), body as AdapterQueueTask, retryCount)
      : world.engine.wake(body as Wake);
  };

  world.notify = async (id, data = {}, overrides = {}) => {
    const { distributor, auth } = (await store.get('execution', id))!.doc;
    const auth_token = authToken(KEYRING, { execution: id, distributor: distributor.name }, auth);
    const attributes = { execution_id: id, auth_token, ...overrides };
    return world.engine.receiveMessage({ data: JSON.stringify(data), attributes });
  };

  world.settle = async () => {
    for (let deliveries = 0; ; deliveries++) {
      if (deliveries > 10_000) throw new Error('the engine does not come to rest');
      const index = tasks.findIndex(({ at = 0 }) => at <= clock.now());
      const message = index < 0 ? messages.shift() : undefined;
      if (message !== undefined) await world.engine.receiveMessage(message);
      else if (index >= 0) await world.deliver(tasks.splice(index, 1)[0]);
      else return;
    }
  };

  world.elapse = async milliseconds => {
    clock.advance(milliseconds);
    await world.engine.sweep();
    await world.settle();
  };

  world.attempt = async id => (await store.get('attempt', id))!.doc;
  world.execution = async (id, number = 1) => {
    const { quest, attempt } = parseAttemptId(id);
    return (await store.get('execution', executionId(quest, attempt, number)))!.doc;
  };

  world.restart();
  onTestFinished(() => {
    expect(executor.unexpected).toEqual([]);
    expect(log.lines.filter(({ fields }) => String(fields.error).includes('bug:'))).toEqual([]);
  });
  return world;
}

const NEVER = new Promise<never>(() => {});

/** A port whose calls do not come back once the process that made them is dead. */
function mortal<Port extends object>(port: Port, isAlive: () => boolean): Port {
  return new Proxy(port, {
    get(target, name) {
      const method = target[name as keyof Port];
      if (typeof method !== 'function') return method;
      return (...args: unknown[]) => (isAlive() ? (method.apply(target, args) as unknown) : NEVER);
    },
  });
}

/** The id of an attempt's n-th execution. */
export function executionOf(id: AttemptId, number = 1): ExecutionId {
  const { quest, attempt } = parseAttemptId(id);
  return executionId(quest, attempt, number);
}

/** An executor that starts a job `job-<execution number>` for every execution, which then goes on. */
export async function start({ executionId: id }: { executionId: ExecutionId }): Promise<RunOutcome> {
  return { token: `job-${id.split('|')[2]}` };
}

/** How an attempt ended, if it did. */
export function resultOf(attempt: Attempt) {
  return 'result' in attempt ? attempt.result : undefined;
}

/** OK, or the status of the error that the caller sees. */
export async function answerOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'OK';
  } catch (error) {
    if (error instanceof ApiError) return error.status;
    throw error;
  }
}
