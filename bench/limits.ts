import { type Figure, percentile, type Scale } from './figures.ts';
import { type Limited, measureLimits } from './limits-bed.ts';
import { repeat } from './load.ts';

const MAX_IN_FLIGHT = 50;
const WAITING = 5000;
const EXTRA_WRITES = 3;

/** How many engines share the work, each knowing only its own turns: deliveries go to each in turn. */
const INSTANCES = [1, 4] as const;

interface Run {
  plain: Limited;
  limited: Limited;
}

/**
 * One distributor whose jobs are limited, and all executions asked for at once, in engines on SQLite: no job ends before
 * everybody else stands in line. Beside it the same without a limit, where all jobs begin before the first one ends.
 */
export async function limits({ runs, scaled }: Scale): Promise<Figure[]> {
  const count = scaled(WAITING);
  const figures: Figure[] = [];
  for (const instances of INSTANCES) {
    const plain = await repeat(runs, directory => measureLimits(directory, { count, instances }));
    const limited = await repeat(runs, directory =>
      measureLimits(directory, { count, instances, maxInFlight: MAX_IN_FLIGHT }),
    );
    const measured = plain.map((one, run): Run => ({ plain: one, limited: limited[run]! }));
    const which = instances === 1 ? '1 instance' : `${instances} instances`;
    const figure = (name: string, unit: string, value: (run: Run) => number, target?: Figure['target']) =>
      figures.push({
        name: name.startsWith('–') ? name : `${which}: ${name}`,
        unit,
        runs: measured.map(value),
        ...(target && { target }),
      });
    const each = (name: string, value: (run: Run) => number, target?: Figure['target']) =>
      figure(name, 'each', run => value(run) / count, target);

    figure('jobs at once', '', run => run.limited.mostJobs, { atMost: MAX_IN_FLIGHT });
    figure('slots held at once', '', run => run.limited.mostHeld, { atMost: MAX_IN_FLIGHT });
    each('writes without a limit', run => run.plain.writes.all);
    each('– in addition', extraWrites, { atMost: EXTRA_WRITES });
    each('– – to stand in line', run => run.limited.writes.line);
    each('– – to take a slot', run => run.limited.writes.take);
    each('– – to free it', run => run.limited.writes.free);
    each('– – to leave it to whoever comes', run => run.limited.writes.idle);
    each('commits refused', run => run.limited.refused);
    each('deliveries repeated', run => run.limited.repeated);
    figure('started after one that came later', '', run => run.limited.startedLate, { atMost: 0 });
    figure('slot free → its next `run`, p50', 'ms', run => percentile(run.limited.idleMs, 50));
    figure('slot free → its next `run`, p99', 'ms', run => percentile(run.limited.idleMs, 99));
    figure('executions, once all stand in line', '1/s', run => run.limited.drainedPerSecond);
    figure('executions, from the first call to the last end', '1/s', run => run.limited.perSecond);
    figure('– without a limit', '1/s', run => run.plain.perSecond);
  }
  return figures;
}

export function extraWrites({ plain, limited }: Run): number {
  return limited.writes.all - plain.writes.all;
}
