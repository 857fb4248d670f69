import type { FunctionName } from '../functions/wiring.ts';
import type { Size } from './build.ts';

/** Bytes of all code, 10 % over what was reached. Raise one only knowing why. */
export const BUDGETS: Readonly<Record<FunctionName, number>> = {
  api: 4_680_000,
  job: 4_680_000,
  notify: 4_680_000,
  tasks: 4_680_000,
  sweep: 4_680_000,
};

/** The functions over their budget, each with its figures. */
export function overBudget(sizes: readonly Size[], budgets = BUDGETS): string[] {
  return sizes
    .filter(({ name, raw }) => raw > budgets[name])
    .map(({ name, raw }) => `${name} has ${raw} bytes, ${raw - budgets[name]} over its budget of ${budgets[name]}`);
}

export function sizeTable(sizes: readonly Size[]): string {
  const columns = (cells: readonly (string | number)[]) =>
    cells.map((cell, i) => (i === 0 ? String(cell).padEnd(8) : cell.toLocaleString('en').padStart(12))).join('');
  const rows = sizes.map(({ name, index, raw, gzipped }) => columns([name, index, raw, gzipped, BUDGETS[name]]));
  return [columns(['', 'index.js', 'all code', 'gzipped', 'budget']), ...rows].join('\n');
}

/** The largest sources of a bundle. */
export function inputTable({ name, inputs }: Size, rows = 20): string {
  const largest = [...inputs].toSorted(([, a], [, b]) => b - a).slice(0, rows);
  return [
    `${name}: bytes of`,
    ...largest.map(([path, bytes]) => `${bytes.toLocaleString('en').padStart(12)}  ${path}`),
  ].join('\n');
}
