import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { STORIES } from '../../simulate/matrix/scenarios.ts';
import { MUTANTS } from '../../simulate/mutants/table.ts';
import { NODE, ROOT } from '../support/stack.ts';

test('there are at least 25 mutants, each with a name of its own', () => {
  expect(MUTANTS.length).toBeGreaterThanOrEqual(25);
  expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
});

test('each story that a mutant is hunted in is one of the fault matrix', () => {
  const names = MUTANTS.flatMap(({ story }) => story ?? []);
  expect(names.filter(name => !STORIES.some(story => story.name === name))).toEqual([]);
});

test.each(MUTANTS)('$name: its text stands in its file once', ({ file, find, put }) => {
  const parts = readFileSync(join(ROOT, file), 'utf8').split(find);
  expect(parts).toHaveLength(2);
  expect(put).not.toBe(find);
});

/** Runs the command with a bug planted in every thread of it. */
function simulateWith(mutant: string, args: string[]): Promise<{ code: number | null; output: string }> {
  const plant = join(import.meta.dirname, 'plant.ts');
  const child = spawn(NODE, ['--import', plant, join(ROOT, 'simulate/main.ts'), ...args], {
    env: { ...process.env, MUTANT: mutant },
  });
  let output = '';
  child.stdout.on('data', chunk => (output += String(chunk)));
  return new Promise(resolve => child.on('close', code => resolve({ code, output })));
}

test('a failure is shrunk and printed with the command that shows it again', async () => {
  const mutant = 'retries are not counted';
  const found = await simulateWith(mutant, ['--seeds', '20']);
  expect(found.code).toBe(1);
  expect(found.output).toContain('"failures are counted once" is broken');
  const command = /again: npm run simulate -- (.*)$/m.exec(found.output)?.[1] ?? '';
  const args = [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
  const again = await simulateWith(mutant, args);
  expect(again.code).toBe(1);
  expect(again.output).toContain('"failures are counted once" is broken');
  // Without the bug that very world is fine.
  const repaired = await simulateWith('', args);
  expect(repaired).toMatchObject({ code: 0, output: expect.stringContaining('all invariants hold') });
}, 120_000);
