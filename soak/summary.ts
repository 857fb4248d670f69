import { statusOf } from '../local/demo/samples.ts';
import { CHECK_NAMES, type Facts, type Problem } from './audit.ts';
import { type Flatness, flatnessOf } from './flatness.ts';
import { KIND_NAMES, type KindName } from './kinds.ts';
import type { Lives } from './lives.ts';

const MIB = 2 ** 20;
/** Of each check; more would hide the others. */
const MAX_SHOWN_PROBLEMS = 20;

/** Attempts and executions by kind and by how they ended. */
export function endsTable({ ledger, attempts }: Pick<Facts, 'ledger' | 'attempts'>): string {
  const all = [...attempts].map(([id, attempt]) => ({ kind: ledger.entries.get(id)?.kind, attempt }));
  const row = (name: string, of: (kind: KindName | undefined) => boolean): string[] => {
    const own = all.filter(({ kind }) => of(kind)).map(({ attempt }) => attempt);
    const executions = own.flatMap(attempt => attempt.executions);
    return [
      name,
      String(own.length),
      countsOf(own.map(({ result }) => statusOf(result) ?? 'open')),
      String(executions.length),
      countsOf(executions.map(({ result }) => statusOf(result) ?? 'open')),
    ];
  };
  return table([
    ['kind', 'attempts', 'ended as', 'executions', 'ended as'],
    ...KIND_NAMES.map(name => row(name, kind => kind === name)),
    row('all', () => true),
  ]);
}

function countsOf(words: readonly string[]): string {
  const counts = Map.groupBy(words, word => word);
  return [...counts]
    .map(([word, { length }]) => `${length} ${word}`)
    .toSorted()
    .join(', ');
}

function table(rows: readonly string[][]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map(row => row[i]!.length)));
  const isNumber = (cell: string) => /^\d+$/.test(cell);
  const cell = (text: string, i: number) => (isNumber(text) ? text.padStart(widths[i]!) : text.padEnd(widths[i]!));
  return rows.map(row => row.map(cell).join('  ').trimEnd()).join('\n');
}

/** Commands that had done all their work when they died with the stack, and so did it again in their next execution. */
export function repeatedCommands({ attempts, jobs }: Pick<Facts, 'attempts' | 'jobs'>): number {
  const crashed = [...attempts.entries()].flatMap(([id, { executions }]) =>
    executions.filter(({ result }) => statusOf(result) === 'CRASHED').map(({ execution }) => `${id}|${execution}`),
  );
  const ids = new Set(crashed);
  return [...jobs].filter(([id, { starts, completions }]) => ids.has(id) && starts > 0 && completions.length > 0)
    .length;
}

export function livesText({ all, kills }: Lives): string[] {
  const starting = all.filter(({ servedMs }) => servedMs === 0).length;
  const flatness = flatnessOf(all);
  return [
    `kills -9: ${kills}, ${starting} of them while it was starting; lives of the stack: ${all.length}`,
    ...(flatness?.map(flatnessText) ?? ['memory and handles: too few lives of more than two seconds to tell']),
  ];
}

function flatnessText({ measure, first, second, isFlat }: Flatness): string {
  const format = (value: number) => (measure === 'resident' ? `${Math.round(value / MIB)} MiB` : String(value));
  const name = { resident: 'resident memory', handles: 'open files' }[measure];
  return `${name}, median of the lives' peaks: first half ${format(first)}, second half ${format(second)}: ${isFlat ? 'flat' : 'NOT FLAT'}`;
}

/** One line per check, then what each has found. */
export function problemsText(problems: readonly Problem[]): string[] {
  const found = CHECK_NAMES.map(check => ({ check, own: problems.filter(problem => problem.check === check) }));
  return [
    ...found.map(({ check, own }) => `${check}: ${own.length}`),
    ...found.flatMap(({ check, own }) => [
      ...own.slice(0, MAX_SHOWN_PROBLEMS).map(({ id, why }) => `✗ ${check}: ${id} ${why}`),
      ...(own.length > MAX_SHOWN_PROBLEMS ? [`✗ ${check}: and ${own.length - MAX_SHOWN_PROBLEMS} more`] : []),
    ]),
  ];
}

/** What can be said while it goes on. */
export function progressText(elapsedMs: number, ledger: Facts['ledger'], { all, kills }: Lives): string {
  const accepted = [...ledger.entries].filter(([, { acknowledged }]) => acknowledged);
  const over = accepted.filter(([id]) => ledger.seen.has(id)).length;
  const executions = [...ledger.seen.keys()].filter(id => id.split('|').length === 3).length;
  const { resident = 0, handles = 0 } = all.at(-1)?.peak ?? {};
  return [
    `${Math.round(elapsedMs / 1000)} s`.padStart(6),
    `attempts accepted ${accepted.length}, over ${over}; executions over ${executions}`,
    `kills ${kills}`,
    `now ${Math.round(resident / MIB)} MiB, ${handles} open files`,
  ].join('  ');
}
