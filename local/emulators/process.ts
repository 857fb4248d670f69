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
  /** What it says once it serves; whether somebody answers at `host` proves nothing, as that may be another. */
  ready: RegExp;
}

const READY_WITHIN_MS = 60_000;
const OUTPUT_KEPT = 4000;

/** Starts a program, and resolves when it serves at `host`. It never outlives this process. */
export async function startProgram({ name, command, args, host, ready }: Program): Promise<Emulator> {
  // In groups of their own: Ctrl-C is ours to hear, and we stop them in our order.
  const child = spawn(command, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const { pid } = child;
  let output = '';
  const serving = Promise.withResolvers<undefined>();
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-OUTPUT_KEPT);
      if (ready.test(output)) serving.resolve(undefined);
      // The emulator of Pub/Sub lives on without its port.
      else if (output.includes('java.net.BindException')) child.kill('SIGKILL');
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

  const started = new AbortController();
  const failure = await Promise.race([
    exited,
    serving.promise,
    sleep(READY_WITHIN_MS, `it was not ready within ${READY_WITHIN_MS} ms`, { signal: started.signal }),
  ]).finally(() => started.abort());
  if (failure === undefined) return { host, pid, close };
  await close();
  throw new Error(`${name} did not start: ${failure}\n${output}`);
}
