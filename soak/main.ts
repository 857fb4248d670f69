import { messageOf } from '../shared/core/errors.ts';
import { readFlags, USAGE } from './flags.ts';
import { soak } from './soak.ts';

/** `npm run soak`. */

const SAME_CTRL_C_MS = 500;

/** Resolves with the exit code. */
async function main(): Promise<number> {
  const flags = readFlags(process.argv.slice(2), Date.now());
  if (flags === undefined) {
    console.log(USAGE);
    return 0;
  }
  const stopped = new AbortController();
  let stoppedAt: number | undefined;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      // Who asks twice does not want to wait; but npm passes on a Ctrl-C that the terminal has sent us already.
      if (stoppedAt !== undefined && performance.now() - stoppedAt > SAME_CTRL_C_MS) process.exit(1);
      stoppedAt ??= performance.now();
      stopped.abort();
    });
  return (await soak(flags, stopped.signal, line => console.log(line))) ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`the soak failed: ${messageOf(error)}`);
  process.exitCode = 1;
}
