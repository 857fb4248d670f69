import { parseArgs } from 'node:util';
import { FAULT_KINDS } from './faults.ts';
import { wholeNumber } from './options.ts';
import { simulateSeeds, type Totals } from './pool.ts';
import { shrink } from './shrink.ts';
import { type Less, type Report, simulateSeed } from './world.ts';

const USAGE = `Usage: npm run simulate -- [--seeds N | --minutes M] [--seed S] [--without FAULTS] [--quests NUMBERS]
                        [--plain] [--unlimited]

Simulates worlds in which everything goes wrong, in virtual time, and checks all invariants at every step.

  --seeds N      how many worlds (1000), from --seed on (1), on all cores
  --minutes M    worlds for so long instead; Ctrl-C ends it early, with what there is
  --seed S       alone: this one world, with its trace
  --without F    faults to be left out of it, by the names that a failure prints, separated by ";"
  --quests 0,2   only these of its quests are submitted by clients
  --plain        no quest needs others, and nothing is limited
  --unlimited    nothing is limited, asked about together or told of on a topic of its own`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string' },
      minutes: { type: 'string' },
      seed: { type: 'string' },
      without: { type: 'string' },
      quests: { type: 'string' },
      plain: { type: 'boolean', default: false },
      unlimited: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) return console.log(USAGE);
  const seed = wholeNumber(values.seed, 'seed');
  const seeds = wholeNumber(values.seeds, 'seeds');
  const minutes = wholeNumber(values.minutes, 'minutes');
  if (seed !== undefined && seeds === undefined && minutes === undefined) {
    const quests = values.quests?.split(',').map(text => wholeNumber(text, 'quests')!);
    const { plain, unlimited = plain } = values;
    const without = new Set(values.without?.split(';'));
    return replay(seed, { without, plain, unlimited, ...(quests && { quests }) });
  }
  const interrupted = new AbortController();
  process.once('SIGINT', () => interrupted.abort());
  const totals = await simulateSeeds({
    signal: interrupted.signal,
    first: seed ?? 1,
    count: minutes === undefined ? (seeds ?? 1000) : Number.POSITIVE_INFINITY,
    minutes: minutes ?? Number.POSITIVE_INFINITY,
    progress: so => console.error(`${so.seeds} worlds, ${(so.seeds / so.seconds).toFixed(0)}/s`),
  });
  console.log(summary(totals));
  if (totals.failed === undefined) return;
  process.exitCode = 1;
  await explain(totals.failed);
}

async function replay(seed: number, less: Less): Promise<void> {
  const report = await simulateSeed(seed, less, true);
  console.log(report.trace.join('\n'));
  console.log(`hash ${report.hash}, ${report.steps} steps, ${(report.elapsedMs / 60_000).toFixed(1)} minutes`);
  if (report.violation === undefined) return console.log('all invariants hold');
  process.exitCode = 1;
  console.log(violated(report));
}

/** A failure as short as it can be made, and how to see it again. */
async function explain(seed: number): Promise<void> {
  const report = await simulateSeed(seed);
  if (report.violation === undefined)
    throw new Error(`seed ${seed} fails only sometimes: the simulation is not deterministic`);
  console.log(`\nseed ${seed}: ${violated(report)}\nlooking for the shortest trace …`);
  const less = await shrink(seed, report);
  const shortest = await simulateSeed(seed, less, true);
  console.log(shortest.trace.join('\n'));
  console.log(
    `\nwith ${shortest.injected.size} of ${report.injected.size} faults: ${[...shortest.injected].map(([name, kind]) => `${name} (${kind})`).join('; ')}`,
  );
  const options = [
    `--seed ${seed}`,
    ...(less.quests ? [`--quests ${less.quests.join(',')}`] : []),
    ...(less.without.size > 0 ? [`--without '${[...less.without].join(';')}'`] : []),
  ];
  console.log(`\nagain: npm run simulate -- ${options.join(' ')}`);
}

function violated({ violation }: Report): string {
  return `"${violation!.invariant}" is broken: ${violation!.sentence}\n  ${violation!.detail}`;
}

function summary({ seeds, seconds, cores, virtualMs, steps, faults, failed }: Totals): string {
  const counts = FAULT_KINDS.map(kind => `${kind} ${(faults.get(kind) ?? 0).toLocaleString('en')}`).join(', ');
  return [
    `${seeds.toLocaleString('en')} worlds in ${seconds.toFixed(1)} s on ${cores} cores: ${(seeds / seconds / cores).toFixed(0)} per second and core`,
    `${(virtualMs / 3_600_000).toFixed(0)} hours of virtual time, ${steps.toLocaleString('en')} steps`,
    `faults: ${counts}`,
    ...(failed === undefined ? [] : [`seed ${failed} breaks an invariant`]),
    `${seeds - (failed === undefined ? 0 : 1)} passed, ${failed === undefined ? 0 : 1} failed`,
  ].join('\n');
}

await main();
