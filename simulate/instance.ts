import { AsyncLocalStorage } from 'node:async_hooks';
import type { Distributors } from '../shared/adapters/distributors.ts';
import { typeTable } from '../shared/adapters/registry.ts';
import { TransientError } from '../shared/core/errors.ts';
import type { Clock, Log, Queue, Store, Topic } from '../shared/core/ports.ts';
import type { Keyring } from '../shared/core/tokens.ts';
import { type FunctionName, wire } from '../functions/wiring.ts';
import { type Answer, callFunction, type Request } from './http-call.ts';
import { stream } from './random.ts';
import type { World } from './world.ts';

/** One running process of the functions, which can die at any call. */
export interface Instance {
  readonly name: string;
  readonly alive: boolean;
  readonly skewMs: number;
  /** Whatever it was in the middle of never comes to an end. */
  kill(): void;
  /** Resolves with undefined when the instance dies before it answers. */
  serve(name: FunctionName, request: Request): Promise<Served | undefined>;
}

export interface Served {
  answer: Answer;
  /** The tokens that `run` gave while it was served. */
  told: readonly string[];
}

/** A request that is being served. */
export interface Serving {
  told: string[];
  /** How many commits there were when it began. */
  begun: number;
}

const serving = new AsyncLocalStorage<Serving>();

/** What is deployed. */
export interface Deployment {
  types: readonly string[];
  distributors: Distributors;
  keyring: Keyring;
}

/** What a call of a port is made of, as the world sees it. */
export interface PortCall<T> {
  /** Names the call in traces and for its fault: the operation and what it is about. */
  name: string;
  apply(serving?: Serving): T;
  detail?: () => string;
  /** When its answer arrives, where that is far later than usual; asked as soon as it is there. */
  answersAt?(): number | undefined;
  /** The token that the answer brings, if it arrives. */
  token?(value: T): string;
  /** Takes no time unless something goes wrong with it: there are 32 in each sweep, and most find nothing. */
  quick?: boolean;
}

/** Makes a call on behalf of an instance, with whatever happens to it. */
export type CallPort = <T>(call: PortCall<T>) => Promise<T>;

/** The shared parts of the world, each as an instance reaches them. */
export interface Backends {
  store(call: CallPort): Store;
  queue(call: CallPort): Queue;
  topic(call: CallPort): Topic;
}

const LATENCY_MS = 8;
const SLOW_MS = 55_000;

export function createInstance(
  world: World,
  backends: Backends,
  { name, skewMs, deployment }: { name: string; skewMs: number; deployment: Deployment },
): Instance {
  const { scheduler, faults, trace } = world;
  const chance = stream(world.seed, `instance ${name}`);
  const deaths = new Set<(value: undefined) => void>();
  let alive = true;
  let tokens = 0;

  function kill(): void {
    if (!alive) return;
    alive = false;
    trace.add(scheduler.now(), `${name} dies`);
    for (const dies of deaths) dies(undefined);
  }

  function call<T>({ name: what, apply, detail, quick, token, answersAt }: PortCall<T>): Promise<T> {
    const fault = faults.call(what);
    const request = serving.getStore();
    if (quick && fault === undefined && alive) return Promise.resolve(apply(request));
    const lost = () => new TransientError(`${what}: on purpose`);
    return new Promise((resolve, reject) => {
      if (fault === 'hangs') return;
      const settle = (act: () => void) => {
        if (alive) act();
      };
      const give = (value: T) => {
        if (token !== undefined) request?.told.push(token(value));
        resolve(value);
      };
      const reach = () => {
        if (!alive) return;
        if (fault === 'slow') faults.arrived(scheduler.now());
        trace.add(scheduler.now(), `${name} ${what}${fault === undefined ? '' : ` (${fault})`}`, detail);
        if (fault === 'fails') return settle(() => reject(lost()));
        if (fault === 'dies before') return kill();
        let outcome: () => void;
        try {
          const value = apply(request);
          outcome = fault === 'fails after' ? () => reject(lost()) : () => give(value);
        } catch (error) {
          outcome = () => reject(error);
        }
        if (fault === 'dies after') return kill();
        // What was read may be old by the time that it arrives.
        const delayMs = chance.chance(0.3) ? chance.between(1, LATENCY_MS) : 0;
        const at = fault === 'fails after' ? undefined : answersAt?.();
        if (at !== undefined) scheduler.at(at, () => settle(outcome));
        else if (delayMs > 0) scheduler.after(delayMs, () => settle(outcome));
        else settle(outcome);
      };
      scheduler.after(fault === 'slow' ? chance.between(1000, SLOW_MS) : chance.between(0, LATENCY_MS), reach);
    });
  }

  const clock: Clock = {
    now: () => scheduler.now() + skewMs,
    sleep: (milliseconds, signal) =>
      new Promise((resolve, reject) => {
        const takeBack = scheduler.after(milliseconds, () => {
          if (alive) resolve();
        });
        const abort = () => {
          takeBack();
          reject(signal?.reason as Error);
        };
        if (signal?.aborted) abort();
        else signal?.addEventListener('abort', abort, { once: true });
      }),
  };

  const log: Log = {
    info: (message, fields) => world.logged(name, 'info', message, fields),
    warn: (message, fields) => world.logged(name, 'warn', message, fields),
    error: (message, fields) => world.logged(name, 'error', message, fields),
  };

  const types = typeTable(deployment.types.map(type => world.executor.typeFor(type, call)));
  const { functions } = wire(
    {
      store: backends.store(call),
      queue: backends.queue(call),
      topic: backends.topic(call),
      clock,
      log,
      // Never near 0, so that a delay that was drawn can be told from one that was lost.
      random: {
        fraction: () => 0.01 + 0.98 * chance.fraction(),
        token: () => `${world.seed}-${name}-${++tokens}`.padEnd(22, '-'),
      },
      http: { request: () => Promise.reject(new Error('nothing is called by HTTP in this world')) },
      keyring: deployment.keyring,
      types,
      distributors: deployment.distributors,
      jobUrl: 'https://job.example',
      secret: reference => reference,
      accessToken: scope => Promise.resolve(scope),
    },
    { log, local: false },
  );

  return {
    name,
    skewMs,
    get alive() {
      return alive;
    },
    kill,
    serve(functionName, request) {
      if (!alive) return Promise.resolve(undefined);
      const { promise: died, resolve: dies } = Promise.withResolvers<undefined>();
      const answered = async () => {
        const told: string[] = [];
        const answer = await serving.run({ told, begun: world.database.commits() }, () =>
          callFunction(functions[functionName], request),
        );
        deaths.delete(dies);
        return alive ? { answer, told } : undefined;
      };
      deaths.add(dies);
      return Promise.race([answered(), died]);
    },
  };
}
