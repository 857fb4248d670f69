import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { SAMPLES } from '../../local/demo/samples.ts';
import { startTimeOf } from '../../shared/adapters/exec/identity.ts';
import { processesWith } from '../support/e2e.ts';
import { apiOf, freePorts, run, shell, temporaryFolder, writeDistributors } from '../support/stack.ts';
import { describeWithEmulators } from '../support/with-emulators.ts';

const PATIENT = { timeout: 20_000, interval: 50 };
const READY = /Stop with Ctrl-C/;

const onLinux = process.platform === 'linux';

/** A stack as a program, with a command that runs on it. */
async function startWithCommand(folder: string) {
  const port = await freePorts();
  const program = run('local/emulators/main.ts', {
    DATA_DIR: join(folder, 'data'),
    PORT: String(port),
    DISTRIBUTORS: writeDistributors(folder),
  });
  await program.printed(READY);
  const api = apiOf(`http://127.0.0.1:${port}`);
  await api.submit(shell(`touch "${folder}/runs"; trap "" TERM; while true; do sleep 0.1; done`));
  await vi.waitFor(() => expect(existsSync(join(folder, 'runs'))).toBe(true), PATIENT);
  const pids = processesWith(folder);
  if (onLinux) expect(pids.length).toBeGreaterThan(6);
  return { program, port, pids };
}

describeWithEmulators('npm run start:emulators', () => {
  test('stops everything on Ctrl-C, commands as well', async () => {
    const folder = temporaryFolder();
    const { program, port, pids } = await startWithCommand(folder);
    expect(program.stdout()).toContain(`  api     http://127.0.0.1:${port}\n`);
    expect(program.stdout()).toContain(`  sweep   http://127.0.0.1:${port + 4}\n`);
    expect(program.stderr()).toBe('');
    program.kill('SIGINT');
    await program.printed(/SIGINT: stopping/);
    // Npm passes on a Ctrl-C that the terminal has sent already.
    program.kill('SIGINT');
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(await Promise.all(pids.map(startTimeOf))).toEqual(pids.map(() => undefined));
  }, 120_000);

  test('leaves nothing behind when it is killed with -9', async () => {
    const folder = temporaryFolder();
    const { program, pids } = await startWithCommand(folder);
    program.kill('SIGKILL');
    await program.exited;
    await vi.waitFor(
      async () => expect(await Promise.all(pids.map(startTimeOf))).toEqual(pids.map(() => undefined)),
      PATIENT,
    );
    expect(processesWith(folder)).toEqual([]);
  }, 120_000);

  test('that cannot start says why, and leaves nothing behind', async () => {
    const folder = temporaryFolder();
    const start = (environment: Record<string, string>) =>
      run('local/emulators/main.ts', {
        DATA_DIR: folder,
        PORT: '0',
        DISTRIBUTORS: writeDistributors(folder),
        ...environment,
      });
    const cases: [Record<string, string>, RegExp][] = [
      [{ PORT: 'http' }, /PORT: must be a port number/],
      [{ DISTRIBUTORS: writeDistributors(join(folder, 'bad'), 'a: {alias: b}') }, /a\.alias: "b" does not exist/],
      [{ DISTRIBUTORS: join(folder, 'missing.yaml') }, /missing\.yaml/],
      [{ PATH: join(folder, 'nothing') }, /gcloud components install cloud-firestore-emulator/],
    ];
    for (const [environment, message] of cases) {
      const program = start(environment);
      expect(await program.exited).toEqual({ code: 1, signal: null });
      expect(program.stderr()).toMatch(/^cannot start: /);
      expect(program.stderr()).toMatch(message);
    }
    expect(processesWith(folder)).toEqual([]);
  }, 60_000);
});

describeWithEmulators('npm run demo -- --emulators', () => {
  test('brings each sample to its expected end and leaves nothing behind', async () => {
    const folder = temporaryFolder();
    const demo = run('local/demo.ts', { TMPDIR: folder }, ['--emulators']);
    expect(await demo.exited, demo.stdout() + demo.stderr()).toEqual({ code: 0, signal: null });
    for (const { name, expected } of SAMPLES) {
      expect(demo.stdout()).toMatch(new RegExp(`^${name} .*✓ ${expected}$`, 'm'));
    }
    expect(demo.stderr()).toBe('');
    expect(readdirSync(folder)).toEqual([]);
    expect(processesWith(folder)).toEqual([]);
  }, 180_000);
});

describe('npm run demo', () => {
  test('refuses what it does not know, and explains itself', async () => {
    for (const flag of ['--emulator', '--emulators=yes', 'emulators', '-x']) {
      const demo = run('local/demo.ts', {}, [flag]);
      expect(await demo.exited).toEqual({ code: 1, signal: null });
      expect(demo.stderr()).toContain('npm run demo [-- --emulators]');
    }
    const help = run('local/demo.ts', {}, ['--help']);
    expect(await help.exited).toEqual({ code: 0, signal: null });
    expect(help.stdout()).toContain('--emulators');
  });
});
