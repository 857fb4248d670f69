import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished, vi } from 'vitest';
import type { Services } from '../../shared/adapters/contract.ts';
import { createExecType } from '../../shared/adapters/exec/index.ts';
import { startTimeOf } from '../../shared/adapters/exec/identity.ts';
import { type ExecutionId } from '../../shared/core/ids.ts';
import type { JsonObject } from '../../shared/core/json.ts';
import type { QuestDesc } from '../../shared/core/quest.ts';
import { parseWith } from '../../shared/core/validation.ts';
import { type DescribeOptions, describeTask, questOf } from './drive.ts';
import { fakeServices } from './services.ts';

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'exec-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export interface ExecAdapterOptions {
  directory?: string;
  environment?: Record<string, string>;
  config?: JsonObject;
  services?: Partial<Services>;
}

/** One life of the stack as the adapter sees it. Whatever still runs is stopped when the test ends. */
export function setUpExec(options: ExecAdapterOptions = {}) {
  const directory = options.directory ?? temporaryDirectory();
  const environment = { PATH: process.env.PATH ?? '', ...options.environment };
  const type = createExecType({ directory, environment });
  onTestFinished(() => type.close());
  const told = new Map<ExecutionId, PromiseWithResolvers<void>>();
  const services = fakeServices({
    enqueueTask: async task => {
      services.tasks.push(task);
      if (task.executionId) tellingOf(task.executionId).resolve();
    },
    ...options.services,
  });
  const distributor = type.create(parseWith(type.configSchema, options.config ?? {}, 'config'), services);

  function tellingOf(id: ExecutionId): PromiseWithResolvers<void> {
    const telling = told.get(id) ?? Promise.withResolvers<void>();
    told.set(id, telling);
    return telling;
  }

  /** Waits for the adapter's own task, and reads what it leads to. */
  async function endOf(task: { executionId: ExecutionId; quest: QuestDesc }) {
    await tellingOf(task.executionId).promise;
    const request = { executionId: task.executionId, payload: {}, retryCount: 0 };
    const [notification] = await distributor.handleTaskQueueTask(request);
    return distributor.handleNotification(notification!, task.quest);
  }

  async function runToEnd(task: ReturnType<typeof execution>) {
    await distributor.run(task);
    return endOf(task);
  }

  const logOf = (id: ExecutionId) => readFileSync(fileURLToPath(distributor.infoUrl(id.replaceAll('|', '.'))!), 'utf8');
  return { directory, type, services, distributor, endOf, runToEnd, logOf };
}

/** One execution of a command. */
export function execution(
  command: string[],
  { env, cwd, ...rest }: { env?: Record<string, string>; cwd?: string } & Partial<QuestDesc> & DescribeOptions = {},
) {
  const distributorParameters = { command, ...(env && { env }), ...(cwd !== undefined && { cwd }) };
  return describeTask(
    questOf({
      ...(rest.parameters && { parameters: rest.parameters }),
      ...(rest.meta && { meta: rest.meta }),
      distributorParameters,
    }),
    rest,
  );
}

export const shell = (script: string, options?: Parameters<typeof execution>[1]) =>
  execution(['sh', '-c', script], options);

/** A command that leaves a line in `file` each time it runs. */
export const leaveLine = (file: string, options?: Parameters<typeof execution>[1]) =>
  shell('echo ran >> "$FILE"', { env: { FILE: file }, ...options });

export function linesOf(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
}

/** Waits for a command to write a whole line, and answers the lines until then. */
export function linesIn(file: string, count: number): Promise<string[]> {
  return vi.waitFor(
    () => {
      const lines = linesOf(file);
      if (lines.length < count) throw new Error(`${file} has ${lines.length} lines`);
      return lines;
    },
    { timeout: 20_000, interval: 10 },
  );
}

export async function isAlive(pid: number): Promise<boolean> {
  return (await startTimeOf(pid)) !== undefined;
}

export function untilGone(pid: number): Promise<void> {
  return vi.waitFor(
    async () => {
      if (await isAlive(pid)) throw new Error(`process ${pid} is alive`);
    },
    { timeout: 20_000, interval: 10 },
  );
}

export function abnormal(status: string, reason: unknown) {
  return { state: 'finished', result: { abnormalFinish: { status, reason } } };
}

export function succeeded(data: unknown) {
  return { state: 'finished', result: { data } };
}
