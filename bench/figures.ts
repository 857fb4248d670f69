import { cpus, totalmem } from 'node:os';

/** One measure with the value of each run. A target is met only if the worst run meets it. */
export interface Figure {
  name: string;
  unit: string;
  runs: number[];
  target?: { atLeast: number } | { atMost: number } | { below: number };
}

export interface Scale {
  /** How often each measure is run. */
  runs: number;
  /** A count for a full run, or less of it for a quick one. */
  scaled(count: number): number;
}

export type Bench = (scale: Scale) => Promise<Figure[]>;

export function describeMachine(): string {
  const cores = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cores.length} cores (${cores[0]?.model.trim()}), ${memory} GiB, ${process.platform}, Node ${process.version}`;
}

/** Markdown, so that it can be pasted into the README. */
export function formatTable(figures: readonly Figure[]): string {
  const rows = figures.map(({ name, unit, runs, target }) => [
    name,
    unit,
    ...[Math.min(...runs), median(runs), Math.max(...runs)].map(formatNumber),
    String(runs.length),
    target === undefined ? '' : formatTarget(target),
    target === undefined ? '' : runs.every(value => isMet(value, target)) ? 'met' : 'missed',
  ]);
  const all = [['measure', 'unit', 'min', 'median', 'max', 'runs', 'target', ''], ...rows];
  const widths = all[0]!.map((_, i) => Math.max(3, ...all.map(row => row[i]!.length)));
  const line = (row: string[]) => `| ${row.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |`;
  const [head, ...body] = all;
  return [line(head!), line(widths.map(width => '-'.repeat(width))), ...body.map(line)].join('\n');
}

export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/** The nearest rank; of an even number of values the median is the lower one of the middle. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)] ?? Number.NaN;
}

function formatTarget(target: NonNullable<Figure['target']>): string {
  if ('atLeast' in target) return `≥ ${formatNumber(target.atLeast)}`;
  return 'atMost' in target ? `≤ ${formatNumber(target.atMost)}` : `< ${formatNumber(target.below)}`;
}

function isMet(value: number, target: NonNullable<Figure['target']>): boolean {
  if ('atLeast' in target) return value >= target.atLeast;
  return 'atMost' in target ? value <= target.atMost : value < target.below;
}

function formatNumber(value: number): string {
  if (Number.isInteger(value) || value >= 100) return Math.round(value).toLocaleString('en');
  return value.toFixed(value < 10 ? 2 : 1);
}
