import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { FunctionName } from '../../functions/wiring.ts';
import { NODE, ROOT } from './stack.ts';

const FRAMEWORK = join(ROOT, 'node_modules/@google-cloud/functions-framework/build/src/main.js');

/** A folder from which bundles find the framework as they do where they are deployed: below node_modules. */
export function bundleFolder(): { folder: string; remove(): void } {
  const parent = join(ROOT, 'node_modules/.cache');
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, 'bundles-'));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export function writeFile(folder: string, name: string, text: string): string {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

/** What every bundle that is given all of it starts with. Nothing is reached: each client connects at its first use. */
export const ENVIRONMENT: Readonly<Record<string, string>> = {
  NODE_ENV: 'production',
  GOOGLE_CLOUD_PROJECT: 'project-1',
  LOCATION: 'here',
  QUEUES: '1',
  TASKS_URL: 'https://tasks.example',
  TASKS_CALLER: 'caller@project-1.iam.gserviceaccount.com',
  TOPIC: 'notifications',
  JOB_URL: 'https://job.example',
  SIGNING_KEY_1: Buffer.alloc(32, 'a').toString('base64'),
  FIRESTORE_EMULATOR_HOST: '127.0.0.1:1',
  PUBSUB_EMULATOR_HOST: '127.0.0.1:1',
  METADATA_SERVER_DETECTION: 'none',
};

export interface ServedBundle {
  url: string;
  pid: number;
  output(): string;
}

/** A bundle under functions-framework in a process of its own, as deployed, which ends with the test at the latest. */
export async function serveBundle(folder: string, name: FunctionName, environment: Record<string, string>) {
  const port = await freePort();
  const { child, output, exited } = start(folder, name, port, environment);
  const ended = exited.then(code => {
    throw new Error(`${name} ended with ${code}: ${output()}`);
  });
  await Promise.race([listening(port), ended]);
  ended.catch(() => {});
  return { url: `http://127.0.0.1:${port}`, pid: child.pid!, output } satisfies ServedBundle;
}

/** For a bundle that is expected to end by itself. */
export async function runBundle(folder: string, name: FunctionName, environment: Record<string, string>) {
  const { output, exited } = start(folder, name, 0, environment);
  return { code: await exited, output: output() };
}

function start(folder: string, name: FunctionName, port: number, environment: Record<string, string>) {
  const child = spawn(NODE, [FRAMEWORK, `--source=${join(folder, name)}`, `--target=${name}`, `--port=${port}`], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (text += String(chunk)));
  const exited = new Promise<number | null>(resolve => child.once('close', resolve));
  onTestFinished(() => void child.kill('SIGKILL'));
  return { child, output: () => text, exited };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise(resolve => server.close(resolve));
  return port;
}

async function listening(port: number): Promise<void> {
  const answers = () =>
    new Promise<boolean>(resolve => {
      const socket = connect(port, '127.0.0.1', () => resolve(true));
      socket.on('error', () => resolve(false)).on('connect', () => socket.destroy());
    });
  while (!(await answers())) await new Promise(resolve => setTimeout(resolve, 20));
}
