import type { z } from 'zod';
import { cut } from '../core/result.ts';

/** Text of a service for a reason or a result: on one line, no longer than people read, and such that JSON can hold it. */
export function oneLine(text: string, characters = 1000): string {
  return cut(text.replaceAll(/[\s\p{Cc}]+/gu, ' ').trim(), characters).toWellFormed();
}

/** A field that explains or adds: where it is missing or strange, what it belongs to is read all the same. */
export function told<T extends z.ZodType>(schema: T) {
  return schema.nullish().catch(undefined);
}
