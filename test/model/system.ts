import { formatDuration } from '../../shared/core/duration.ts';
import { type Execution, isLive } from '../../shared/core/execution.ts';
import { type AttemptId, attemptId, executionId, type QuestId } from '../../shared/core/ids.ts';
import type { QueueTask } from '../../shared/core/ports.ts';
import type { Mode } from '../../shared/core/quest.ts';
import type { TaskResult } from '../../shared/core/result.ts';
import { answerOf, createTestEngine } from '../support/engine.ts';
import { createExecutor } from './executor.ts';
import { createModel } from './model.ts';
import { BUDGETS, type Outcome, POLL_MS, TIME_MS, type View, type Word } from './world.ts';

export interface Order {
  newestFirst: boolean;
  twice: boolean;
}

export type System = ReturnType<typeof createSystem>;

/** The engine, and the model beside it: whatever is done to the one is told to the other. */
export function createSystem(mode: Mode) {
  const distributors = { echo: { type: 'fake', config: { pollInterval: formatDuration(POLL_MS) } } };
  const world = createTestEngine({ distributors });
  const { clock, tasks, store } = world;
  const model = createModel(mode, clock.now);
  const executor = createExecutor(model, {
    die() {
      world.restart();
      death.resolve('died');
      death = Promise.withResolvers();
      return new Promise(() => {});
    },
    activate: (n, e) => system.activate(n, e, 'job'),
    cancel: n => system.cancel(n),
  });
  Object.assign(world.executor.script, executor.script);
  const [start, run, stop] = Object.values(TIME_MS).map(formatDuration);
  const meta = { mode, retry: Object.fromEntries(BUDGETS.values()), timeouts: { start, run, stop } };
  let quest: QuestId;
  let death = Promise.withResolvers<'died'>();

  /** At least once: a delivery whose process died comes again. */
  async function deliver(task: QueueTask): Promise<void> {
    const outcome = await Promise.race([world.deliver(task), death.promise]);
    if (outcome === 'died') tasks.push(task);
  }

  const dueTasks = () => tasks.filter(({ at = 0 }) => at <= clock.now());

  async function deliverDue({ newestFirst, twice }: Order): Promise<void> {
    for (let deliveries = 0; deliveries < 1000; deliveries++) {
      const task = dueTasks().at(newestFirst ? -1 : 0);
      if (task === undefined) return;
      tasks.splice(tasks.indexOf(task), 1);
      await deliver(task);
      if (twice) await deliver(task);
    }
  }

  const system = {
    model,
    executor,
    clock,
    attemptId: (n: number): AttemptId => attemptId(quest, n),
    executionId: (n: number, e: number) => executionId(quest, n, e),

    async submit(n: number): Promise<void> {
      model.submit(n);
      const desc = { distributorConfigName: 'echo', meta };
      quest = (await world.engine.ensureGraph({ quests: [{ desc, attempts: [n] }] })).questIds[0]!;
    },

    async cancel(n: number): Promise<void> {
      model.cancel(n);
      await world.engine.cancelAttempt(system.attemptId(n), 'unwanted');
    },

    async activate(n: number, e: number, by: string): Promise<[answer: string, expected: string]> {
      const id = system.executionId(n, e);
      const activationToken = executor.activationTokens.get(id);
      const expected = activationToken === undefined ? 'UNAUTHENTICATED' : model.activate(n, e, by);
      const tokens = { activationToken: activationToken ?? 'guessed', executionToken: executionTokenOf(by) };
      return [await answerOf(world.engine.activate(id, tokens)), expected];
    },

    async finish(n: number, e: number, by: string, result: number): Promise<[answer: string, expected: string]> {
      const expected = model.finish(n, e, by, result);
      const body = { executionToken: executionTokenOf(by), data: { data: { result } } };
      return [await answerOf(world.engine.finish(system.executionId(n, e), body)), expected];
    },

    async notify(n: number, e: number, word: Word): Promise<void> {
      model.told(n, e, word);
      await world.notify(system.executionId(n, e), word);
    },

    /** Another process: what was in memory is gone, and wake-ups that were not yet enqueued; the queue itself is durable. */
    async restart(recovers: boolean): Promise<void> {
      world.restart();
      tasks.splice(0, tasks.length, ...tasks.filter(({ name }) => name !== undefined));
      if (!recovers) return;
      model.recovered();
      await world.engine.recover();
    },

    nextWakeAt: () => Math.min(...Object.values(store.wakeTimes()), ...tasks.map(({ at = 0 }) => at)),

    /** Sweeps and delivers what is due, until a sweep finds nothing. */
    async rest(order: Order = { newestFirst: false, twice: false }): Promise<void> {
      model.swept();
      for (let sweeps = 0; (await world.engine.sweep()).due > 0 || dueTasks().length > 0; sweeps++) {
        if (sweeps > 20) throw new Error('the engine does not come to rest');
        await deliverDue(order);
      }
    },

    async view(n: number): Promise<View> {
      const { attempt, executions } = await world.engine.getAttempt(system.attemptId(n));
      const { state, retries } = attempt;
      const outcome = 'result' in attempt ? outcomeOf(attempt.result) : undefined;
      return { state, retries, outcome, executions: executions.map(({ execution }) => executionView(execution)) };
    },
  };
  return system;
}

function executionView(execution: Execution): View['executions'][number] {
  const isStopping = execution.unwanted?.some(({ abandoned }) => abandoned !== true) === true;
  if (isLive(execution)) return { state: execution.state, outcome: undefined, late: undefined, isStopping };
  const { state, result, lateOutcome } = execution;
  return { state, outcome: outcomeOf(result), late: lateOutcome && outcomeOf(lateOutcome), isStopping };
}

function outcomeOf(result: TaskResult): Outcome {
  return 'data' in result ? (result.data.result as number) : result.abnormalFinish.status;
}

function executionTokenOf(by: string): string {
  return by.padEnd(43, '-');
}
