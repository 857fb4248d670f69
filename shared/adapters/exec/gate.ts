import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Duplex, Readable, Writable } from 'node:stream';
import type { Environment } from './environment.ts';
import { signalGroup, startTimeOf } from './identity.ts';
import { type Exit, MAX_STDOUT_BYTES, STDERR_TAIL_BYTES, STDOUT_TAIL_BYTES } from './outcome.ts';
import { type Capture, createCapture, type LogFile } from './output.ts';

/**
 * Waits for a line on descriptor 3, then becomes the command. When the stack dies before it writes that line, the
 * descriptor closes and the command never runs.
 */
const GATE = 'read -r _ <&3 || exit 125; exec "$@" 3<&-';

/** How long output is still awaited after the exit, when a process that left the group holds the pipe. */
const DRAIN_MS = 2000;

export interface GatedCommand {
  command: readonly string[];
  cwd: string | undefined;
  env: Environment;
  input: string;
}

/** The leader of a process group of its own, which becomes the command when the gate is opened. */
export interface GatedProcess {
  pid: number;
  /** Absent when it was gone before it could be asked. */
  startTime: string | undefined;
  open(): void;
  /** To the whole group. Does nothing once the leader has exited: its number may be another's by then. */
  signal(name: 'SIGTERM' | 'SIGKILL'): void;
  hasExited(): boolean;
  /** Resolves when the leader has exited, the rest of its group is killed and the output is read. Never rejects. */
  ended: Promise<Exit>;
}

/** Rejects with the system's error when there can be no such process; otherwise the log is closed when it has ended. */
export async function spawnGated({ command, cwd, env, input }: GatedCommand, log: LogFile): Promise<GatedProcess> {
  const child = spawn('/bin/sh', ['-c', GATE, 'sh', ...command], {
    cwd,
    env,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  });
  const exit = new Promise<[number | null, string | null]>(resolve => {
    child.once('exit', (...codeAndSignal) => resolve(codeAndSignal));
  });
  await once(child, 'spawn');
  const pid = child.pid!;
  const [stdin, stdout, stderr, gate] = child.stdio as unknown as [Writable, Readable, Readable, Duplex];
  // A command may exit without reading what it is sent.
  for (const stream of [stdin, gate]) stream.on('error', () => undefined);
  stdin.end(input);

  const out = createCapture({ headBytes: MAX_STDOUT_BYTES, tailBytes: STDOUT_TAIL_BYTES });
  const err = createCapture({ headBytes: 0, tailBytes: STDERR_TAIL_BYTES });
  const drained = Promise.all([drain(stdout, out, log), drain(stderr, err, log)]);
  let exited = false;

  async function follow(): Promise<Exit> {
    const [code, signal] = await exit;
    exited = true;
    signalGroup(pid, 'SIGKILL');
    for (const stream of [stdin, gate]) stream.destroy();
    const timer = setTimeout(() => [stdout, stderr].forEach(stream => stream.destroy()), DRAIN_MS);
    await drained;
    clearTimeout(timer);
    await log.close();
    return { code, signal, stdout: out.output(), stderr: err.output() };
  }

  const ended = follow();
  return {
    pid,
    startTime: await startTimeOf(pid),
    open: () => void gate.end('go\n'),
    signal(name) {
      if (!exited) signalGroup(pid, name);
    },
    hasExited: () => exited,
    ended,
  };
}

async function drain(stream: Readable, capture: Capture, log: LogFile): Promise<void> {
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      capture.add(chunk);
      await log.append(chunk);
    }
  } catch {
    // Destroyed before its end: what came until then is the output.
  }
}
