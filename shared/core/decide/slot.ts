import { SCHEMA_VERSION } from '../attempt.ts';
import type { ExecutionId } from '../ids.ts';
import { type Slot, SLOT_SHARD, type SlotUse } from '../slot.ts';

/** The next revision of a slot that an execution takes. `spacingMs`: it is free again after this long, whatever becomes of it. */
export function takeSlot(
  slot: { distributor: string; use: SlotUse; number: number } & Partial<Slot>,
  holder: ExecutionId,
  { spacingMs, now }: { spacingMs?: number | undefined; now: number },
): Slot {
  const { distributor, use, number, revision = 0, createdAt = now } = slot;
  const freeAt = spacingMs === undefined ? undefined : now + spacingMs;
  return {
    schemaVersion: SCHEMA_VERSION,
    distributor,
    use,
    number,
    revision: revision + 1,
    shard: SLOT_SHARD,
    createdAt,
    updatedAt: now,
    holder,
    ...(freeAt !== undefined && { freeAt, wakeAt: freeAt }),
  };
}

/** Its job is gone. From now on the slot owes a start to whoever waits. */
export function freeSlot(slot: Slot, now: number): Slot {
  return { ...slot, holder: undefined, revision: slot.revision + 1, updatedAt: now, freeAt: now, wakeAt: now };
}

/** Nobody waits: whoever comes next looks for a free slot. */
export function idleSlot(slot: Slot, now: number): Slot {
  return { ...slot, wakeAt: undefined, revision: slot.revision + 1, updatedAt: now };
}
