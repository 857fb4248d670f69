import { messageOf } from '../shared/core/errors.ts';
import { readSettings } from './settings.ts';
import { type Stack, startStack } from './stack.ts';

const SAME_CTRL_C_MS = 500;

/** `npm start`: the whole distributor on this machine, until it is told to stop. */
async function main(): Promise<void> {
  const settings = readSettings(process.env);
  const stack = await startStack(settings);
  console.log(banner(stack, settings.dataDir));

  let stoppingSince: number | undefined;
  const stop = async (signal: string) => {
    if (stoppingSince !== undefined) {
      // Who asks twice does not want to wait; but npm passes on a Ctrl-C that the terminal has sent us already.
      if (performance.now() - stoppingSince > SAME_CTRL_C_MS) process.exit(1);
      return;
    }
    stoppingSince = performance.now();
    console.log(`\n${signal}: stopping; commands end; the rest goes on at the next start`);
    await stack.close();
    process.exit(0);
  };
  process.on('SIGINT', signal => void stop(signal));
  process.on('SIGTERM', signal => void stop(signal));
}

function banner({ urls, distributors }: Stack, dataDir: string): string {
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

main().catch((error: unknown) => {
  console.error(`cannot start: ${messageOf(error)}`);
  process.exitCode = 1;
});
