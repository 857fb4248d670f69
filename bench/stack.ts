import { type Figure, median, percentile, type Scale } from './figures.ts';
import { repeat, runLoad } from './load.ts';
import { startStackProcess } from './stack-process.ts';

const LOADS: readonly { concurrency: number; count: number }[] = [
  { concurrency: 1, count: 500 },
  { concurrency: 32, count: 5000 },
  { concurrency: 128, count: 10_000 },
];
const TARGETS = { rate: { 128: { atLeast: 500 } }, p50: { 1: { below: 20 } } } as const;

/** The whole local stack over HTTP; the executor works 0–20 ms, the client waits for each result. */
export async function stack({ runs, scaled }: Scale): Promise<Figure[]> {
  const measured = await repeat(runs, async directory => {
    const process = await startStackProcess(directory);
    const loads = [];
    for (const { concurrency, count } of LOADS) {
      await runLoad(scaled(count / 5), concurrency, n => process.execute(`warm-up, ${concurrency}: ${n}`));
      loads.push(await runLoad(scaled(count), concurrency, n => process.execute(`${concurrency}: ${n}`)));
    }
    await process.stop();
    return loads;
  });
  return LOADS.flatMap(({ concurrency }, i) => {
    const loads = measured.map(run => run[i]!);
    const [rate, p50] = [TARGETS.rate, TARGETS.p50].map(
      targets => (targets as Record<number, NonNullable<Figure['target']>>)[concurrency],
    );
    const latency = (percent: number) => loads.map(({ latenciesMs }) => percentile(latenciesMs, percent));
    return [
      {
        name: `executions, ${concurrency} at a time`,
        unit: '1/s',
        runs: loads.map(({ perSecond }) => perSecond),
        ...(rate && { target: rate }),
      },
      {
        name: `latency, ${concurrency} at a time, p50`,
        unit: 'ms',
        runs: loads.map(({ latenciesMs }) => median(latenciesMs)),
        ...(p50 && { target: p50 }),
      },
      { name: `latency, ${concurrency} at a time, p99`, unit: 'ms', runs: latency(99) },
    ];
  });
}
