import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../shared/core/errors.ts';
import { showBuild } from './demo/build.ts';
import { type Client, createClient } from './demo/client.ts';
import { createDisplay, type Display, resultsTable, type Row } from './demo/display.ts';
import { readFlags, USAGE } from './demo/flags.ts';
import { loggedProcesses, SAMPLES } from './demo/samples.ts';
import { SAMPLE_SERVICE_URL, startService } from './demo/service.ts';
import { startEmulatorStack } from './emulators/stack.ts';
import { startStack } from './stack.ts';

/**
 * `npm run demo`: the samples on a stack of their own, watched to their ends, and a build of steps that need each other.
 * Exits 0 when each ended as it should.
 */

/** From the start of the stack on. Emulators take their time, above all on a machine that does something else as well. */
const LIMIT_MS = { embedded: 55_000, emulators: 180_000 };
/** How long a change of state may go unseen; an end is seen at once. */
const WATCH = '0.2s';
const SHOWN_LOG_LINES = 20;

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const samples = (file: string) => join(ROOT, 'samples', file);

async function demo(emulators: boolean, signal: AbortSignal): Promise<boolean> {
  // The commands of the samples name files of this repository.
  process.chdir(ROOT);
  const dataDir = await mkdtemp(join(tmpdir(), 'distributor-demo-'));
  const logLines: string[] = [];
  const settings = { port: 0, dataDir, distributorsFile: samples('distributors.yaml'), logLevel: 'warn' } as const;
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(() => rm(dataDir, { recursive: true, force: true }));
  const service = await startService(0);
  cleanUp.defer(() => service.close());
  const writeLog = (line: string) => void logLines.push(line);
  const stack = emulators
    ? await startEmulatorStack(settings, { writeLog, report: line => console.log(line), signal })
    : await startStack(settings, writeLog);
  cleanUp.defer(() => stack.close());

  console.log(`A stack of its own: api ${stack.urls.api}, data ${dataDir}\n`);
  const rows: Row[] = SAMPLES.map(sample => ({ sample, elapsedMs: 0 }));
  const client = createClient(stack.urls.api, signal);
  const display = createDisplay(rows, process.stdout);
  cleanUp.defer(() => display.close());
  await Promise.all(rows.map(row => follow(row, client, display, service.url)));
  if (signal.reason instanceof Stopped) throw signal.reason;

  console.log(`\n${resultsTable(rows)}\n`);
  const problems = rows.filter(({ problem }) => problem !== '').map(({ sample }) => `${sample.name} did not`);
  problems.push(...(await showBuild(client, text => console.log(text))));

  const isWell = problems.length === 0;
  console.log(isWell ? '\nEach ended as it should.' : `\nNot all ended as they should: ${problems.join(', ')}.`);
  if (!isWell) console.log(logLines.slice(-SHOWN_LOG_LINES).join(''));
  return isWell;
}

/** Submits a sample and watches it to its end. What goes wrong stands in the row afterwards. */
async function follow(row: Row, client: Client, display: Display, serviceUrl: string): Promise<void> {
  const { sample } = row;
  const startedAt = performance.now();
  try {
    const text = await readFile(samples(`${sample.name}.json`), 'utf8');
    const quest = await client.submit(text.replaceAll(SAMPLE_SERVICE_URL, serviceUrl));
    let isCancelled = false;
    let isOver = false;
    while (!isOver) {
      row.attempt = await client.wait(quest, WATCH);
      row.elapsedMs = performance.now() - startedAt;
      display.update(row);
      isOver = row.attempt.result !== undefined;
      if (sample.cancel && !isOver && !isCancelled && (await loggedProcesses(row.attempt)) !== undefined) {
        await client.cancel(quest, 'the demo shows a cancellation');
        isCancelled = true;
      }
    }
    await sample.check(row.attempt!);
    row.problem = '';
  } catch (error) {
    if (error instanceof Stopped) return;
    row.problem = messageOf(error);
  }
  display.update(row);
}

/** By whoever runs the demo. */
class Stopped extends Error {
  override name = 'Stopped';
}

/** Resolves with the exit code. */
async function main(): Promise<number> {
  const { emulators, help } = readFlags(process.argv.slice(2));
  if (help) {
    console.log(USAGE);
    return 0;
  }
  const stop = new AbortController();
  const limitMs = LIMIT_MS[emulators ? 'emulators' : 'embedded'];
  const limit = setTimeout(() => stop.abort(new Error(`not over after ${limitMs / 1000} s`)), limitMs);
  // Asking again changes nothing, since npm passes on a Ctrl-C that the demo has got already.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => stop.abort(new Stopped(`stopped by ${signal}`)));
  try {
    return (await demo(emulators, stop.signal)) ? 0 : 1;
  } finally {
    clearTimeout(limit);
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Stopped ? error.message : `the demo failed: ${messageOf(error)}`);
  process.exitCode = 1;
}
