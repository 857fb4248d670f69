import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startStack } from '../local/stack.ts';
import { createCaller } from './caller.ts';
import { startExecutor } from './executor.ts';

export interface Memory {
  /** Bytes. */
  resident: number;
  peak: number;
}

/** Node's options as `npm start` gives them, so that what is measured is what is run. */
function startOptions(): string[] {
  const file = readFileSync(join(import.meta.dirname, '../package.json'), 'utf8');
  const { scripts } = JSON.parse(file) as { scripts: { start: string } };
  return scripts.start.split(' ').filter(word => word.startsWith('--'));
}

/** The local stack in a process of its own; client and executor live in this one. */
export async function startStackProcess(directory: string) {
  const child = fork(import.meta.filename, [directory], { execArgv: startOptions() });
  const { apiUrl } = (await nextMessage(child)) as { apiUrl: string };
  const caller = createCaller();
  const executor = await startExecutor(caller);

  return {
    apiUrl,
    /** Submits a quest and waits for its result. */
    async execute(name: string): Promise<void> {
      const distributorParameters = { url: executor.url };
      const desc = { distributorConfigName: 'web', parameters: { name }, distributorParameters };
      const ensured = await caller.call('POST', `${apiUrl}/v1/graph:ensure`, { quests: [{ desc }] });
      const [quest] = (ensured as { questIds: string[] }).questIds;
      const attempt = await caller.call('GET', `${apiUrl}/v1/quests/${quest}/attempts/1:wait?timeout=60s`);
      const { state } = attempt as { state: string };
      if (state !== 'FINISHED') throw new Error(`an execution ended as ${state}`);
    },
    async memory(): Promise<Memory> {
      child.send('memory');
      return (await nextMessage(child)) as Memory;
    },
    async stop(): Promise<void> {
      const exited = once(child, 'exit');
      child.disconnect();
      await exited;
      executor.close();
      caller.close();
    },
  };
}

async function nextMessage(child: ChildProcess): Promise<unknown> {
  const [message] = (await once(child, 'message')) as [unknown];
  return message;
}

async function serve(directory: string): Promise<void> {
  const { urls, close } = await startStack({
    port: 0,
    dataDir: directory,
    distributorsFile: join(import.meta.dirname, 'distributors.yaml'),
    logLevel: 'warn',
  });
  process.on('message', () => {
    const peak = process.resourceUsage().maxRSS * 1024;
    process.send?.({ resident: process.memoryUsage.rss(), peak } satisfies Memory);
  });
  process.once('disconnect', () => void close().then(() => process.exit(0)));
  process.send?.({ apiUrl: urls.api });
}

if (import.meta.main) await serve(process.argv[2]!);
