import { existsSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { SAMPLES } from '../../local/demo/samples.ts';
import { startTimeOf } from '../../shared/adapters/exec/identity.ts';
import { E2E_DISTRIBUTORS, processesWith } from '../support/e2e.ts';
import { listen } from '../support/http-server.ts';
import { apiOf, freePorts, run, send, shell, temporaryFolder, writeDistributors } from '../support/stack.ts';
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
    DISTRIBUTORS: writeDistributors(folder, E2E_DISTRIBUTORS),
  });
  await program.printed(READY);
  const api = apiOf(`http://127.0.0.1:${port}`);
  await api.submit(shell(`touch "${folder}/runs"; trap "" TERM; while true; do sleep 0.1; done`));
  await vi.waitFor(() => expect(existsSync(join(folder, 'runs'))).toBe(true), PATIENT);
  const pids = processesWith(folder);
  if (onLinux) expect(pids.length).toBeGreaterThan(6);
  return { program, port, pids };
}

/** Those that a neighbour could reach. */
function addressesOfThisMachine(): string[] {
  const all = Object.values(networkInterfaces()).flatMap(addresses => addresses ?? []);
  return all.filter(({ internal, family }) => !internal && family === 'IPv4').map(({ address }) => address);
}

/** As a neighbour would ask who knows what a Host should be. */
async function statusAt(address: string, port: number): Promise<number> {
  return (await send(`http://${address}:${port}/v1/attempts`, { headers: { host: `127.0.0.1:${port}` } })).status;
}

describeWithEmulators('npm run start:emulators', () => {
  test('stops everything on Ctrl-C, commands as well', async () => {
    const folder = temporaryFolder();
    const { program, port, pids } = await startWithCommand(folder);
    expect(program.stdout()).toContain(`  api     http://127.0.0.1:${port}\n`);
    expect(program.stdout()).toContain(`  sweep   http://127.0.0.1:${port + 4}\n`);
    expect(program.stderr()).toBe('');
    const refused = await Promise.all(addressesOfThisMachine().map(address => statusAt(address, port)));
    expect(refused).toEqual(refused.map(() => 403));
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
        DISTRIBUTORS: writeDistributors(folder, E2E_DISTRIBUTORS),
        ...environment,
      });
    const taken = (await listen(createServer())).split(':')[1]!;
    const cases: [Record<string, string>, RegExp][] = [
      [{ PORT: 'http' }, /PORT: must be a port number/],
      [{ PORT: taken }, new RegExp(`PORT: port ${taken} \\(api\\) is in use`)],
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

  test('leaves nothing behind when it is stopped half way through its start', async () => {
    const folder = temporaryFolder();
    const program = run('local/emulators/main.ts', { DATA_DIR: folder, PORT: '0' });
    await program.printed(/the Firestore emulator runs/);
    program.kill('SIGINT');
    await program.exited;
    await vi.waitFor(() => expect(processesWith(folder)).toEqual([]), PATIENT);
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
