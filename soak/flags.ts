import { parseArgs } from 'node:util';
import { messageOf } from '../shared/core/errors.ts';

export const USAGE = `npm run soak -- --minutes M [--seed S] [--kills-per-minute K] [--keep]

  A mixed load on the local stack, which is killed with -9 every few seconds; at the end an account of every execution
  that was ever accepted. Exits 0 when nothing is lost, nothing was completed twice and memory stays flat.

  --minutes M            how long the load lasts; parts of a minute are fine
  --seed S               of the load and of the times of the kills (default: of the clock)
  --kills-per-minute K   on average (default: 12); some lives last moments, some half a minute
  --keep                 leave the data and the stack's log where they are; done anyway when something is wrong
  --help                 this text
`;

export interface Flags {
  minutes: number;
  seed: number;
  killsPerMinute: number;
  keep: boolean;
}

const DEFAULT_KILLS_PER_MINUTE = 12;

/** Returns undefined when help is asked for. Throws with the usage, for whoever typed it. */
export function readFlags(args: string[], clockMs: number): Flags | undefined {
  try {
    const { values } = parseArgs({
      args,
      options: {
        minutes: { type: 'string' },
        seed: { type: 'string' },
        'kills-per-minute': { type: 'string' },
        keep: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
    if (values.help) return undefined;
    const minutes = numberOf('--minutes', values.minutes);
    if (minutes === 0) throw new Error('--minutes: must be more than zero');
    return {
      minutes,
      seed: numberOf('--seed', values.seed ?? String(clockMs % 1_000_000)),
      killsPerMinute: numberOf('--kills-per-minute', values['kills-per-minute'] ?? String(DEFAULT_KILLS_PER_MINUTE)),
      keep: values.keep ?? false,
    };
  } catch (error) {
    throw new Error(`${messageOf(error)}\n\n${USAGE}`, { cause: error });
  }
}

function numberOf(flag: string, text: string | undefined): number {
  if (text === undefined) throw new Error(`${flag}: is missing`);
  if (!/^\d+(\.\d+)?$/.test(text)) throw new Error(`${flag}: "${text}" is not a number of zero or more`);
  return Number(text);
}
