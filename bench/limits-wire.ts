import { FUNCTION_NAMES, type FunctionName } from '../functions/wiring.ts';
import type { Figure, Scale } from './figures.ts';
import { inTemporaryDirectory, runLoad } from './load.ts';
import { type MeteredStack, startMeteredStack } from './metered-stack.ts';
import type { CallCounts } from './wire/call-counts.ts';

const WAITING = 300;
const SUBMITTED_AT_ONCE = 16;
/** Of `narrow` in distributors.yaml. */
const MAX_IN_FLIGHT = 5;
const EXTRA_WRITES = 3;

/** Sweeps cost the same whatever is executed. */
const EXECUTING: readonly FunctionName[] = FUNCTION_NAMES.filter(name => name !== 'sweep');

/** What a limit adds to an unattended execution, counted on the wires of the deployed functions, where most have to wait. */
export async function limitsWire({ scaled }: Scale): Promise<Figure[]> {
  const count = scaled(WAITING);
  return inTemporaryDirectory(async directory => {
    const bed = await startMeteredStack(directory);
    try {
      const limited = await measure(bed, 'narrow', count);
      const mostJobs = bed.mostJobs();
      const plain = await measure(bed, 'web', count);
      const each = (name: string, value: (load: Load) => number, target?: Figure['target']): Figure[] => [
        { name: `${name} without a limit`, unit: 'each', runs: [value(plain) / count] },
        {
          name: '– in addition',
          unit: 'each',
          runs: [(value(limited) - value(plain)) / count],
          ...(target && { target }),
        },
      ];
      return [
        { name: 'jobs at once', unit: '', runs: [mostJobs], target: { atMost: MAX_IN_FLIGHT } },
        ...each('document writes', ({ counts }) => counts.writes, { atMost: EXTRA_WRITES }),
        ...each('document reads', ({ counts }) => counts.reads),
        ...each('tasks', ({ tasks }) => tasks),
        ...each('calls that failed', ({ counts }) => sum(counts.failed)),
        ...Object.entries(limited.counts.failed).map(([method, calls]) => ({
          name: `– ${method}, with a limit`,
          unit: 'each',
          runs: [calls / count],
        })),
        { name: 'executions', unit: '1/s', runs: [count / limited.seconds] },
        { name: '– without a limit', unit: '1/s', runs: [count / plain.seconds] },
      ];
    } finally {
      await bed.close();
    }
  });
}

interface Load {
  counts: CallCounts;
  tasks: number;
  seconds: number;
}

async function measure(bed: MeteredStack, distributor: string, count: number): Promise<Load> {
  await bed.settle([await bed.submit('unattended', `first of ${distributor}`, distributor)]);
  bed.reset();
  const { created } = bed.stack.taskStats();
  const startedAt = performance.now();
  const quests: Awaited<ReturnType<MeteredStack['submit']>>[] = [];
  await runLoad(count, SUBMITTED_AT_ONCE, async n => {
    quests.push(await bed.submit('unattended', `${distributor} ${n}`, distributor));
  });
  await bed.settle(quests);
  const seconds = (performance.now() - startedAt) / 1000;
  return { counts: bed.counts(EXECUTING), tasks: bed.stack.taskStats().created - created, seconds };
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((all, one) => all + one, 0);
}
