import type { FunctionName } from '../functions/wiring.ts';
import { messageOf } from '../shared/core/errors.ts';
import { readSettings, type Settings } from './settings.ts';

export interface RunningStack {
  urls: Record<FunctionName, string>;
  distributors: string[];
  close(): Promise<void>;
}

const SAME_CTRL_C_MS = 500;

/** A stack as a program: starts with the settings of the environment and runs until it is told to stop. */
export function runProgram(start: (settings: Settings) => Promise<RunningStack>, words: { stopping: string }): void {
  async function main(): Promise<void> {
    const settings = readSettings(process.env);
    const stack = await start(settings);
    console.log(banner(stack, settings.dataDir));

    let stoppingSince: number | undefined;
    const stop = async (signal: string) => {
      if (stoppingSince !== undefined) {
        // Who asks twice does not want to wait; but npm passes on a Ctrl-C that the terminal has sent us already.
        if (performance.now() - stoppingSince > SAME_CTRL_C_MS) process.exit(1);
        return;
      }
      stoppingSince = performance.now();
      console.log(`\n${signal}: stopping; ${words.stopping}`);
      await stack.close();
      process.exit(0);
    };
    process.on('SIGINT', signal => void stop(signal));
    process.on('SIGTERM', signal => void stop(signal));
  }

  main().catch((error: unknown) => {
    console.error(`cannot start: ${messageOf(error)}`);
    process.exitCode = 1;
  });
}

function banner({ urls, distributors }: RunningStack, dataDir: string): string {
  const quest = {
    desc: {
      distributorConfigName: 'shell',
      distributorParameters: { command: ['sh', '-c', 'echo "{\\"hello\\": \\"world\\"}"'] },
    },
  };
  const body = JSON.stringify({ quests: [quest] }).replaceAll("'", `'\\''`);
  return [
    'The distributor is running.',
    '',
    ...Object.entries(urls).map(([name, url]) => `  ${name.padEnd(8)}${url}`),
    `  data    ${dataDir}`,
    `  pid     ${process.pid}`,
    `  distributors: ${distributors.join(', ')}`,
    '',
    'Submit a first quest, then ask for it with the id in the answer:',
    '',
    `  curl -s ${urls.api}/v1/graph:ensure -H 'Content-Type: application/json' -d '${body}'`,
    `  curl -s '${urls.api}/v1/quests/QUEST_ID/attempts/1:wait?timeout=30s'`,
    '',
    'Stop with Ctrl-C.',
  ].join('\n');
}
