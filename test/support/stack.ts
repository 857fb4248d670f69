import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { FunctionName } from '../../functions/wiring.ts';
import type { AttemptView } from '../../local/demo/client.ts';
import { type Stack, startStack } from '../../local/stack.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** The runtime that is deployed, whatever runs the tests. */
export const NODE = join(ROOT, 'node_modules/.bin/node');

export const DISTRIBUTORS = `
shell: {type: exec, config: {gracePeriod: 1s}}
web: {type: http, config: {allowedHosts: [127.0.0.1], requestTimeout: 1s}}
sim: {type: jobsim, config: {pool: test}}
default: {alias: shell}
`;

export interface RawRequest {
  method?: string;
  headers?: Record<string, string | undefined>;
  body?: string | Buffer;
}

export interface Answered<Body> {
  status: number;
  body: Body;
}

export interface ErrorBody {
  error: { code: number; status: string; message: string; details?: { field: string; description: string }[] };
}

/** One HTTP request as it stands: fetch would not send a Host of one's own. */
export function send<Body = ErrorBody>(url: string, { method = 'GET', headers = {}, body }: RawRequest = {}) {
  return new Promise<Answered<Body>>((resolve, reject) => {
    const contentType = body === undefined ? {} : { 'content-type': 'application/json' };
    const given = Object.entries({ ...contentType, ...headers }).filter(([, value]) => value !== undefined);
    const options = { method, headers: Object.fromEntries(given) as Record<string, string>, agent: false };
    const outgoing = httpRequest(url, options, incoming => {
      const chunks: Buffer[] = [];
      incoming.on('data', chunk => chunks.push(chunk as Buffer));
      incoming.on('error', reject);
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ status: incoming.statusCode ?? 0, body: (text === '' ? {} : JSON.parse(text)) as Body });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

export interface Api {
  /** Submits one description and resolves with its quest's id. */
  submit(desc: object, attempts?: number[]): Promise<string>;
  /** In the order of the descriptions. */
  submitAll(descs: object[]): Promise<string[]>;
  get(quest: string, attempt?: number): Promise<AttemptView>;
  /** Fails when the attempt is not over within 40 s. */
  wait(quest: string, attempt?: number): Promise<AttemptView>;
  list(query?: string): Promise<{ attempts: AttemptView[]; nextPageToken?: string }>;
  /** All attempts, page after page. */
  listAll(): Promise<AttemptView[]>;
}

export function apiOf(url: string): Api {
  async function ok<Body>(path: string, request: RawRequest = {}): Promise<Body> {
    const { status, body } = await send<Body>(`${url}/v1/${path}`, request);
    if (status !== 200) throw new Error(`${path}: ${JSON.stringify(body)}`);
    return body;
  }
  async function ensure(quests: object[]): Promise<string[]> {
    const body = JSON.stringify({ quests });
    return (await ok<{ questIds: string[] }>('graph:ensure', { method: 'POST', body })).questIds;
  }
  return {
    submit: async (desc, attempts = [1]) => (await ensure([{ desc, attempts }]))[0]!,
    submitAll: descs => ensure(descs.map(desc => ({ desc }))),
    get: (quest, attempt = 1) => ok(`quests/${quest}/attempts/${attempt}`),
    async wait(quest, attempt = 1) {
      const over = await ok<AttemptView>(`quests/${quest}/attempts/${attempt}:wait?timeout=40s`);
      if (over.result === undefined) throw new Error(`not over: ${JSON.stringify(over)}`);
      return over;
    },
    list: (query = '') => ok(`attempts?${query}`),
    async listAll() {
      const all: AttemptView[] = [];
      for (let pageToken: string | undefined = ''; pageToken !== undefined; ) {
        const page: { attempts: AttemptView[]; nextPageToken?: string } = await ok(
          `attempts?pageSize=100${pageToken && `&pageToken=${pageToken}`}`,
        );
        all.push(...page.attempts);
        pageToken = page.nextPageToken;
      }
      return all;
    },
  };
}

export interface TestStack extends Stack {
  api: Api;
  dataDir: string;
  /** Everything that it logged, from `info` on. */
  log: string[];
}

/** A stack in this process, on free ports and in a folder of its own. Whoever starts it closes it. */
export async function startTestStack(distributors = DISTRIBUTORS): Promise<TestStack> {
  const dataDir = mkdtempSync(join(tmpdir(), 'distributor-test-'));
  const distributorsFile = writeDistributors(dataDir, distributors);
  const log: string[] = [];
  const stack = await startStack({ port: 0, dataDir, distributorsFile, logLevel: 'info' }, line => log.push(line));
  return {
    ...stack,
    api: apiOf(stack.urls.api),
    dataDir,
    log,
    async close() {
      await stack.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** A folder that is gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'distributor-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

export function writeDistributors(folder: string, text = DISTRIBUTORS): string {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'distributors.yaml');
  writeFileSync(file, text);
  return file;
}

export interface Program {
  pid: number;
  kill(signal: NodeJS.Signals): void;
  stdout(): string;
  stderr(): string;
  /** Resolves as soon as stdout matches; rejects when the program ends before that. */
  printed(pattern: RegExp): Promise<void>;
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/** A file of this project as a process, which ends with the test at the latest. */
export function run(file: string, environment: Record<string, string>, args: string[] = []): Program {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, ...environment };
  const child: ChildProcess = spawn(NODE, [file, ...args], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  child.stdout?.on('data', chunk => (output.stdout += String(chunk)));
  child.stderr?.on('data', chunk => (output.stderr += String(chunk)));
  const exited = new Promise<Awaited<Program['exited']>>(resolve => {
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return {
    pid: child.pid!,
    kill: signal => void child.kill(signal),
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    printed: pattern =>
      new Promise((resolve, reject) => {
        const look = () => pattern.test(output.stdout) && resolve();
        child.stdout?.on('data', look);
        look();
        void exited.then(end => reject(new Error(`ended with ${JSON.stringify(end)}: ${output.stderr}`)));
      }),
    exited,
  };
}

export interface StackProgram extends Program {
  urls: Record<FunctionName, string>;
  api: Api;
}

/** `npm start` as a process. */
export async function runStack(environment: Record<string, string>): Promise<StackProgram> {
  const program = run('local/main.ts', { LOG_LEVEL: 'info', PORT: '0', ...environment });
  await program.printed(/Stop with Ctrl-C/);
  const lines = program.stdout().matchAll(/^ {2}(\w+) +(http:\S+)$/gm);
  const urls = Object.fromEntries([...lines].map(([, name, url]) => [name, url])) as StackProgram['urls'];
  return { ...program, urls, api: apiOf(urls.api) };
}

/** The first of five ports in a row that are free. Below the range from which systems choose ports by themselves. */
export async function freePorts(): Promise<number> {
  for (;;) {
    const first = 20_000 + Math.floor(Math.random() * 12_000);
    const free = await Promise.all([0, 1, 2, 3, 4].map(i => isFree(first + i)));
    if (free.every(Boolean)) return first;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** A quest of a shell script. `parameters` make quests differ that do the same. */
export function shell(script: string, more: { cwd?: string; meta?: object; parameters?: object } = {}): object {
  const { cwd, meta = {}, parameters = {} } = more;
  return {
    distributorConfigName: 'shell',
    distributorParameters: { command: ['sh', '-c', script], ...(cwd !== undefined && { cwd }) },
    parameters,
    meta,
  };
}

export function web(url: string, parameters: object = {}, more: object = {}): object {
  return { distributorConfigName: 'web', distributorParameters: { url, ...more }, parameters };
}

export function sim(parameters: object): object {
  return { distributorConfigName: 'sim', parameters };
}
