import { setTimeout as sleep } from 'node:timers/promises';
import { createCaller } from './caller.ts';
import type { Figure } from './figures.ts';
import { billedSeconds } from './instance-time.ts';
import type { MeteredStack } from './metered-stack.ts';
import { costs, dollars, instanceUsage, mapUsage, SECONDS_PER_MONTH, totalOf } from './prices.ts';

export const IDLE_SWEEPS = 20;
const SWEEP_EVERY_SECONDS = 60;

/** Sweeps that find nothing, one a minute, and what is paid for by the month. */
export async function idleFigures(bed: MeteredStack, sweeps: number): Promise<Figure[]> {
  const caller = createCaller();
  const { sweep } = bed.meters;
  const afterSweep = async () => {
    while (sweep.inFlight > 0) await sleep(5);
  };
  await afterSweep();
  bed.reset();
  for (let n = 0; n < sweeps; n++) {
    await caller.call('POST', `${bed.stack.urls.sweep}/`, {});
    await afterSweep();
  }
  caller.close();
  const { reads } = bed.counts(['sweep']);
  const seconds = sweep.busy.reduce((sum, one) => sum + billedSeconds([one]), 0);
  const each = { reads, requests: sweep.requests, ...instanceUsage(seconds) };
  const perMonth = SECONDS_PER_MONTH / SWEEP_EVERY_SECONDS / sweep.requests;
  const parts = costs({
    ...mapUsage(each, amount => amount * perMonth),
    schedulerJobMonths: 1,
    secretVersionMonths: 1,
  });
  return [
    ...dollars(parts, '$/month').map(figure => ({ ...figure, name: `idle: ${figure.name}` })),
    { name: 'idle: all in', unit: '$/month', runs: [totalOf(parts)] },
    { name: '– reads of a sweep', unit: 'each', runs: [reads / sweep.requests] },
    { name: '– charged instance time of a sweep', unit: 'ms', runs: [(seconds / sweep.requests) * 1000] },
  ];
}
