import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { killCommandsOf, startTimeOf } from '../../shared/adapters/exec/identity.ts';
import { backoffCeiling } from '../../shared/core/backoff.ts';
import { messageOf } from '../../shared/core/errors.ts';
import { parseJson } from '../../shared/core/json.ts';
import type { Log } from '../../shared/core/ports.ts';
import { guard } from './watchman.ts';

export interface ProcessOptions {
  name: string;
  command: string;
  args: readonly string[];
  env: Record<string, string | undefined>;
  /** It listens here. */
  port: number;
  logFile: string;
  /** For its errors. */
  writeLine: (line: string) => void;
  log: Log;
}

export interface Supervised {
  /** Undefined while none could be started. */
  pid(): number | undefined;
  /** SIGKILL, as by a machine that needs the memory. It is started again after a moment. */
  kill(): void;
  /** Stops it for good, with the commands that it has started. */
  close(): Promise<void>;
}

/** Between two starts; of a process that ran for a while, the first. */
const RESTART_BACKOFF = { initialMs: 100, multiplier: 2, maxMs: 5000 };
const STEADY_AFTER_MS = 3000;
const READY_WITHIN_MS = 30_000;
const STOP_GRACE_MS = 3000;
const POLL_MS = 25;

/** Resolves once the process answers HTTP; from then on it is started again whenever it ends. */
export async function supervise(options: ProcessOptions): Promise<Supervised> {
  const { name, log } = options;
  const output = createWriteStream(options.logFile, { flags: 'a' });
  const stopped = new AbortController();
  let current = startProcess(options, output);

  async function keepAlive(): Promise<void> {
    for (let starts = 1; ; ) {
      const startedAt = performance.now();
      const end = await current.ended;
      if (stopped.signal.aborted) return;
      starts = performance.now() - startedAt > STEADY_AFTER_MS ? 1 : starts + 1;
      const delayMs = backoffCeiling(RESTART_BACKOFF, starts);
      log.warn('a function ended and is started again', { function: name, end, delayMs });
      await sleep(delayMs, undefined, { signal: stopped.signal }).catch(() => {});
      if (stopped.signal.aborted) return;
      current = startProcess(options, output);
    }
  }

  async function stop(): Promise<void> {
    stopped.abort();
    current.signal('SIGTERM');
    const killing = setTimeout(() => current.signal('SIGKILL'), STOP_GRACE_MS);
    await current.ended;
    clearTimeout(killing);
    output.end();
    await once(output, 'close');
  }

  let stopping: Promise<void> | undefined;
  const close = () => (stopping ??= stop());
  const failure = await Promise.race([current.ended, whenReady(options.port, stopped.signal)]);
  if (failure !== undefined) {
    await close();
    throw new Error(`the function "${name}" does not start: ${failure}; see ${options.logFile}`);
  }
  void keepAlive();
  return { pid: () => current.pid, kill: () => current.signal('SIGKILL'), close };
}

interface RunningProcess {
  pid: number | undefined;
  signal(name: 'SIGTERM' | 'SIGKILL'): void;
  /** Resolves with how it ended, when its commands are gone, too. */
  ended: Promise<string>;
}

function startProcess(options: ProcessOptions, output: WriteStream): RunningProcess {
  const { command, args, env } = options;
  // In a group of its own: Ctrl-C is ours to hear, and we stop them in our order.
  const child = spawn(command, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit').then(
    ([code, signal]) => `it ended with ${signal ?? code}`,
    (error: unknown) => messageOf(error),
  );
  const { pid } = child;
  if (pid === undefined) return { pid, signal() {}, ended: exited };
  guard(child, exited);
  copyLines(child, options, output);
  const startTime = startTimeOf(pid);

  /** No process is left to do it: what it ran dies with it, as it does under `npm start`. */
  async function end(): Promise<string> {
    const how = await exited;
    const started = await startTime;
    if (started !== undefined) await killCommandsOf({ pid: pid!, startTime: started });
    return how;
  }

  return { pid, signal: name => void child.kill(name), ended: end() };
}

/** All to its log file; errors, and what is no log line, also to whoever started the stack. */
function copyLines(child: ChildProcess, { name, writeLine }: ProcessOptions, output: WriteStream): void {
  for (const stream of [child.stdout!, child.stderr!]) {
    createInterface(stream).on('line', line => {
      output.write(`${line}\n`);
      const parsed = parseJson(line) as { severity?: unknown } | undefined;
      if (parsed?.severity === 'ERROR' || (parsed === undefined && stream === child.stderr))
        writeLine(`${name}: ${line}\n`);
    });
  }
}

async function whenReady(port: number, signal: AbortSignal): Promise<string | undefined> {
  const deadline = performance.now() + READY_WITHIN_MS;
  while (!signal.aborted && performance.now() < deadline) {
    // Any answer will do, also that there is nothing at this path.
    if (await fetch(`http://127.0.0.1:${port}/`, { signal }).catch(() => undefined)) return undefined;
    await sleep(POLL_MS);
  }
  return `no answer on port ${port} within ${READY_WITHIN_MS / 1000} s`;
}
