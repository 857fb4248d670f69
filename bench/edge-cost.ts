import { type Counts, COUNTED, createBed } from './budget.ts';
import { createCaller } from './caller.ts';
import type { Figure, Scale } from './figures.ts';
import { startGraphJobs } from './graph-job.ts';
import { repeat } from './load.ts';

/** What an edge may cost at most. */
export const EDGE_BUDGET = { reads: 4, writes: 3 } as const;

const WHATS = Object.keys(COUNTED) as (keyof Counts)[];

/**
 * What one edge costs: by how much a graph costs more than one that has fewer edges and the same executions. Counted in a graph
 * of ten dependents that all need the same dependencies, and in one of a single dependent.
 */
export async function edgeCost({ runs }: Scale): Promise<Figure[]> {
  const measured = await repeat(runs, directory => count(directory));
  return (['ten dependents', 'one dependent'] as const).flatMap(shape =>
    WHATS.map(what => ({
      name: `${COUNTED[what]} per edge, ${shape} of 100 dependencies`,
      unit: 'each',
      runs: measured.map(costs => costs[shape][what]),
      ...(what in EDGE_BUDGET && { target: { atMost: EDGE_BUDGET[what as keyof typeof EDGE_BUDGET] } }),
    })),
  );
}

type Shape = 'ten dependents' | 'one dependent';

export async function count(directory: string): Promise<Record<Shape, Counts>> {
  const bed = await createBed(directory);
  const caller = createCaller();
  const jobs = await startGraphJobs(
    caller,
    ({ round = 0, of = 0 }) => ({
      name: `${round}`,
      dependencies: Array.from({ length: of }, (_, n) => descOf({ round, n })),
    }),
    { begun: () => {}, ended: () => {} },
  );
  let round = 0;

  function descOf(parameters: Record<string, number>): object {
    const distributorParameters = { url: jobs.url };
    return { distributorConfigName: 'web', parameters, distributorParameters, meta: { mode: 'interactive' } };
  }

  /** What this many dependents cost that need the same `of` dependencies. */
  async function costOf(dependents: number, of: number): Promise<Counts> {
    round++;
    bed.reset();
    await bed.finish(Array.from({ length: dependents }, (_, top) => descOf({ round, top, of })));
    return { ...bed.counts };
  }

  await costOf(2, 2);
  const alone = await costOf(50, 0);
  const costs = {} as Record<Shape, Counts>;
  for (const [shape, dependents] of [
    ['ten dependents', 10],
    ['one dependent', 1],
  ] as const) {
    const [many, few] = [await costOf(dependents, 100), await costOf(dependents, 50)];
    costs[shape] = Object.fromEntries(
      WHATS.map(what => [what, (many[what] - few[what] - alone[what]) / (50 * dependents)]),
    ) as unknown as Counts;
  }
  jobs.close();
  caller.close();
  await bed.stop();
  return costs;
}
