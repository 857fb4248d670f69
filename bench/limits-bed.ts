import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { commonConfig, type DistributorType, type TaskDescription } from '../shared/adapters/contract.ts';
import { parseDistributors } from '../shared/adapters/distributors.ts';
import { typeTable } from '../shared/adapters/registry.ts';
import { readStatus } from '../shared/adapters/status-message.ts';
import { type Attempt, idOfAttempt, isAttemptOver } from '../shared/core/attempt.ts';
import type { Execution } from '../shared/core/execution.ts';
import type { Write } from '../shared/core/ports.ts';
import { finished, running } from '../shared/core/result.ts';
import { idOfSlot, type Slot } from '../shared/core/slot.ts';
import { createEngine } from '../shared/engine/engine.ts';
import { runLoad } from './load.ts';
import { benchLog, deliverTo, embeddedParts, watchedStore } from './parts.ts';

export interface Limited {
  /** As the executor saw it. */
  mostJobs: number;
  /** As it was stored. */
  mostHeld: number;
  /** Documents written: all of them, and what only a limit causes. */
  writes: { all: number; line: number; take: number; free: number; idle: number };
  /** Commits that met somebody else's. */
  refused: number;
  /** Deliveries that failed, and came again. */
  repeated: number;
  /** Executions created after that of an attempt which stood in line later. */
  startedLate: number;
  /** From the commit that frees a slot until `run` is called for the execution that takes it next, for each. */
  idleMs: number[];
  drainedPerSecond: number;
  perSecond: number;
}

export interface LimitedLoad {
  count: number;
  /** Engines, each on the same store and queue. */
  instances: number;
  /** Absent: no limit. */
  maxInFlight?: number;
}

const WORK_MS = 10;
const SUBMITTED_TOGETHER = 50;
const RESULT = { data: { answer: 42 } };

/** All executions are asked for at once; jobs end once each has begun or stands in line. */
export async function measureLimits(
  directory: string,
  { count, instances, maxInFlight }: LimitedLoad,
): Promise<Limited> {
  const arrivals = Promise.withResolvers<void>();
  const ends = Promise.withResolvers<void>();
  const observed = createObserver({ count, arrived: arrivals.resolve, ended: ends.resolve });
  const jobs = new Set<string>();
  const begun = new Set<string>();
  let mostJobs = 0;

  async function runJob({ executionId, prepareTopic }: TaskDescription): Promise<void> {
    if (begun.has(executionId)) return;
    begun.add(executionId);
    jobs.add(executionId);
    mostJobs = Math.max(mostJobs, jobs.size);
    observed.run(executionId);
    await arrivals.promise;
    await sleep(WORK_MS);
    jobs.delete(executionId);
    await parts.topic.publish({ data: JSON.stringify(finished(RESULT)), attributes: prepareTopic().attributes });
  }

  const type: DistributorType = {
    type: 'memory',
    modes: ['unattended'],
    configSchema: z.strictObject(commonConfig),
    create: () => ({
      async run(task) {
        void runJob(task);
        return { token: task.executionId, status: running() };
      },
      cancel: async () => {},
      getStatus: async ({ token }) => (jobs.has(token) ? running() : finished(RESULT)),
      infoUrl: () => undefined,
      handleNotification: async ({ data }) => readStatus(data),
      handleTaskQueueTask: async () => [],
      validate: () => {},
    }),
  };
  let deliveries = 0;
  /** Instances that want the same slot at the same time are nothing that should not happen. */
  const warnings = new Map<string, number>();
  const parts = embeddedParts(
    directory,
    deliverTo(() => engines[deliveries++ % instances]!),
    { log: { ...benchLog, warn: message => void warnings.set(message, (warnings.get(message) ?? 0) + 1) } },
  );
  const types = typeTable([type]);
  const options = {
    ...parts,
    store: watchedStore(parts.store, observed),
    types,
    distributors: parseDistributors(
      { memory: { type: 'memory', config: { ...(maxInFlight !== undefined && { maxInFlight }) } } },
      types,
    ),
    http: { request: ({ url }: { url: string }) => Promise.reject(new Error(`unexpected call: ${url}`)) },
    jobUrl: 'http://127.0.0.1',
  };
  const engines = Array.from({ length: instances }, () => createEngine(options));
  parts.start();

  const startedAt = performance.now();
  await runLoad(Math.ceil(count / SUBMITTED_TOGETHER), 4, async batch => {
    const size = Math.min(SUBMITTED_TOGETHER, count - batch * SUBMITTED_TOGETHER);
    const quests = Array.from({ length: size }, (_, n) => ({
      desc: { distributorConfigName: 'memory', parameters: { batch, n } },
    }));
    await engines[batch % instances]!.ensureGraph({ quests });
  });
  await arrivals.promise;
  const arrivedAt = performance.now();
  await ends.promise;
  const endedAt = performance.now();
  // Slots that nobody waits for are written once more.
  while (parts.queue.counts().pending + parts.topic.counts().pending > 0) await sleep(1);
  await parts.stop();
  return {
    ...observed.result(),
    mostJobs,
    repeated: warnings.get('a delivery failed and will be repeated') ?? 0,
    drainedPerSecond: (count / (endedAt - arrivedAt)) * 1000,
    perSecond: (count / (endedAt - startedAt)) * 1000,
  };
}

