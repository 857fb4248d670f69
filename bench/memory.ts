import type { Figure, Scale } from './figures.ts';
import { repeat, runLoad } from './load.ts';
import { type Memory, startStackProcess } from './stack-process.ts';

const STEPS = 10;
const CONCURRENCY = 64;
const MIB = 2 ** 20;

/** The stack's memory over 100,000 executions. Flat: in the second half hardly more than in the first. */
export async function memory({ runs, scaled }: Scale): Promise<Figure[]> {
  const count = scaled(10_000);
  const measured = await repeat(runs, async directory => {
    const process = await startStackProcess(directory);
    const samples: Memory[] = [];
    for (let step = 0; step < STEPS; step++) {
      await runLoad(count, CONCURRENCY, n => process.execute(`${step}: ${n}`));
      samples.push(await process.memory());
    }
    await process.stop();
    console.log(
      `resident after each ${count}: ${samples.map(({ resident }) => Math.round(resident / MIB)).join(', ')} MiB`,
    );
    return samples;
  });
  const residents = measured.map(samples => samples.map(({ resident }) => resident));
  return [
    {
      name: `peak resident memory, ${(count * STEPS).toLocaleString('en')} executions`,
      unit: 'MiB',
      runs: measured.map(samples => samples.at(-1)!.peak / MIB),
      target: { below: 300 },
    },
    {
      name: 'largest of the second half / of the first half',
      unit: '',
      runs: residents.map(values => Math.max(...values.slice(STEPS / 2)) / Math.max(...values.slice(0, STEPS / 2))),
      target: { atMost: 1.1 },
    },
  ];
}
