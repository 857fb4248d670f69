import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Load {
  perSecond: number;
  latenciesMs: number[];
}

/** Does `work` for 0, 1, … `count - 1`, always so many at the same time. */
export async function runLoad(count: number, concurrency: number, work: (n: number) => Promise<void>): Promise<Load> {
  const latenciesMs: number[] = [];
  const startedAt = performance.now();
  let next = 0;
  const worker = async () => {
    for (let n = next++; n < count; n = next++) {
      const begunAt = performance.now();
      await work(n);
      latenciesMs.push(performance.now() - begunAt);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return { perSecond: (count / (performance.now() - startedAt)) * 1000, latenciesMs };
}

export async function inTemporaryDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'bench-'));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Does `work` as often as asked, each time in a directory of its own. */
export async function repeat<T>(runs: number, work: (directory: string) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let run = 0; run < runs; run++) results.push(await inTemporaryDirectory(work));
  return results;
}
