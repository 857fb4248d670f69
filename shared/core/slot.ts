import { z } from 'zod';
import { instantSchema, numberSchema, SCHEMA_VERSION } from './attempt.ts';
import type { Execution } from './execution.ts';
import { isLive } from './execution.ts';
import type { SlotId } from './ids.ts';

/**
 * What a distributor has only so many of. A `job` slot is held by an execution from before its start until its job is known
 * to be gone; a `start` slot is used for one start, and then not for a while. Each is a document of its own, so that no
 * document is written by everybody.
 */
export const SLOT_USES = ['job', 'start'] as const;
export type SlotUse = (typeof SLOT_USES)[number];

export const slotSchema = z.object({
  schemaVersion: z.literal(SCHEMA_VERSION),
  distributor: z.string(),
  use: z.enum(SLOT_USES),
  number: numberSchema,
  revision: z.int().min(1),
  shard: z.int(),
  createdAt: instantSchema,
  updatedAt: instantSchema,
  /** The execution that holds it, or of a `start` slot used it last. */
  holder: z.string().optional(),
  /** From when on it may be taken; absent while its job is perhaps alive. */
  freeAt: instantSchema.optional(),
  /** When it has become free and whoever waits is to be started. */
  wakeAt: instantSchema.optional(),
});
export type Slot = z.infer<typeof slotSchema>;

/** There are few slots, and few of them are owed something: one range of the index is enough, and a sweep looks into it only. */
export const SLOT_SHARD = 0;

const SLOT = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}#(job|start)-\d{1,10}$/;

export function slotId(distributor: string, use: SlotUse, number: number): SlotId {
  return `${distributor}#${use}-${number}` as SlotId;
}

export function isSlotId(text: string): text is SlotId {
  return SLOT.test(text);
}

export function distributorOfSlot(id: SlotId): string {
  return id.slice(0, id.indexOf('#'));
}

export function idOfSlot({ distributor, use, number }: Pick<Slot, 'distributor' | 'use' | 'number'>): SlotId {
  return slotId(distributor, use, number);
}

/** How many starts and jobs a distributor allows; absent is unlimited. */
export interface Limits {
  maxInFlight?: number;
  maxStartsPerSecond?: number;
}

/** How many slots of each use there are for these limits, and for how long one is used. */
export function slotsFor({
  maxInFlight,
  maxStartsPerSecond,
}: Limits): { use: SlotUse; count: number; spacingMs?: number }[] {
  const starts = maxStartsPerSecond === undefined ? 0 : Math.ceil(maxStartsPerSecond);
  return [
    ...(maxInFlight === undefined ? [] : [{ use: 'job' as const, count: maxInFlight }]),
    // As many as starts a second, each used once in a second (or in longer, where the rate is no whole number).
    ...(maxStartsPerSecond === undefined
      ? []
      : [{ use: 'start' as const, count: starts, spacingMs: (starts / maxStartsPerSecond) * 1000 }]),
  ];
}

/** Whether an execution's job is known to be gone, or was given up on: then its slot is free. */
export function isGone(execution: Execution): boolean {
  return !isLive(execution) && (execution.unwanted ?? []).every(job => job.abandoned === true);
}
