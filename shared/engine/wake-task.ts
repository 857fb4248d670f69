import { z } from 'zod';
import { type AttemptId, type ExecutionId, shardOf } from '../core/ids.ts';
import type { Owed } from '../core/obligations.ts';
import type { QueueTask } from '../core/ports.ts';

/** The body of a wake-up: an attempt or execution id, and the revision that it is meant for. */
export const wakeSchema = z.strictObject({ id: z.string(), revision: z.int().min(0) });
export type Wake = z.infer<typeof wakeSchema>;

export function wakeTask({
  id,
  revision,
  owed,
  at,
  name,
}: {
  id: AttemptId | ExecutionId | string;
  revision: number;
  owed: Owed;
  at?: number;
  name?: string;
}): QueueTask {
  return {
    path: owed,
    body: { id, revision },
    shard: shardOf(id),
    ...(at !== undefined && { at }),
    ...(name !== undefined && { name }),
  };
}
