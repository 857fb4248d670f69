import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { portsFrom } from '../local/emulators/ports.ts';
import { stream } from '../simulate/random.ts';
import { audit, type Facts } from './audit.ts';
import { createClient } from './client.ts';
import { collectAttempts, readOwed } from './collect.ts';
import { readCommands } from './commands.ts';
import { startExecutor } from './executor.ts';
import type { Flags } from './flags.ts';
import { flatnessOf } from './flatness.ts';
import { distributorsFile } from './kinds.ts';
import { createLedger } from './ledger.ts';
import { createLives, type Lives } from './lives.ts';
import { runLoad } from './load.ts';
import { startStackProcess } from './stack-process.ts';
import { endsTable, livesText, problemsText, progressText, repeatedCommands } from './summary.ts';

const CLIENTS = 24;
const PROGRESS_EVERY_MS = 10_000;
/** A call that was lost with the stack is made again after 12 s; a job that resists is stopped with growing pauses. */
const SETTLE_WITHIN_MS = 180_000;

/** Loads, kills and audits; `stopped` ends the load early. Resolves with whether all was as it should be. */
export async function soak(flags: Flags, stopped: AbortSignal, print: (line: string) => void): Promise<boolean> {
  const { minutes, seed, killsPerMinute, keep } = flags;
  const directory = await mkdtemp(join(tmpdir(), 'distributor-soak-'));
  const dataDir = join(directory, 'data');
  const folder = join(directory, 'commands');
  mkdirSync(folder);
  const distributors = join(directory, 'distributors.yaml');
  writeFileSync(distributors, distributorsFile(directory));

  await using cleanUp = new AsyncDisposableStack();
  const log = cleanUp.adopt(openSync(join(directory, 'stack.log'), 'a'), closeSync);
  const executor = cleanUp.adopt(await startExecutor(), ({ close }) => close());
  const ports = await portsFrom(0);
  const environment = { PORT: String(ports.api), DATA_DIR: dataDir, DISTRIBUTORS: distributors };
  const lives = createLives({
    start: () => startStackProcess(environment, log),
    random: stream(seed, 'kills'),
    killsPerMinute,
    commandVariable: `SOAK_DIRECTORY=${directory}`,
  });
  cleanUp.defer(() => lives.stop());
  print(`seed ${seed}; api http://127.0.0.1:${ports.api}, data ${directory}`);

  const loadOver = cleanUp.adopt(limit(minutes * 60_000, stopped), ({ end }) => end());
  const patience = new AbortController();
  const client = createClient(`http://127.0.0.1:${ports.api}`, patience.signal);
  const ledger = createLedger();
  const startedAt = performance.now();
  const progress = setInterval(
    () => print(progressText(performance.now() - startedAt, ledger, lives)),
    PROGRESS_EVERY_MS,
  );
  cleanUp.defer(() => clearInterval(progress));
  const world = { executorUrl: executor.url, folder };
  const load = runLoad({ client, ledger, world, random: stream(seed, 'load'), clients: CLIENTS }, loadOver.signal);
  load.catch(loadOver.end);
  await lives.run(loadOver.signal);

  print(`the load and the kills have stopped after ${Math.round((performance.now() - startedAt) / 1000)} s; settling`);
  const outOfPatience = setTimeout(() => patience.abort(), SETTLE_WITHIN_MS);
  cleanUp.defer(() => clearTimeout(outOfPatience));
  await load.catch(unless(patience.signal));
  const attempts = await collectAttempts(client, executor.jobs, patience.signal).catch(unless(patience.signal));
  await lives.stop();

  const facts: Facts = {
    ledger: { ...ledger, refusals: [...ledger.refusals, ...executor.refusals] },
    attempts: attempts ?? new Map(),
    jobs: new Map([...executor.jobs, ...readCommands(folder)]),
    owed: readOwed(join(dataDir, 'distributor.sqlite')),
    misdeeds: lives.misdeeds,
  };
  const isGood = conclude(facts, lives, print);
  if (keep || !isGood) print(`data, and the stack's log, are in ${directory}`);
  else await rm(directory, { recursive: true, force: true });
  return isGood;
}

/** Says what came of it. Returns whether all was as it should be. */
function conclude(facts: Facts, lives: Lives, print: (line: string) => void): boolean {
  const problems = audit(facts);
  print(`\n${endsTable(facts)}\n`);
  print(`commands that were done when they died with the stack, and were run again: ${repeatedCommands(facts)}`);
  for (const line of [...livesText(lives), ...problemsText(problems)]) print(line);
  return problems.length === 0 && (flatnessOf(lives.all)?.every(({ isFlat }) => isFlat) ?? true);
}

/** A signal that aborts after so long, with `parent`, or when it is ended. */
function limit(milliseconds: number, parent: AbortSignal): { signal: AbortSignal; end: () => void } {
  const controller = new AbortController();
  const end = () => {
    clearTimeout(timer);
    controller.abort();
  };
  const timer = setTimeout(end, milliseconds);
  parent.addEventListener('abort', end, { once: true });
  if (parent.aborted) end();
  return { signal: controller.signal, end };
}

/** Swallows what rejects because time is up: what is missing then is what the audit is to say. */
function unless(signal: AbortSignal): (error: unknown) => undefined {
  return error => {
    if (!signal.aborted) throw error;
  };
}
