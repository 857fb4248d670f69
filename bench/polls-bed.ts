import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../functions/system.ts';
import { parseDistributors } from '../shared/adapters/distributors.ts';
import { createHttpClient } from '../shared/adapters/http-client.ts';
import { typeTable } from '../shared/adapters/registry.ts';
import { ADAPTER_TYPES } from '../shared/adapters/types.ts';
import { type Execution, idOfExecution, isLive } from '../shared/core/execution.ts';
import { createEngine, type Engine } from '../shared/engine/engine.ts';
import { serveSwarming } from '../test/support/fakes/swarming.ts';
import { serveTes } from '../test/support/fakes/tes.ts';
import { type Serve, servePlain } from '../test/support/plain-server.ts';
import { runLoad } from './load.ts';
import { deliverTo, embeddedParts, watchedStore } from './parts.ts';

const SUBMITTED_TOGETHER = 100;
const SAMPLE_MS = 20;

/** The executor that is asked, in this process. */
interface Executor {
  type: string;
  config: object;
  distributorParameters: object;
  requests: { path: string }[];
  /** All of its jobs, the oldest first. */
  jobs(): readonly Job[];
}

interface Job {
  run(): void;
  succeed(): void;
}

const SERVICES = {
  async swarming(serve: Serve): Promise<Executor> {
    const service = await serveSwarming(Date.now, serve);
    return {
      type: 'swarming',
      config: { endpoint: service.url, pools: ['bench'] },
      distributorParameters: { command: ['true'] },
      requests: service.requests,
      jobs: () =>
        service.tasks.map(task => ({ run: () => service.start(task), succeed: () => service.complete(task) })),
    };
  },
  async tes(serve: Serve): Promise<Executor> {
    const service = await serveTes({}, serve);
    return {
      type: 'tes',
      config: { endpoint: service.endpoint },
      distributorParameters: { executors: [{ image: 'busybox', command: ['true'] }] },
      requests: service.requests,
      jobs: () =>
        service.tasks.map(task => ({
          run: () => void (task.state = 'RUNNING'),
          succeed: () => void Object.assign(task, { state: 'COMPLETE', logs: [{ logs: [{ exit_code: 0 }] }] }),
        })),
    };
  },
};
export type Service = keyof typeof SERVICES;

/** What happened at the executor since it was asked last. */
export const ROUNDS = ['all have begun to run', 'nothing is new', 'a tenth has ended'] as const;
export type Round = (typeof ROUNDS)[number];

export interface Polled {
  requests: number;
  /** From the beginning of the sweep until the last poll was recorded, and nothing was under way any more. */
  seconds: number;
  /** At most, and before; the executor is in it. */
  residentBytes: number;
  residentBefore: number;
  ended: number;
}

/** Executions of one distributor whose polls are all due at once, in an engine on SQLite; the sweep finds them. */
export async function measurePolls(directory: string, name: Service, open: number): Promise<Record<Round, Polled>> {
  await using opened = new AsyncDisposableStack();
  const executor = await SERVICES[name](async answer => opened.adopt(await servePlain(answer), ({ close }) => close()));
  let aheadMs = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + aheadMs };
  const parts = embeddedParts(
    directory,
    deliverTo(() => engine),
    { clock },
  );
  opened.defer(parts.stop);
  const executions = new Map<string, Execution>();
  const types = typeTable(ADAPTER_TYPES);
  const timeouts = { start: '86400s', run: '86400s' };
  const engine: Engine = createEngine({
    ...parts,
    store: watchedStore(parts.store, {
      committed(writes) {
        for (const write of writes) if (write.kind === 'execution') executions.set(idOfExecution(write.doc), write.doc);
      },
    }),
    accessToken: async () => 'token',
    types,
    distributors: parseDistributors({ jobs: { type: executor.type, config: { ...executor.config, timeouts } } }, types),
    http: createHttpClient({ local: true }),
    jobUrl: 'http://127.0.0.1',
  });
  parts.start();

  async function settle(): Promise<void> {
    while (parts.queue.counts().pending > 0) await sleep(1);
  }

  async function poll(): Promise<Polled> {
    const live = [...executions.values()].filter(isLive);
    // As if all had been started in the same moment.
    aheadMs += Math.max(...live.map(({ poll: { nextAt = 0 } }) => nextAt)) - clock.now();
    executor.requests.splice(0);
    globalThis.gc?.();
    const residentBefore = process.memoryUsage.rss();
    let residentBytes = residentBefore;
    const sampler = setInterval(() => {
      residentBytes = Math.max(residentBytes, process.memoryUsage.rss());
    }, SAMPLE_MS);
    const startedAt = performance.now();
    const askedAt = clock.now();
    const { due, complete } = await engine.sweep();
    await settle();
    const seconds = (performance.now() - startedAt) / 1000;
    clearInterval(sampler);
    if (due !== live.length || !complete) throw new Error(`the sweep found ${due} of ${live.length}`);
    const now = live.map(execution => executions.get(idOfExecution(execution))!);
    const missed = now.filter(one => isLive(one) && (one.poll.nextAt ?? 0) <= askedAt).length;
    if (missed > 0) throw new Error(`${missed} of ${live.length} were not polled`);
    const ended = now.filter(one => !isLive(one)).length;
    return { requests: executor.requests.length, seconds, residentBytes, residentBefore, ended };
  }

  await runLoad(Math.ceil(open / SUBMITTED_TOGETHER), 1, async batch => {
    const size = Math.min(SUBMITTED_TOGETHER, open - batch * SUBMITTED_TOGETHER);
    const { distributorParameters } = executor;
    const quests = Array.from({ length: size }, (_, n) => ({
      desc: { distributorConfigName: 'jobs', parameters: { batch, n }, distributorParameters },
    }));
    await engine.ensureGraph({ quests });
    await settle();
  });
  const jobs = executor.jobs();
  if (jobs.length !== open) throw new Error(`there are ${jobs.length} jobs of ${open} executions`);

  for (const job of jobs) job.run();
  const begun = await poll();
  const quiet = await poll();
  for (const job of jobs.slice(0, Math.ceil(open / 10))) job.succeed();
  const ended = await poll();
  return { 'all have begun to run': begun, 'nothing is new': quiet, 'a tenth has ended': ended };
}
