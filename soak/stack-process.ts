import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { guard } from '../local/emulators/watchman.ts';

const ROOT = join(import.meta.dirname, '..');

/** The words after `node` of `npm start`, so that what is tried is what is run. */
function startArguments(): string[] {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: { start: string } };
  return scripts.start.split(' ').slice(1);
}

export interface StackProcess {
  pid: number;
  /** Resolves once it serves; never, if it ends before. */
  ready: Promise<void>;
  /** Resolves with how it ended. */
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  kill(signal: NodeJS.Signals): void;
}

/** `npm start` as a process, whose log goes to the open file `log`. It never outlives this process. */
export function startStackProcess(environment: Record<string, string>, log: number): StackProcess {
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(process.execPath, startArguments(), {
    cwd: ROOT,
    env: { PATH, HOME, ...environment },
    // In a group of its own: Ctrl-C is the soak's to hear.
    detached: true,
    stdio: ['ignore', 'pipe', log],
  });
  const exited = once(child, 'exit').then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null,
  }));
  guard(child, exited);
  const ready = Promise.withResolvers<void>();
  let banner = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    banner += text;
    if (banner.includes('Stop with Ctrl-C')) ready.resolve();
  });
  return { pid: child.pid!, ready: ready.promise, exited, kill: signal => void child.kill(signal) };
}
