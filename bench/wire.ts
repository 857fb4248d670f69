import { setTimeout as sleep } from 'node:timers/promises';
import { FUNCTION_NAMES, type FunctionName } from '../functions/wiring.ts';
import { BUDGETS, type Counts, KINDS } from './budget.ts';
import type { Figure, Scale } from './figures.ts';
import { inTemporaryDirectory } from './load.ts';
import { type MeteredStack, startMeteredStack } from './metered-stack.ts';

const EXECUTIONS = 20;

/** All but the sweep, whose costs do not depend on what is executed. */
const EXECUTING: readonly FunctionName[] = FUNCTION_NAMES.filter(name => name !== 'sweep');
/** Who submits is the client's own call. */
const CALLED: readonly FunctionName[] = EXECUTING.filter(name => name !== 'api');

/** What one execution costs, counted on the wires between the functions as they are deployed and what they use. */
export async function wire({ scaled }: Scale): Promise<Figure[]> {
  const executions = scaled(EXECUTIONS);
  return inTemporaryDirectory(async directory => {
    const bed = await startMeteredStack(directory);
    const figures: Figure[] = [];
    for (const kind of KINDS) {
      await execute(bed, kind, 'first');
      bed.reset();
      const before = bed.stack.taskStats();
      for (let n = 0; n < executions; n++) await execute(bed, kind, `counted ${n}`);
      const after = bed.stack.taskStats();
      const { calls, failed, ...counts } = bed.counts(EXECUTING);
      const each = (name: string, count: number, what?: keyof Counts): Figure => ({
        name: `${kind}: ${name}`,
        unit: 'each',
        runs: [count / executions],
        ...(what && { target: { atMost: BUDGETS[kind][what] } }),
      });
      figures.push(
        each('document reads', counts.reads, 'reads'),
        each('document writes', counts.writes, 'writes'),
        each('tasks created', after.created - before.created, 'tasks'),
        each('– delivered', after.dispatched - before.dispatched),
        each('function calls', requests(bed, CALLED), 'calls'),
        each('messages published', counts.messages),
        each('– delivered', bed.meters.notify.requests),
        each('client’s calls', bed.meters.api.requests),
        each('reads that an adapter does for itself', counts.adapterReads),
        each('writes that an adapter does for itself', counts.adapterWrites),
        ...Object.entries(calls).map(([method, count]) => each(`calls of ${method}`, count)),
        ...Object.entries(failed).map(([method, count]) => each(`failed calls of ${method}`, count)),
      );
    }
    await bed.close();
    return figures;
  });
}

/** Right after a sweep, since one that meets an execution under way would enqueue its wake-up once more. */
async function execute(bed: MeteredStack, kind: (typeof KINDS)[number], name: string): Promise<void> {
  await afterSweep(bed);
  await bed.settle([await bed.submit(kind, name)]);
}

async function afterSweep({ meters: { sweep } }: MeteredStack): Promise<void> {
  const last = () => sweep.busy.at(-1)?.to ?? Number.NEGATIVE_INFINITY;
  while (sweep.inFlight > 0 || performance.now() - last() > SWEPT_FOR_MS) await sleep(5);
}

/** The next sweep comes five seconds after the last one has ended. */
const SWEPT_FOR_MS = 3000;

function requests({ meters }: MeteredStack, names: readonly FunctionName[]): number {
  return names.reduce((sum, name) => sum + meters[name].requests, 0);
}
