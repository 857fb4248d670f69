import { setTimeout as sleep } from 'node:timers/promises';
import type { FunctionName } from '../functions/wiring.ts';
import type { QuestId } from '../shared/core/ids.ts';
import type { Figure, Scale } from './figures.ts';
import { billedSeconds, instanceSecondsAt } from './instance-time.ts';
import { inTemporaryDirectory, runLoad } from './load.ts';
import { type MeteredStack, startMeteredStack } from './metered-stack.ts';
import { IDLE_SWEEPS, idleFigures } from './idle-cost.ts';
import { costs, dollars, instanceUsage, mapUsage, totalOf, type Usage } from './prices.ts';
import { processorMs } from './start-time.ts';
import type { HttpMeter } from './wire/http-meter.ts';

/** Executions per second that two cores can do with emulators beside them; submitted at even intervals, come what may. */
const MEASURED_RATE = 8;
const LOAD_SECONDS = 75;
/** Code that is not compiled yet would count several times what it costs later. */
const WARM_UP = 600;
/** Executions per second for which instances are computed from the processor time that was measured. */
const STATED_RATES = [20, 50, 100, 200];
/** The target is for this one. */
const STATED_RATE = 100;

const MILLION = 1_000_000;
const MAX_DOLLARS = 15;

/** As the budget counts: neither the client's one call to submit nor those to ask. */
const EXECUTING: readonly FunctionName[] = ['job', 'notify', 'tasks'];
const SUBMITTING: readonly FunctionName[] = ['api'];
const CALLED: readonly FunctionName[] = [...SUBMITTING, ...EXECUTING];

/**
 * What a million unattended executions, and a month without any, would cost: operations counted on the wire × list prices.
 * Instances are those of deploy.sh: one processor, 512 MiB, up to 80 requests at once.
 */
export async function cost({ scaled }: Scale): Promise<Figure[]> {
  if (process.platform !== 'linux')
    throw new Error('processor time of other processes is read from /proc, on Linux only');
  return inTemporaryDirectory(async directory => {
    const bed = await startMeteredStack(directory);
    try {
      await runLoad(scaled(WARM_UP), 8, async n => bed.settle([await bed.submit('unattended', `warm-up ${n}`)]));
      const load = await measureLoad(bed, scaled(LOAD_SECONDS * MEASURED_RATE));
      return [...loadFigures(load), ...(await idleFigures(bed, scaled(IDLE_SWEEPS)))];
    } finally {
      await bed.close();
    }
  });
}

/** All per execution. */
interface Load {
  operations: Usage;
  /** What the http adapter keeps for itself, until it is deleted. */
  adapter: Usage;
  submit: Usage;
  /** Charged for. */
  instanceSeconds: number;
  processorSeconds: Map<FunctionName, number>;
  /** Executions per second. */
  achieved: number;
  requestsAtOnce: number;
}

async function measureLoad(bed: MeteredStack, executions: number): Promise<Load> {
  const { stack, meters } = bed;
  const processorOf = () => CALLED.map(name => processorMs(stack.pid(name)!)!);
  await bed.settle([]);
  bed.reset();
  const tasksBefore = stack.taskStats();
  const processorBefore = processorOf();
  const startedAt = performance.now();
  await bed.settle(await submitSteadily(bed, executions));
  const seconds = (performance.now() - startedAt) / 1000;
  const processorAfter = processorOf();
  const tasksAfter = stack.taskStats();

  // Who submits reads and writes, too: that is in the budget.
  const counts = bed.counts(CALLED);
  const created = tasksAfter.created - tasksBefore.created;
  const dispatched = tasksAfter.dispatched - tasksBefore.dispatched;
  const each = (usage: Usage): Usage => mapUsage(usage, amount => amount / executions);
  const sumOf = (value: (meter: HttpMeter) => number) => EXECUTING.reduce((sum, name) => sum + value(meters[name]), 0);
  return {
    operations: each({
      reads: counts.reads,
      writes: counts.writes,
      taskOperations: created + dispatched,
      messageBytes: counts.messageBytes * (1 + meters.notify.requests / counts.messages),
      requests: sumOf(meter => meter.requests),
    }),
    adapter: each({ reads: counts.adapterReads, writes: counts.adapterWrites, deletes: executions }),
    submit: each({ requests: meters.api.requests }),
    instanceSeconds: sumOf(({ busy }) => billedSeconds(busy)) / executions,
    processorSeconds: new Map(
      CALLED.map((name, i) => [name, (processorAfter[i]! - processorBefore[i]!) / 1000 / executions]),
    ),
    achieved: executions / seconds,
    requestsAtOnce: Math.max(...CALLED.map(name => meters[name].peak)),
  };
}

function loadFigures(load: Load): Figure[] {
  const perMillion = (usage: Usage) => costs(mapUsage(usage, amount => amount * MILLION));
  const operations = perMillion(load.operations);
  const instances = (rate: number, names = EXECUTING) => {
    const processorSeconds = names.map(name => load.processorSeconds.get(name)!);
    return totalOf(perMillion(instanceUsage(instanceSecondsAt(rate, processorSeconds))));
  };
  const allIn = (rate: number) => totalOf(operations) + instances(rate);
  const adapter = totalOf(perMillion(load.adapter));
  const submit = totalOf(perMillion(load.submit)) + instances(STATED_RATE, SUBMITTING);
  const measured = totalOf(perMillion(instanceUsage(load.instanceSeconds)));
  return [
    ...dollars(operations, '$/M'),
    ...STATED_RATES.flatMap((rate): Figure[] => [
      { name: `instances at ${rate}/s`, unit: '$/M', runs: [instances(rate)] },
      {
        name: `all in at ${rate}/s`,
        unit: '$/M',
        runs: [allIn(rate)],
        ...(rate === STATED_RATE && { target: { atMost: MAX_DOLLARS } }),
      },
    ]),
    { name: 'on top, by the http adapter: documents of its own', unit: '$/M', runs: [adapter] },
    { name: `on top, by the client: one call to submit at ${STATED_RATE}/s`, unit: '$/M', runs: [submit] },
    { name: `with both at ${STATED_RATE}/s`, unit: '$/M', runs: [allIn(STATED_RATE) + adapter + submit] },
    { name: `instances, as charged at the measured ${MEASURED_RATE}/s`, unit: '$/M', runs: [measured] },
    { name: '– instance time per execution', unit: 'ms', runs: [load.instanceSeconds * 1000] },
    { name: '– requests at once in one instance, most', unit: '', runs: [load.requestsAtOnce] },
    { name: '– executions, achieved', unit: '1/s', runs: [load.achieved] },
    ...CALLED.map(name => ({
      name: `– processor time per execution, ${name}`,
      unit: 'ms',
      runs: [load.processorSeconds.get(name)! * 1000],
    })),
  ];
}

async function submitSteadily(bed: MeteredStack, executions: number): Promise<QuestId[]> {
  const startedAt = performance.now();
  const submitted: Promise<QuestId>[] = [];
  for (let n = 0; n < executions; n++) {
    await sleep(Math.max(0, startedAt + (n * 1000) / MEASURED_RATE - performance.now()));
    submitted.push(bed.submit('unattended', `load ${n}`));
  }
  return Promise.all(submitted);
}
