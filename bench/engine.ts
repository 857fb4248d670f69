import type { DistributorType, TaskDescription } from '../shared/adapters/contract.ts';
import { commonConfig } from '../shared/adapters/contract.ts';
import { parseDistributors } from '../shared/adapters/distributors.ts';
import { typeTable } from '../shared/adapters/registry.ts';
import { readStatus, statusNotification } from '../shared/adapters/status-message.ts';
import { attemptId, parseExecutionId, type QuestId } from '../shared/core/ids.ts';
import { abnormal, finished, running, type ResultData } from '../shared/core/result.ts';
import { adapterTaskSchema } from '../shared/engine/adapter-task.ts';
import { createEngine, type Engine } from '../shared/engine/engine.ts';
import { wakeSchema } from '../shared/engine/wake-task.ts';
import { z } from 'zod';
import { type Figure, median, percentile, type Scale } from './figures.ts';
import { repeat, runLoad } from './load.ts';
import { embeddedParts } from './parts.ts';

const AT_FULL_LOAD = 256;
/** How long a job works; a real one would not answer before its `run` has returned. */
const WORK_MS = 2;

/** How an execution gets on: reported by a notification, by a poll, by a task of its adapter; by its job; or not at all. */
const KINDS = ['unattended', 'polled', 'by task', 'interactive', 'cancelled'] as const;
type Kind = (typeof KINDS)[number];

/** The engine on SQLite without HTTP: its queue and its topic deliver straight into it. */
export async function engine({ runs, scaled }: Scale): Promise<Figure[]> {
  const measured = await repeat(runs, async directory => {
    const bed = createBed(directory);
    await runLoad(scaled(2000), AT_FULL_LOAD, n => bed.execute('unattended', `warm-up ${n}`));
    const { perSecond } = await runLoad(scaled(20_000), AT_FULL_LOAD, n => bed.execute('unattended', `load ${n}`));
    bed.events.clear();
    for (const kind of KINDS) {
      await runLoad(scaled(1000), 1, n => bed.execute(kind, `alone ${n}`));
    }
    await bed.stop();
    return { perSecond, events: bed.events };
  });
  // What is owed later happens in some runs only.
  const names = [...measured[0]!.events.keys()].filter(name => measured.every(({ events }) => events.has(name)));
  const ofEvent = (name: string, of: (values: number[]) => number) =>
    measured.map(({ events }) => of(events.get(name) ?? []));
  return [
    {
      name: `unattended executions, ${AT_FULL_LOAD} at a time`,
      unit: '1/s',
      runs: measured.map(({ perSecond }) => perSecond),
      target: { atLeast: 1500 },
    },
    ...names.flatMap(name => [
      { name: `${name}, one at a time, p50`, unit: 'ms', runs: ofEvent(name, median) },
      { name: `${name}, one at a time, p99`, unit: 'ms', runs: ofEvent(name, values => percentile(values, 99)) },
    ]),
  ];
}

