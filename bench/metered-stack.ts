import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../functions/system.ts';
import { FUNCTION_NAMES, type FunctionName } from '../functions/wiring.ts';
import { type EmulatorStack, startEmulatorStack } from '../local/emulators/stack.ts';
import { attemptId, type QuestId } from '../shared/core/ids.ts';
import { openFirestore } from '../shared/google/firestore.ts';
import { createStore } from '../shared/google/store.ts';
import { describe, type Kind } from './budget.ts';
import { createCaller } from './caller.ts';
import { startExecutor } from './executor.ts';
import { type CallCounts, noCalls } from './wire/call-counts.ts';
import { type GrpcMeter, startGrpcMeter } from './wire/grpc-meter.ts';
import { type HttpMeter, startHttpMeter } from './wire/http-meter.ts';

export interface MeteredStack {
  stack: EmulatorStack;
  meters: Record<FunctionName, HttpMeter>;
  /** Resolves with the quest's id. `distributor`: not the kind's usual one. */
  submit(kind: Kind, name: string, distributor?: string): Promise<QuestId>;
  /** Resolves once each of these has finished, and nothing is under way any more. */
  settle(quests: readonly QuestId[]): Promise<void>;
  /** What the functions asked of the emulators since the last reset. */
  counts(names: readonly FunctionName[]): CallCounts;
  /** Counts from zero. */
  reset(): void;
  /** The most unattended jobs that there ever were at once. */
  mostJobs(): number;
  close(): Promise<void>;
}

const POLL_MS = 5;

/** The deployed functions on the emulators, with a meter at each way into a function and out of it. */
export async function startMeteredStack(directory: string): Promise<MeteredStack> {
  await using opened = new AsyncDisposableStack();
  const meters = new Map<FunctionName, HttpMeter>();
  const outgoing = new Map<FunctionName, GrpcMeter[]>(FUNCTION_NAMES.map(name => [name, []]));
  const stack = opened.adopt(
    await startEmulatorStack(
      {
        port: 0,
        dataDir: directory,
        distributorsFile: join(import.meta.dirname, 'distributors.yaml'),
        logLevel: 'warn',
      },
      {
        between: {
          async callers(name, target) {
            const meter = opened.adopt(await startHttpMeter(target), ({ close }) => close());
            meters.set(name, meter);
            return meter.url;
          },
          async emulator(name, target) {
            const meter = opened.adopt(await startGrpcMeter(target), ({ close }) => close());
            outgoing.get(name)!.push(meter);
            return meter.host;
          },
        },
      },
    ),
    ({ close }) => close(),
  );
  const caller = opened.adopt(createCaller(), ({ close }) => close());
  const executor = opened.adopt(await startExecutor(caller), ({ close }) => close());
  // Past the meters.
  const firestore = opened.adopt(
    openFirestore({ projectId: stack.projectId, emulatorHost: stack.firestoreHost }),
    one => one.terminate(),
  );
  const store = createStore(firestore, { clock: systemClock });

  function counts(names: readonly FunctionName[]): CallCounts {
    return names.flatMap(name => outgoing.get(name)!).reduce((sum, meter) => added(sum, meter.counts), noCalls());
  }

  const isQuiet = () =>
    stack.taskStats().pending === 0 &&
    FUNCTION_NAMES.every(name => meters.get(name)!.inFlight === 0) &&
    meters.get('notify')!.requests >= counts(FUNCTION_NAMES).messages;

  const running = opened.move();
  return {
    stack,
    meters: Object.fromEntries(meters) as Record<FunctionName, HttpMeter>,
    async submit(kind, name, distributor) {
      const named = distributor === undefined ? {} : { distributorConfigName: distributor };
      const quests = [{ desc: { ...describe(kind, name, executor.url), ...named } }];
      const ensured = await caller.call('POST', `${stack.urls.api}/v1/graph:ensure`, { quests });
      return (ensured as { questIds: QuestId[] }).questIds[0]!;
    },
    async settle(quests) {
      for (const quest of quests) {
        for (;;) {
          const state = (await store.get('attempt', attemptId(quest, 1)))?.doc.state;
          if (state === 'FINISHED') break;
          if (state === 'ABNORMAL_FINISHED') throw new Error(`the execution of quest ${quest} failed`);
          await sleep(POLL_MS);
        }
      }
      while (!isQuiet()) await sleep(POLL_MS);
    },
    counts,
    reset() {
      for (const meter of [...meters.values(), ...[...outgoing.values()].flat()]) meter.reset();
    },
    mostJobs: executor.mostAtOnce,
    close: () => running.disposeAsync(),
  };
}

function added(a: CallCounts, b: CallCounts): CallCounts {
  const sum = { ...a, calls: merged(a.calls, b.calls), failed: merged(a.failed, b.failed) };
  for (const what of COUNTED) sum[what] += b[what];
  return sum;
}

const COUNTED = ['reads', 'writes', 'adapterReads', 'adapterWrites', 'messages', 'messageBytes'] as const;

function merged(a: Record<string, number>, b: Record<string, number>): Record<string, number> {
  return Object.fromEntries([...Object.keys(a), ...Object.keys(b)].map(key => [key, (a[key] ?? 0) + (b[key] ?? 0)]));
}
