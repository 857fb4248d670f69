import { type Figure, percentile, type Scale } from './figures.ts';
import { type GraphBed, startGraphBed } from './graph-bed.ts';
import { repeat } from './load.ts';

const [LAYERS, WIDTH, EDGES] = [100, 100, 3];
const FAN = 10_000;

/**
 * Graphs of interactive jobs on the local stack, over HTTP: one of 100 layers, each attempt with three dependencies in the
 * next one; and one attempt that needs 10,000, each of which needs the same one.
 */
export async function graph({ runs, scaled }: Scale): Promise<Figure[]> {
  const layered = await repeat(runs, directory => runLayered(directory, scaled(WIDTH)));
  const fan = await repeat(runs, directory => runFan(directory, scaled(FAN)));
  const attempts = scaled(WIDTH) * LAYERS;
  return [
    {
      name: `attempts, ${LAYERS} layers, ${EDGES} edges each`,
      unit: '1/s',
      runs: layered.map(one => attempts / one.seconds),
    },
    {
      name: 'last dependency over → next run of its dependent, p50',
      unit: 'ms',
      runs: layered.map(({ waitsMs }) => percentile(waitsMs, 50)),
    },
    {
      name: 'last dependency over → next run of its dependent, p99',
      unit: 'ms',
      runs: layered.map(({ waitsMs }) => percentile(waitsMs, 99)),
      target: { below: 1000 },
    },
    {
      name: 'last dependency over → next run of its dependent, longest',
      unit: 'ms',
      runs: layered.map(({ waitsMs }) => Math.max(...waitsMs)),
    },
    {
      name: `attempts, 1 → ${scaled(FAN)} → 1`,
      unit: '1/s',
      runs: fan.map(({ seconds }) => (scaled(FAN) + 2) / seconds),
    },
    {
      name: `the one over → all ${scaled(FAN)} run again`,
      unit: 's',
      runs: fan.map(({ startedWithinMs }) => startedWithinMs / 1000),
      target: { atMost: 45 },
    },
  ];
}

async function runLayered(directory: string, width: number): Promise<{ seconds: number; waitsMs: number[] }> {
  const below = ({ layer = 0, n = 0 }: Record<string, number>) =>
    layer + 1 === LAYERS
      ? []
      : Array.from({ length: EDGES }, (_, i) => ({ layer: layer + 1, n: (n + i * 7 + layer) % width }));
  await using bed = await startGraphBed(directory, below);
  const roots = Array.from({ length: width }, (_, n) => ({ layer: 0, n }));
  const seconds = await bed.run(roots);
  return { seconds, waitsMs: waitsOf(bed) };
}

async function runFan(directory: string, fan: number): Promise<{ seconds: number; startedWithinMs: number }> {
  const below = ({ layer = 0 }: Record<string, number>) => {
    if (layer === 0) return Array.from({ length: fan }, (_, n) => ({ layer: 1, n }));
    return layer === 1 ? [{ layer: 2, n: 0 }] : [];
  };
  await using bed = await startGraphBed(directory, below);
  const seconds = await bed.run([{ layer: 0, n: 0 }]);
  const over = bed.endedAt.get(bed.nameOf({ layer: 2, n: 0 }))!;
  const again = [...bed.begunAt].filter(([name]) => name.startsWith('1/')).map(([, times]) => times.at(-1)!);
  return { seconds, startedWithinMs: Math.max(...again) - over };
}

/** For each attempt that waited: from the end of the last of its dependencies until its next execution was begun. */
function waitsOf({ begunAt, endedAt, below, nameOf, parse }: GraphBed): number[] {
  return [...begunAt].flatMap(([name, times]) => {
    const dependencies = below(parse(name)).map(nameOf);
    if (dependencies.length === 0 || times.length < 2) return [];
    return times.at(-1)! - Math.max(...dependencies.map(one => endedAt.get(one)!));
  });
}