/** An engine with an executor in memory that works as a real one would: it answers a token, and later notifies. */
function createBed(directory: string) {
  const events = new Map<string, number[]>();
  const ends = new Map<string, PromiseWithResolvers<void>>();
  /** When `run` returned, by attempt: from then on its outcome is recorded. */
  const runReturnedAt = new Map<string, number>();

  function record(event: string, sinceMs: number): void {
    const known = events.get(event);
    const ms = performance.now() - sinceMs;
    if (known === undefined) events.set(event, [ms]);
    else known.push(ms);
  }

  async function timed<T>(event: string, work: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    const value = await work();
    record(event, startedAt);
    return value;
  }

  function endOf(quest: string): PromiseWithResolvers<void> {
    const known = ends.get(quest) ?? Promise.withResolvers<void>();
    ends.set(quest, known);
    return known;
  }

  const parts = embeddedParts(directory, {
    async task({ path, body }, { retryCount }) {
      if (path.startsWith('distributor/')) {
        const name = path.slice('distributor/'.length);
        await timed('adapter task', () => bench.handleAdapterTask(name, adapterTaskSchema.parse(body), retryCount));
        return;
      }
      const target = wakeSchema.parse(body);
      const startedAt = performance.now();
      const outcome = await bench.wake(target);
      const [quest = ''] = target.id.split('|');
      if (outcome === 'launched') {
        const returnedAt = runReturnedAt.get(target.id) ?? startedAt;
        runReturnedAt.delete(target.id);
        record('launch (claim, run, record)', startedAt);
        record('record', returnedAt);
      } else {
        record(`wake: ${outcome}`, startedAt);
      }
      if (outcome === 'cancel' || outcome === 'poll') endOf(quest).resolve();
    },
    async message({ message: { data = '', attributes } }) {
      const message = { data: Buffer.from(data, 'base64').toString(), attributes };
      await timed('notify', () => bench.receiveMessage(message));
      const [quest = ''] = attributes.execution_id!.split('|');
      endOf(quest).resolve();
    },
  });

  async function runJob(task: TaskDescription): Promise<void> {
    const { executionId, executionAuth, quest } = task;
    const kind = quest.parameters.kind as Kind;
    const ids = parseExecutionId(executionId);
    if (kind === 'cancelled') {
      await timed('cancel', () => bench.cancelAttempt(attemptId(ids.quest, ids.attempt), 'for the bench'));
      return;
    }
    if (kind === 'interactive') {
      const executionToken = parts.random.token(32);
      const { activationToken } = executionAuth;
      await timed('activate', () => bench.activate(executionId, { activationToken, executionToken }));
      await timed('finish', () => bench.finish(executionId, { executionToken, data: RESULT }));
    }
    await parts.topic.publish({ data: JSON.stringify(finished(RESULT)), attributes: task.prepareTopic().attributes });
  }

  const type: DistributorType = {
    type: 'memory',
    modes: ['unattended', 'interactive'],
    configSchema: z.strictObject(commonConfig),
    create: (_, services) => ({
      async run(task) {
        const { executionId } = task;
        const { quest, attempt } = parseExecutionId(executionId);
        const kind = task.quest.parameters.kind as Kind;
        if (kind === 'by task') await services.enqueueTask({ executionId, payload: {} });
        else if (kind !== 'polled') setTimeout(() => void runJob(task), WORK_MS);
        runReturnedAt.set(attemptId(quest, attempt), performance.now());
        return { token: executionId, status: running(), ...(kind === 'polled' && { pollAfterMs: WORK_MS }) };
      },
      cancel: async () => {},
      getStatus: async (_handle, { parameters }) =>
        finished(parameters.kind === 'polled' ? RESULT : abnormal('CANCELLED', 'cancelled')),
      infoUrl: () => undefined,
      handleNotification: async ({ data }) => readStatus(data),
      handleTaskQueueTask: async ({ executionId }) =>
        executionId === undefined ? [] : [statusNotification(executionId, finished(RESULT))],
      validate: () => {},
    }),
  };
  const types = typeTable([type]);
  const bench: Engine = createEngine({
    ...parts,
    types,
    distributors: parseDistributors({ memory: { type: 'memory' } }, types),
    http: { request: ({ url }) => Promise.reject(new Error(`unexpected call: ${url}`)) },
    jobUrl: 'http://127.0.0.1',
  });
  parts.start();

  async function execute(kind: Kind, name: string): Promise<void> {
    const mode = kind === 'interactive' ? 'interactive' : 'unattended';
    const desc = { distributorConfigName: 'memory', parameters: { kind, name }, meta: { mode } };
    const { questIds } = await timed('ensure', () => bench.ensureGraph({ quests: [{ desc }] }));
    const quest = questIds[0] as QuestId;
    await endOf(quest).promise;
    ends.delete(quest);
    const stored = await parts.store.get('attempt', attemptId(quest, 1));
    const expected = kind === 'cancelled' ? 'ABNORMAL_FINISHED' : 'FINISHED';
    if (stored?.doc.state !== expected) throw new Error(`a ${kind} execution ended as ${stored?.doc.state}`);
  }

  return { events, execute, stop: parts.stop };
}

const RESULT: ResultData = { data: { answer: 42 } };
