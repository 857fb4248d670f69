import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FUNCTION_NAMES } from '../functions/wiring.ts';
import { startEmulatorStack } from '../local/emulators/stack.ts';
import { createCaller } from './caller.ts';
import { startExecutor } from './executor.ts';
import type { Figure, Scale } from './figures.ts';
import { inTemporaryDirectory, runLoad } from './load.ts';

/** An execution makes at least one request of each function but the sweep. */
const REQUESTS = 1000;
const CONCURRENCY = 16;
const KIB_PER_MIB = 1024;

/** Memory of each function's process, as deployed, after a thousand requests and more. */
export async function deployedMemory({ scaled }: Scale): Promise<Figure[]> {
  if (process.platform !== 'linux') throw new Error('memory of other processes is read from /proc, on Linux only');
  return inTemporaryDirectory(async directory => {
    await using opened = new AsyncDisposableStack();
    const distributorsFile = join(import.meta.dirname, 'distributors.yaml');
    const settings = { port: 0, dataDir: directory, distributorsFile, logLevel: 'warn' } as const;
    const stack = opened.adopt(await startEmulatorStack(settings), ({ close }) => close());
    const caller = opened.adopt(createCaller(), ({ close }) => close());
    const executor = opened.adopt(await startExecutor(caller), ({ close }) => close());
    const pids = FUNCTION_NAMES.map(name => stack.pid(name)!);

    await runLoad(scaled(REQUESTS), CONCURRENCY, async n => {
      const distributorParameters = { url: executor.url };
      const desc = { distributorConfigName: 'web', parameters: { n }, distributorParameters };
      const ensured = await caller.call('POST', `${stack.urls.api}/v1/graph:ensure`, { quests: [{ desc }] });
      const [quest] = (ensured as { questIds: string[] }).questIds;
      const attempt = await caller.call('GET', `${stack.urls.api}/v1/quests/${quest}/attempts/1:wait?timeout=60s`);
      const { state } = attempt as { state: string };
      if (state !== 'FINISHED') throw new Error(`an execution ended as ${state}`);
    });
    await runLoad(scaled(REQUESTS), 4, async () => void (await caller.call('POST', `${stack.urls.sweep}/`, {})));

    FUNCTION_NAMES.forEach((name, i) => {
      if (stack.pid(name) !== pids[i]) throw new Error(`${name} was started again meanwhile`);
    });
    return FUNCTION_NAMES.flatMap((name): Figure[] => {
      const status = readFileSync(`/proc/${stack.pid(name)}/status`, 'utf8');
      const mib = (field: string) =>
        Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / KIB_PER_MIB;
      return [
        { name: `${name}, resident`, unit: 'MiB', runs: [mib('VmRSS')], target: { below: 200 } },
        { name: `${name}, peak`, unit: 'MiB', runs: [mib('VmHWM')] },
      ];
    });
  });
}
