import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFailed } from 'vitest';
import type { AttemptView } from '../../local/demo/client.ts';
import { statusOf } from '../../local/demo/samples.ts';
import { FUNCTION_NAMES } from '../../functions/wiring.ts';
import { type EmulatorStack, startEmulatorStack } from '../../local/emulators/stack.ts';
import { type Api, apiOf, send, writeDistributors } from './stack.ts';

/** One for all, since another file means other bundles. `asked` is for services that must be asked. */
export const E2E_DISTRIBUTORS = `
shell: {type: exec, config: {gracePeriod: 1s, pollInterval: 2s}}
web: {type: http, config: {allowedHosts: [127.0.0.1], requestTimeout: 3s, maxTries: 20}}
asked: {type: http, config: {allowedHosts: [127.0.0.1], requestTimeout: 3s, maxTries: 20, pollInterval: 2s}}
sim: {type: jobsim, config: {pool: test}}
`;

export interface E2eStack extends EmulatorStack {
  api: Api;
  dataDir: string;
  cancel(quest: string): Promise<void>;
  /** What the functions logged, all of it. */
  logOf(name: string): string;
}

export interface E2eOptions {
  /** Another distributors file, and the module of the types that it names; they mean other bundles. */
  distributors?: string;
  types?: string;
}

/** The deployed functions on the emulators, on free ports and in a folder of its own. Whoever starts it closes it. */
export async function startE2eStack({ distributors = E2E_DISTRIBUTORS, types }: E2eOptions = {}): Promise<E2eStack> {
  const dataDir = mkdtempSync(join(tmpdir(), 'distributor-e2e-'));
  const settings = {
    port: 0,
    dataDir,
    distributorsFile: writeDistributors(dataDir, distributors),
    logLevel: 'info',
  } as const;
  const stack = await startEmulatorStack(settings, { writeLog: () => {}, ...(types !== undefined && { types }) });
  const api = apiOf(stack.urls.api);
  const kept = new Map<string, string>();
  const logOf = (name: string) => kept.get(name) ?? readFileSync(join(dataDir, 'logs', `${name}.log`), 'utf8');
  return {
    ...stack,
    dataDir,
    api: {
      ...api,
      submit: (...args) => insist(() => api.submit(...args)),
      submitAll: descs => insist(() => api.submitAll(descs)),
      get: (...args) => insist(() => api.get(...args)),
      list: query => insist(() => api.list(query)),
      listAll: () => insist(() => api.listAll()),
    },
    cancel: quest =>
      insist(async () => {
        const url = `${stack.urls.api}/v1/quests/${quest}/attempts/1:cancel`;
        const { status } = await send(url, { method: 'POST', body: '{}' });
        if (status !== 200) throw new Error(`cancel was answered with ${status}`);
      }),
    logOf,
    async close() {
      await stack.close();
      // For whoever wants to know why a test failed.
      for (const name of FUNCTION_NAMES) kept.set(name, logOf(name));
      rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

const INSIST_MS = 120_000;

/** As a client has to: the function that it calls may just be killed, and a noisy machine takes its time to start it again. */
export async function insist<T>(operation: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + INSIST_MS;
  for (;;) {
    try {
      return await operation();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(250);
    }
  }
}

/** How the executions of an attempt ended, in order. */
export function endsOf({ executions }: AttemptView): (string | undefined)[] {
  return executions.map(({ result }) => statusOf(result));
}

/** Resolves with the attempts, in the order of the quests, once all are over. */
export async function untilOver({ api }: E2eStack, quests: readonly string[], limitMs: number): Promise<AttemptView[]> {
  const deadline = Date.now() + limitMs;
  const left = new Set(quests);
  while (left.size > 0) {
    for (const { quest, result } of await api.listAll()) if (result !== undefined) left.delete(quest);
    if (left.size > 0 && Date.now() > deadline) {
      const stuck = await Promise.all([...left].slice(0, 5).map(quest => api.get(quest)));
      throw new Error(`${left.size} are not over: ${JSON.stringify(stuck, undefined, 1)}`);
    }
    await sleep(1000);
  }
  return Promise.all(quests.map(quest => api.get(quest)));
}

/** Shows, where a test fails, what the functions said last. */
export function showLogsOnFailure(stack: () => E2eStack | undefined): void {
  onTestFailed(() => {
    for (const name of FUNCTION_NAMES) {
      const lines = stack()?.logOf(name).trimEnd().split('\n').slice(-15) ?? [];
      console.log(`--- ${name}\n${lines.join('\n')}`);
    }
  });
}

/** Processes that were started with this text in their environment or their arguments. On Linux only: elsewhere, none. */
export function processesWith(text: string): number[] {
  if (process.platform !== 'linux') return [];
  const pids = readdirSync('/proc').filter(name => /^\d+$/.test(name));
  return pids
    .filter(pid => [`/proc/${pid}/environ`, `/proc/${pid}/cmdline`].some(file => readOr(file).includes(text)))
    .map(Number)
    .filter(pid => pid !== process.pid);
}

function readOr(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // Gone meanwhile.
    return '';
  }
}
