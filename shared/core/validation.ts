import type { z } from 'zod';
import { InvalidArgument, joinPath } from './errors.ts';

/** Parses what came from outside. Throws InvalidArgument that names the field of the first issue below `prefix`. */
export function parseWith<T>(schema: z.ZodType<T>, value: unknown, prefix = ''): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  // A field that nobody knows is mostly a misspelt one that is then missed.
  const { issues } = parsed.error;
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0];
  throw new InvalidArgument(joinPath(prefix, pathOf(issue?.path ?? [])), describe(issue));
}

function pathOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => joinPath(text, typeof key === 'number' ? `[${key}]` : String(key)), '');
}

function describe(issue: z.core.$ZodIssue | undefined): string {
  if (issue === undefined) return 'is not valid';
  if (issue.code === 'unrecognized_keys') return `unknown field ${issue.keys.map(key => `"${key}"`).join(', ')}`;
  if (issue.code === 'invalid_value') return `must be one of ${issue.values.map(String).join(', ')}`;
  const type = /^Invalid input: expected (.+), received (.+)$/.exec(issue.message);
  if (type === null) return issue.message;
  return type[2] === 'undefined' ? 'is missing' : `must be ${type[1]}, not ${type[2]}`;
}
