import { z } from 'zod';
import { InvalidArgument } from '../core/errors.ts';

type AllowList = [string, ...string[]];

/** For configs: what a quest may choose from. The first is the default. */
export function allowList(name: z.ZodString) {
  return z
    .array(name)
    .min(1, 'must name at least one')
    .transform(names => names as AllowList);
}

/**
 * What a quest chose of what its distributor allows; the first when it does not say. Without a list, or with an empty one, a
 * quest cannot choose. Throws InvalidArgument naming the field.
 */
export function chosen(field: string, asked: string | undefined, allowed: Readonly<AllowList>): string;
export function chosen(
  field: string,
  asked: string | undefined,
  allowed: readonly string[] | undefined,
): string | undefined;
export function chosen(field: string, asked: string | undefined, allowed: readonly string[] = []): string | undefined {
  if (asked === undefined || allowed.includes(asked)) return asked ?? allowed[0];
  const problem =
    allowed.length === 0
      ? "is not for quests: the distributor's config names none"
      : `must be one of ${allowed.join(', ')}`;
  throw new InvalidArgument(field, problem);
}
