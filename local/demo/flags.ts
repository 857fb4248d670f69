import { parseArgs } from 'node:util';
import { messageOf } from '../../shared/core/errors.ts';

export const USAGE = `npm run demo [-- --emulators]

  Seven real jobs, good and bad, watched to their ends on a stack of their own: one process on SQLite. Then a build, whose
  steps are run as they need each other, and drawn as a tree.

  --emulators   on Google's parts instead: the five functions as they are deployed, each in a process of its own, on the
                Firestore and Pub/Sub emulators
  --help        this text
`;

export interface Flags {
  emulators: boolean;
  help: boolean;
}

/** Throws with the usage, for whoever typed it. */
export function readFlags(args: string[]): Flags {
  try {
    const { values } = parseArgs({ args, options: { emulators: { type: 'boolean' }, help: { type: 'boolean' } } });
    return { emulators: values.emulators ?? false, help: values.help ?? false };
  } catch (error) {
    throw new Error(`${messageOf(error)}\n\n${USAGE}`, { cause: error });
  }
}
