import type { FaultKind } from './faults.ts';
import { CORES, onAllCores, startThread } from './threads.ts';
import type { Batch, Lived } from './worker.ts';

export interface Totals {
  seeds: number;
  seconds: number;
  cores: number;
  virtualMs: number;
  steps: number;
  /** How many of each kind were injected. */
  faults: Map<FaultKind, number>;
  /** The first seed that was found to break an invariant. */
  failed?: number;
}

export interface Order {
  first: number;
  count: number;
  minutes: number;
  /** Ends it early, after the worlds that are being lived through. */
  signal: AbortSignal;
  progress(totals: Totals): void;
}

const BATCH = 20;
const PROGRESS_MS = 5000;

/** Simulates one world after the other, on all cores, until one breaks an invariant. */
export async function simulateSeeds({ first, count, minutes, signal, progress }: Order): Promise<Totals> {
  const startedAt = performance.now();
  const totals: Totals = { seeds: 0, seconds: 0, cores: CORES, virtualMs: 0, steps: 0, faults: new Map() };
  const end = first + count;
  let next = first;
  const isOver = () =>
    signal.aborted || next >= end || totals.failed !== undefined || performance.now() - startedAt >= minutes * 60_000;

  function add({ seeds, virtualMs, steps, faults, failed }: Lived): void {
    totals.seeds += seeds;
    totals.seconds = (performance.now() - startedAt) / 1000;
    totals.virtualMs += virtualMs;
    totals.steps += steps;
    for (const [kind, times] of faults) totals.faults.set(kind, (totals.faults.get(kind) ?? 0) + times);
    if (failed !== undefined) totals.failed = Math.min(failed, totals.failed ?? failed);
  }

  function nextBatch(): Batch | undefined {
    if (isOver()) return undefined;
    const batch = { first: next, count: Math.min(BATCH, end - next) };
    next += batch.count;
    return batch;
  }

  const ticker = setInterval(() => progress(totals), PROGRESS_MS);
  try {
    await onAllCores(() => startThread<Batch, Lived>('./worker.ts'), nextBatch, add);
  } finally {
    clearInterval(ticker);
  }
  return totals;
}
