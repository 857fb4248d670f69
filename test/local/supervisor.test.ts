import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { portsFrom } from '../../local/emulators/ports.ts';
import { supervise } from '../../local/emulators/supervisor.ts';
import { startTimeOf } from '../../shared/adapters/exec/identity.ts';
import { recordingLog } from '../support/services.ts';
import { NODE, temporaryFolder } from '../support/stack.ts';

const PATIENT = { timeout: 20_000, interval: 20 };

/** Leaves its number in `pids`, then answers HTTP. */
const SERVER = `
  const { appendFileSync } = require('node:fs');
  appendFileSync('pids', process.pid + '\\n');
  console.log(JSON.stringify({ severity: 'INFO', message: 'at work' }));
  console.log(JSON.stringify({ severity: 'ERROR', message: 'something is wrong' }));
  require('node:http').createServer((_, response) => response.end()).listen(process.env.PORT, '127.0.0.1');
`;

async function setUp(script: string) {
  const folder = temporaryFolder();
  const { api: port } = await portsFrom(0);
  const lines: string[] = [];
  const log = recordingLog();
  const file = join(folder, 'server.cjs');
  writeFileSync(file, `process.chdir(${JSON.stringify(folder)});${script}`);
  const start = () =>
    supervise({
      name: 'api',
      command: NODE,
      args: [file],
      env: { PORT: String(port) },
      port,
      logFile: join(folder, 'api.log'),
      writeLine: line => lines.push(line),
      log,
    });
  return {
    start,
    lines,
    log,
    answers: () => fetch(`http://127.0.0.1:${port}`).then(({ ok }) => ok),
    pids: () => readFileSync(join(folder, 'pids'), 'utf8').trim().split('\n').map(Number),
    logFile: () => readFileSync(join(folder, 'api.log'), 'utf8'),
  };
}

describe('a supervised process', () => {
  test('is started again whenever it ends, until it is stopped for good', async () => {
    const { start, log, answers, pids } = await setUp(SERVER);
    const supervised = await start();
    onTestFinished(() => supervised.close());
    for (const starts of [1, 2]) {
      expect(await answers()).toBe(true);
      supervised.kill();
      await vi.waitFor(() => expect(pids()).toHaveLength(starts + 1), PATIENT);
      await vi.waitFor(answers, PATIENT);
    }
    expect(log.lines.map(({ fields }) => fields)).toMatchObject([
      { function: 'api', end: 'it ended with SIGKILL' },
      { function: 'api', end: 'it ended with SIGKILL' },
    ]);
    await supervised.close();
    await expect(answers()).rejects.toThrow();
    expect(await Promise.all(pids().map(startTimeOf))).toEqual([undefined, undefined, undefined]);
  });

  test('has all its lines in its log file, and shows its errors', async () => {
    const { start, lines, logFile } = await setUp(SERVER);
    await (await start()).close();
    expect(lines).toEqual(['api: {"severity":"ERROR","message":"something is wrong"}\n']);
    expect(logFile()).toBe(
      '{"severity":"INFO","message":"at work"}\n{"severity":"ERROR","message":"something is wrong"}\n',
    );
  });

  test('that ends before it has answered once is not started again', async () => {
    const { start, lines, pids } = await setUp(
      `require('node:fs').appendFileSync('pids', process.pid + '\\n'); console.error('SIGNING_KEY_1 is not set'); process.exit(3);`,
    );
    await expect(start()).rejects.toThrow('the function "api" does not start: it ended with 3');
    expect(lines).toEqual(['api: SIGNING_KEY_1 is not set\n']);
    expect(pids()).toHaveLength(1);
  });

  test('that does not hear SIGTERM is killed', async () => {
    const { start, pids } = await setUp(`process.on('SIGTERM', () => {});${SERVER}`);
    await (await start()).close();
    expect(await startTimeOf(pids()[0]!)).toBeUndefined();
  });
});
