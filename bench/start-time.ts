import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
const NODE = join(ROOT, 'node_modules/.bin/node');
const FRAMEWORK = join(ROOT, 'node_modules/@google-cloud/functions-framework/build/src/main.js');

export interface Program {
  /** A folder with `index.js`, or a file. */
  source: string;
  target: string;
  method: 'GET' | 'POST';
  path: string;
  headers?: Record<string, string>;
  body?: string;
  /** The status of the first answer. */
  expected: number;
  environment: Record<string, string>;
}

export interface Start {
  /** From the start of the process to the end of its first answer, in milliseconds. */
  elapsedMs: number;
  /** Of the processor, by all threads; what others do on the machine disturbs it less. */
  cpuMs: number | undefined;
}

/** Starts a function under functions-framework as it is deployed, and asks until it answers. */
export async function measureStart(program: Program, port: number): Promise<Start> {
  const { source, target, environment } = program;
  const startedAt = performance.now();
  const child = spawn(NODE, [FRAMEWORK, `--source=${source}`, `--target=${target}`, `--port=${port}`], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, NODE_ENV: 'production', ...environment },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()));
  try {
    for (;;) {
      const status = await ask(program, port).catch(() => undefined);
      if (status !== undefined) {
        if (status !== program.expected) throw new Error(`${target} answered ${status}, not ${program.expected}`);
        return { elapsedMs: performance.now() - startedAt, cpuMs: processorMs(child.pid!) };
      }
      if (child.exitCode !== null) throw new Error(`${target} ended with ${child.exitCode}`);
      await new Promise(resolve => setTimeout(resolve, 2));
    }
  } finally {
    child.kill('SIGKILL');
    await exited;
  }
}

function ask({ method, path, headers = {}, body }: Program, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, response => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0));
      response.on('error', reject);
    });
    outgoing.on('error', reject).end(body);
  });
}

/** What the threads of a process have used of the processor. Linux tells in nanoseconds. */
export function processorMs(pid: number): number | undefined {
  if (process.platform !== 'linux') return undefined;
  const threads = readdirSync(`/proc/${pid}/task`);
  const nanoseconds = threads.map(thread =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]),
  );
  return nanoseconds.reduce((sum, one) => sum + one, 0) / 1e6;
}