/** Sees all that is committed, in the order in which it was. */
function createObserver({ count, arrived, ended }: { count: number; arrived(): void; ended(): void }) {
  const writes: Limited['writes'] = { all: 0, line: 0, take: 0, free: 0, idle: 0 };
  /** Attempts that have begun or stood in line; those, with the time. */
  const seen = new Set<string>();
  const cameAt = new Map<string, number>();
  let latestStarted = 0;
  let startedLate = 0;
  let over = 0;
  let refused = 0;
  const held = new Set<string>();
  let mostHeld = 0;
  const freedAt = new Map<string, number>();
  /** When the slot was freed that an execution has taken. */
  const idleSince = new Map<string, number>();
  const idleMs: number[] = [];

  function see(id: string): void {
    if (seen.has(id)) return;
    seen.add(id);
    if (seen.size === count) arrived();
  }

  function seeAttempt(attempt: Attempt): void {
    if (attempt.state === 'SCHEDULING' && attempt.queued !== undefined) {
      writes.line++;
      cameAt.set(idOfAttempt(attempt), attempt.queued.at);
      see(idOfAttempt(attempt));
    }
    if (!isAttemptOver(attempt)) return;
    if (attempt.state !== 'FINISHED') throw new Error(`${idOfAttempt(attempt)} ended as ${attempt.state}`);
    if (++over === count) ended();
  }

  function seeExecution(execution: Execution): void {
    if (execution.revision > 1) return;
    const at = cameAt.get(idOfAttempt(execution));
    see(idOfAttempt(execution));
    // Who never stood in line found nobody there.
    if (at === undefined) return;
    if (at < latestStarted) startedLate++;
    latestStarted = Math.max(latestStarted, at);
  }

  function seeSlot(slot: Slot): void {
    const id = idOfSlot(slot);
    if (slot.freeAt === undefined) {
      writes.take++;
      held.add(id);
      mostHeld = Math.max(mostHeld, held.size);
      const since = freedAt.get(id);
      if (since !== undefined) idleSince.set(slot.holder ?? '', since);
    } else if (slot.wakeAt !== undefined) {
      writes.free++;
      held.delete(id);
      freedAt.set(id, performance.now());
    } else writes.idle++;
  }

  return {
    committed(committed: readonly Write[]): void {
      writes.all += committed.length;
      for (const { kind, doc } of committed) {
        if (kind === 'attempt') seeAttempt(doc);
        if (kind === 'execution') seeExecution(doc);
        if (kind === 'slot') seeSlot(doc);
      }
    },
    refused: () => void refused++,
    run(execution: string): void {
      const since = idleSince.get(execution);
      if (since !== undefined) idleMs.push(performance.now() - since);
    },
    result: () => ({ writes, refused, startedLate, mostHeld, idleMs }),
  };
}
