import type { TaskDescription } from '../../shared/adapters/contract.ts';
import type { Attempt } from '../../shared/core/attempt.ts';
import { type AttemptId, attemptId, type ExecutionId, executionId, parseAttemptId } from '../../shared/core/ids.ts';
import type { JsonObject } from '../../shared/core/json.ts';
import type { Store } from '../../shared/core/ports.ts';
import { normalizeQuest } from '../../shared/core/quest.ts';
import { finished, type TaskResult, type TaskStatus } from '../../shared/core/result.ts';
import type { Dependencies } from '../../shared/engine/depend.ts';
import { createTestEngineOn, type TestEngine, type TestEngineOptions } from './engine.ts';
import { createMemoryStore, type MemoryStore } from './memory-store.ts';

export interface Graph<S extends Store = MemoryStore> extends TestEngine<S> {
  /** The first attempt of the quest of this name. */
  id(name: string): AttemptId;
  /** A client asks for it, and its first execution is launched and activated. */
  begin(...names: string[]): Promise<void>;
  /** Activates the current execution; resolves with its persistent state. */
  activate(name: string): Promise<JsonObject | undefined>;
  /** The current execution asks for these; `number` names an earlier one. */
  ask(name: string, dependencies: string[], more?: object, number?: number): Promise<Dependencies>;
  /** The job of the current execution ends, as its executor reports. */
  exit(name: string, result?: TaskResult, options?: Exit): Promise<void>;
  /** The current execution finishes its attempt and ends. */
  finish(name: string, data?: JsonObject, options?: Exit): Promise<void>;
  current(name: string): Promise<ExecutionId>;
  attemptOf(name: string): Promise<Attempt>;
  /** The description that its executor got of an execution. */
  taskOf(id: ExecutionId): TaskDescription;
}

interface Exit {
  /** Whether all that follows from it is done, too. */
  settle: boolean;
}

type GraphOptions = TestEngineOptions & { meta?: Record<string, object> };

export function descOf(name: string, meta: object = {}): object {
  return { distributorConfigName: 'echo', parameters: { name }, meta: { mode: 'interactive', ...meta } };
}

/** The token that the job of an execution chooses. */
export const tokenOf = (id: ExecutionId) => id.replaceAll('|', '.').padEnd(60, 'x');

/** Interactive quests, told apart by names, whose jobs do what a test says. */
export function createGraph(options?: GraphOptions): Graph;
export function createGraph<S extends Store>(options: GraphOptions & { store: S }): Graph<S>;
export function createGraph(options: GraphOptions & { store?: Store } = {}): Graph<Store> {
  const { meta = {}, store = createMemoryStore(), ...others } = options;
  const world = createTestEngineOn(store, {
    script: {
      run: async ({ executionId: of }) => ({ token: `job-${of}` }),
      cancel: async () => {},
      handleNotification: async ({ data }) => JSON.parse(data) as TaskStatus,
    },
    ...others,
  });
  const quest = (name: string) => descOf(name, meta[name]);
  const graph: Graph<Store> = Object.assign(world, {
    id: name => attemptId(normalizeQuest(quest(name)).id, 1),
    async begin(...names) {
      await world.engine.ensureGraph({ quests: names.map(name => ({ desc: quest(name) })) });
      await world.settle();
      for (const name of names) await graph.activate(name);
    },
    async current(name) {
      const { quest: of, attempt } = parseAttemptId(graph.id(name));
      return executionId(of, attempt, (await graph.attemptOf(name)).executions);
    },
    attemptOf: name => world.attempt(graph.id(name)),
    taskOf: id =>
      world.executor.argsOf('run').findLast(task => (task as TaskDescription).executionId === id) as TaskDescription,
    async activate(name) {
      const id = await graph.current(name);
      const { activationToken } = graph.taskOf(id).executionAuth;
      return world.engine.activate(id, { activationToken, executionToken: tokenOf(id) });
    },
    async ask(name, dependencies, more = {}, number?) {
      const { quest: of, attempt } = parseAttemptId(graph.id(name));
      const id = number === undefined ? await graph.current(name) : executionId(of, attempt, number);
      const quests = dependencies.map(one => ({ desc: quest(one) }));
      return world.engine.ensureGraphData(id, { executionToken: tokenOf(id), request: { quests, ...more } });
    },
    async exit(name, result = { data: { of: name } }, { settle } = { settle: true }) {
      await world.notify(await graph.current(name), finished(result));
      if (settle) await world.settle();
    },
    async finish(name, data = { done: name }, exit) {
      const id = await graph.current(name);
      await world.engine.finish(id, { executionToken: tokenOf(id), data: { data } });
      await graph.exit(name, undefined, exit);
    },
  } satisfies Omit<Graph<Store>, keyof TestEngine>);
  return graph;
}
