import { z } from 'zod';
import { durationSchema, parseDuration } from '../../core/duration.ts';
import type { QuestDesc } from '../../core/quest.ts';
import { parseWith } from '../../core/validation.ts';
import { commonConfig } from '../contract.ts';
import { isReserved } from './environment.ts';

const DEFAULT_GRACE_MS = 5000;
const MAX_GRACE_MS = 3_600_000;

/** What the kernel takes as an argument, a path or a variable: it ends at the first NUL. */
const textSchema = z.string().refine(text => !text.includes('\0'), 'must not contain NUL');

const environmentSchema = z.record(z.string(), textSchema).superRefine((variables, context) => {
  for (const name of Object.keys(variables)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      context.addIssue({ code: 'custom', path: [name], message: 'must be named by [A-Za-z_][A-Za-z0-9_]*' });
    else if (isReserved(name))
      context.addIssue({ code: 'custom', path: [name], message: 'is set by the distributor itself' });
  }
});

export const configSchema = z.strictObject({
  ...commonConfig,
  /** From TERM to KILL; default 5 s. */
  gracePeriod: durationSchema
    .refine(text => parseDuration(text) <= MAX_GRACE_MS, `must be at most "${MAX_GRACE_MS / 1000}s"`)
    .optional(),
  /** Variables for every command; a value `env:NAME` names a secret. */
  env: environmentSchema.optional(),
});
export type ExecConfig = z.infer<typeof configSchema>;

const parametersSchema = z.strictObject({
  /** The program, looked up in PATH, and its arguments. No shell reads them. */
  command: z
    .array(textSchema)
    .min(1)
    .refine(([program]) => program !== '', { path: [0], message: 'must name a program' }),
  env: environmentSchema.optional(),
  /** Default: the working directory of the stack. */
  cwd: textSchema.min(1).optional(),
});
export type ExecParameters = z.infer<typeof parametersSchema>;

/** Throws InvalidArgument naming the field. */
export function parametersOf(quest: QuestDesc): ExecParameters {
  return parseWith(parametersSchema, quest.distributorParameters, 'distributorParameters');
}

export function graceMsOf({ gracePeriod }: ExecConfig): number {
  return gracePeriod === undefined ? DEFAULT_GRACE_MS : parseDuration(gracePeriod);
}
