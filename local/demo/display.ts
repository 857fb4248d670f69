import type { WriteStream } from 'node:tty';
import { cut } from '../../shared/core/result.ts';
import { type AttemptView, type ExecutionView } from './client.ts';
import { type Sample, statusOf } from './samples.ts';

/** One sample on its way. */
export interface Row {
  sample: Sample;
  attempt?: AttemptView;
  elapsedMs: number;
  /** What is wrong with its end; '' when nothing is. Absent until it was checked. */
  problem?: string;
}

export interface Display {
  /** Shows how a row stands now. */
  update(row: Row): void;
  close(): void;
}

/** A table that is drawn over itself on a terminal, and a line per change elsewhere. */
export function createDisplay(rows: readonly Row[], out: WriteStream): Display {
  return out.isTTY ? redrawnTable(rows, out) : plainLines(out);
}

function plainLines(out: WriteStream): Display {
  const shown = new Map<Row, string>();
  return {
    update(row) {
      const text = progressOf(row);
      if (shown.get(row) === text) return;
      shown.set(row, text);
      out.write(`${seconds(row.elapsedMs).padStart(6)}  ${row.sample.name.padEnd(14)}  ${text}\n`);
    },
    close() {},
  };
}

const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
/** For a terminal that does not know its width. */
const DEFAULT_COLUMNS = 80;
const CLEAR_LINE = '\u001b[K';

function redrawnTable(rows: readonly Row[], out: WriteStream): Display {
  const draw = () => {
    const lines = rows.map(
      row => `  ${row.sample.name.padEnd(14)} ${seconds(row.elapsedMs).padStart(6)}  ${progressOf(row)}`,
    );
    return lines.map(line => `${cut(line, out.columns || DEFAULT_COLUMNS)}${CLEAR_LINE}\n`).join('');
  };
  out.write(HIDE_CURSOR + draw());
  return {
    update: () => out.write(`\u001b[${rows.length}A${draw()}`),
    close: () => out.write(SHOW_CURSOR),
  };
}

function progressOf({ attempt, problem }: Row): string {
  if (attempt === undefined) return 'submitting';
  const executions = attempt.executions.map(executionText);
  const mark = problem === undefined ? '' : problem === '' ? '  ✓' : `  ✗ ${problem}`;
  return `${attempt.state}${executions.length === 0 ? '' : `  (${executions.join(', ')})`}${mark}`;
}

function executionText({ execution, state, result }: ExecutionView): string {
  return `${execution}: ${statusOf(result) ?? state}`;
}

const HEADINGS = ['quest', 'attempt', 'state', 'executions', 'time', 'result', 'expected'] as const;

export function resultsTable(rows: readonly Row[]): string {
  const cells = rows.map(row => {
    const { sample, attempt, elapsedMs, problem = 'was not checked' } = row;
    const expected = problem === '' ? `✓ ${sample.expected}` : `✗ ${sample.expected}, but ${problem}`;
    const { state = 'not submitted', executions = [] } = attempt ?? {};
    return [
      sample.name,
      attempt === undefined ? '' : `${attempt.quest.slice(0, 8)}…|${attempt.attempt}`,
      state,
      String(executions.length),
      seconds(elapsedMs),
      resultText(attempt),
      expected,
    ];
  });
  const widths = HEADINGS.map((heading, i) => Math.max(heading.length, ...cells.map(row => row[i]!.length)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd();
  return [line(HEADINGS), line(widths.map(width => '─'.repeat(width))), ...cells.map(line)].join('\n');
}

const EXCERPT_CHARACTERS = 44;

function resultText(attempt: AttemptView | undefined): string {
  if (attempt?.result === undefined) return '';
  const { result } = attempt;
  const text =
    'data' in result ? JSON.stringify(result.data) : `${result.abnormalFinish.status}: ${result.abnormalFinish.reason}`;
  return cut(text.replaceAll(/\s+/g, ' '), EXCERPT_CHARACTERS);
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
