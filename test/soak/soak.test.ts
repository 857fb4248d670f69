import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { processesWith } from '../support/e2e.ts';
import { run, temporaryFolder } from '../support/stack.ts';

test('a soak of seconds has kills, accounts for all that was accepted and leaves nothing behind', async () => {
  const folder = temporaryFolder();
  const soak = run('soak/main.ts', { TMPDIR: folder }, [
    ...['--minutes', '0.08', '--kills-per-minute', '30', '--seed', '1'],
  ]);
  const { code } = await soak.exited;
  expect(code, soak.stdout() + soak.stderr()).toBe(0);
  const output = soak.stdout();
  expect(output).toMatch(/^all +[1-9]/m);
  expect(Number(/^kills -9: (\d+)/m.exec(output)?.[1])).toBeGreaterThan(0);
  expect(output).toContain('lost: 0');
  expect(output).toContain('completed twice: 0');
  expect(readdirSync(folder)).toEqual([]);
  expect(processesWith(folder)).toEqual([]);
}, 120_000);

test('a soak that is interrupted audits what there is', async () => {
  const folder = temporaryFolder();
  const soak = run('soak/main.ts', { TMPDIR: folder }, ['--minutes', '10', '--kills-per-minute', '0']);
  await soak.printed(/seed/);
  soak.kill('SIGINT');
  soak.kill('SIGINT');
  const { code } = await soak.exited;
  expect(code, soak.stdout() + soak.stderr()).toBe(0);
  expect(soak.stdout()).toContain('kills -9: 0');
  expect(soak.stdout()).toContain('lost: 0');
}, 120_000);
