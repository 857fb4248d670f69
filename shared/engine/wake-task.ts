import { z } from 'zod';
import { type AttemptId, type ExecutionId, isAttemptId, isExecutionId, type SlotId, shardOf } from '../core/ids.ts';
import type { Owed } from '../core/obligations.ts';
import type { QueueTask } from '../core/ports.ts';
import { isSlotId } from '../core/slot.ts';

/** The body of a wake-up: an attempt or execution id, and the revision that it is meant for. */
export const wakeSchema = z.strictObject({ id: z.string(), revision: z.int().min(0) });
export type Wake = z.infer<typeof wakeSchema>;

export function wakeTask({ id, revision }: Wake, owed: Owed, options: Pick<QueueTask, 'at' | 'name'> = {}): QueueTask {
  return { path: owed, body: { id, revision }, shard: shardOf(id), ...options };
}

export type Target =
  | { kind: 'attempt'; id: AttemptId }
  | { kind: 'execution'; id: ExecutionId }
  | { kind: 'slot'; id: SlotId };

/** The document that an id names; undefined when it is the id of none that can be woken. */
export function targetOf(id: string): Target | undefined {
  if (isExecutionId(id)) return { kind: 'execution', id };
  if (isAttemptId(id)) return { kind: 'attempt', id };
  return isSlotId(id) ? { kind: 'slot', id } : undefined;
}
