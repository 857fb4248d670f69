import { z } from 'zod';
import { InvalidArgument } from '../core/errors.ts';
import { canonicalObject } from '../core/json.ts';
import type { QuestDesc } from '../core/quest.ts';

/** What jobs find in their environment, and how a quest may add to it. */

/** The quest's `parameters` as canonical JSON. */
export const PARAMETERS_VARIABLE = 'QUEST_PARAMETERS';
/** The execution's id, by which a job and what is said of it can be recognised. */
export const EXECUTION_VARIABLE = 'DISTRIBUTOR_EXECUTION';

/**
 * Linux takes no longer argument or variable, its end included: MAX_ARG_STRLEN, https://man7.org/linux/man-pages/man2/execve.2.html
 */
export const MAX_ARGUMENT_BYTES = 128 * 1024 - 1;

/**
 * The value of QUEST_PARAMETERS; `write` makes it fit for where it is written to. Throws InvalidArgument when it is larger
 * than the executor takes.
 */
export function parametersJson(
  { parameters }: Pick<QuestDesc, 'parameters'>,
  maxBytes: number,
  write = (json: string) => json,
): string {
  const json = write(canonicalObject(parameters, 'parameters'));
  const bytes = Buffer.byteLength(json);
  if (bytes <= maxBytes) return json;
  throw new InvalidArgument('parameters', `are ${bytes} bytes of JSON; ${PARAMETERS_VARIABLE} takes ${maxBytes}`);
}

/** What an argument or a variable may hold, wherever it goes. */
export const plainText = z
  .string()
  .refine(value => value.isWellFormed() && !value.includes('\0'), 'must be text without null characters');

/** What is wrong with the name of a variable that a quest sets. `reserved`: what the service sets itself. */
export function variableProblem(
  name: string,
  { reserved, maxCharacters = 256 }: { reserved?: RegExp; maxCharacters?: number } = {},
): string | undefined {
  if (name === PARAMETERS_VARIABLE || name === EXECUTION_VARIABLE) return 'is set by the distributor';
  if (reserved?.test(name)) return 'is set by the service';
  if (/^[A-Za-z_]\w*$/.test(name) && name.length <= maxCharacters) return undefined;
  return `is not a name of at most ${maxCharacters} letters, digits and underscores`;
}

/** A record whose bad keys are named: `z.record` would only say that there is one. */
export function recordOf<T>(value: z.ZodType<T>, problemOf: (key: string) => string | undefined) {
  return z.record(z.string(), value).superRefine((record, context) => {
    for (const key of Object.keys(record)) {
      const message = problemOf(key);
      if (message !== undefined) context.addIssue({ code: 'custom', message, path: [key] });
    }
  });
}
