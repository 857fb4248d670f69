import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../shared/core/errors.ts';
import { guard } from './watchman.ts';

export interface Emulator {
  /** `127.0.0.1:port`, as the client libraries want it in `*_EMULATOR_HOST`. */
  host: string;
  pid: number;
  /** Resolves once the process is gone. */
  close(): Promise<void>;
}

export interface Program {
  /** For error messages. */
  name: string;
  command: string;
  args: readonly string[];
  host: string;
}

const READY_WITHIN_MS = 60_000;
const POLL_MS = 50;
const OUTPUT_KEPT = 4000;

/** Starts a program that serves HTTP at `host`, and resolves when it does. It never outlives this process. */
export async function startProgram({ name, command, args, host }: Program): Promise<Emulator> {
  // In groups of their own: Ctrl-C is ours to hear, and we stop them in our order.
  const child = spawn(command, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const { pid } = child;
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-OUTPUT_KEPT);
    });
  const exited = once(child, 'exit').then(
    ([code, signal]) => `it exited with ${code ?? signal}`,
    (error: unknown) => messageOf(error),
  );
  if (pid === undefined) throw new Error(`${name} did not start: ${await exited}`);

  guard(child, exited);

  async function close(): Promise<void> {
    // Emulators keep nothing that a gentler signal would save.
    child.kill('SIGKILL');
    await exited;
  }

  const ready = new AbortController();
  const failure = await Promise.race([
    exited,
    answers(host, ready.signal).then(() => undefined),
    sleep(READY_WITHIN_MS, `it did not answer within ${READY_WITHIN_MS} ms`, { signal: ready.signal, ref: false }),
  ]).finally(() => ready.abort());
  if (failure === undefined) return { host, pid, close };
  await close();
  throw new Error(`${name} did not start: ${failure}\n${output}`);
}

async function answers(host: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const response = await fetch(`http://${host}/`, { signal }).catch(() => undefined);
    if (response?.ok) return;
    await sleep(POLL_MS, undefined, { signal }).catch(() => {});
  }
}
