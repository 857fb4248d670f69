import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Figure, Scale } from './figures.ts';
import { type Polled, type Round, ROUNDS, type Service } from './polls-bed.ts';

const OPEN = 10_000;
/** 100 of 10,000. */
const REQUESTS_AT_MOST = 0.01;
const MIB = 2 ** 20;
/** As `npm start`, and what the start of so many executions has left is swept up before the polls. */
const NODE_OPTIONS = ['--max-semi-space-size=16', '--heap-growing-percent=50', '--expose-gc'];

/** Executions of one distributor whose polls all fall due at once, from the beginning of the sweep that finds them. */
export async function polls({ runs, scaled }: Scale): Promise<Figure[]> {
  const open = scaled(OPEN);
  const figures: Figure[] = [];
  for (const service of ['swarming', 'tes'] as const) {
    const measured = await measureAll(service, open, runs);
    for (const round of ROUNDS) {
      const ofRound = (value: (polled: Polled) => number) => measured.map(run => value(run[round]));
      const figure = (name: string, unit: string, value: (polled: Polled) => number, target?: Figure['target']) =>
        figures.push({
          name: name.startsWith('–') ? name : `${service}, ${round}: ${name}`,
          unit,
          runs: ofRound(value),
          ...(target && { target }),
        });
      // TES has no call that asks about many: its lists must do.
      const atMost = service === 'swarming' ? { atMost: open * REQUESTS_AT_MOST } : undefined;
      figure(`requests for ${open.toLocaleString('en')} polls`, '', ({ requests }) => requests, atMost);
      figure('until all are recorded', 's', ({ seconds }) => seconds, { below: 60 });
      figure('polls', '1/s', ({ seconds }) => open / seconds);
      figure('resident memory, the executor in it', 'MiB', ({ residentBytes }) => residentBytes / MIB);
      figure('– before', 'MiB', ({ residentBefore }) => residentBefore / MIB);
    }
  }
  return figures;
}

async function measureAll(service: Service, open: number, runs: number): Promise<Record<Round, Polled>[]> {
  const measured: Record<Round, Polled>[] = [];
  for (let run = 0; run < runs; run++) {
    const child = fork(join(import.meta.dirname, 'polls-process.ts'), [service, String(open)], {
      execArgv: NODE_OPTIONS,
    });
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`the measuring process ended with ${code}`);
    });
    const [rounds] = (await Promise.race([once(child, 'message'), ended])) as [Record<Round, Polled>];
    measured.push(rounds);
    await ended.catch(() => {});
  }
  return measured;
}
