import { freeSlot } from '../core/decide/slot.ts';
import { UnreadableDocument } from '../core/errors.ts';
import { type Execution, idOfExecution } from '../core/execution.ts';
import type { SlotId } from '../core/ids.ts';
import type { Stored, Write } from '../core/ports.ts';
import { isGone, type Limits, type Slot, slotId, slotsFor, type SlotUse } from '../core/slot.ts';
import type { Parts } from './parts.ts';

/**
 * The write that frees an execution's slot, to be committed together with the one by which its job is known to be gone. Every
 * commit of the loop asks for it, so that no end can forget it.
 */
export async function releasedSlot(
  parts: Parts,
  before: Execution | undefined,
  after: Execution | undefined,
): Promise<Write | undefined> {
  if (after?.slot === undefined || !isGone(after) || (before !== undefined && isGone(before))) return undefined;
  const found = await readSlot(parts, slotId(after.distributor.name, 'job', after.slot));
  // Somebody may have taken it away by hand.
  if (found === undefined || found.doc.holder !== idOfExecution(after)) return undefined;
  return { kind: 'slot', doc: freeSlot(found.doc, parts.clock.now()), ifVersion: found.version };
}

/** One that cannot be read is lost until somebody repairs it; it must not keep its holder from its end. */
async function readSlot({ store, log }: Parts, id: SlotId): Promise<Stored<Slot> | undefined> {
  try {
    return await store.get('slot', id);
  } catch (error) {
    if (!(error instanceof UnreadableDocument)) throw error;
    log.error('a slot cannot be read and is not freed', { slot: id, error: error.message });
    return undefined;
  }
}

/** A slot that may be taken: one that is free, or the next that there is not yet. */
export interface FreeSlot {
  slot: Pick<Slot, 'distributor' | 'use' | 'number'> & Partial<Slot>;
  stored?: Stored<Slot>;
  /** For how long it is used, where it is not held. */
  spacingMs?: number | undefined;
}

/** How many of the free slots are looked at: another instance that looks at the same time mostly takes another. */
const CHOICE = 3;

/** Whether there is a free slot of each use that the limits ask for. */
export async function isFree(parts: Parts, distributor: string, limits: Limits): Promise<boolean> {
  return (await findFree(parts, distributor, limits, { choice: 1 })) !== undefined;
}

/** One free slot of each use that the limits ask for; undefined when there is none of one. */
export async function findFree(
  parts: Parts,
  distributor: string,
  limits: Limits,
  { preferred, choice = CHOICE }: { preferred?: Stored<Slot> | undefined; choice?: number } = {},
): Promise<FreeSlot[] | undefined> {
  const found: FreeSlot[] = [];
  for (const { use, count, spacingMs } of slotsFor(limits)) {
    const now = parts.clock.now();
    const isPreferred = preferred !== undefined && preferred.doc.use === use && preferred.doc.number <= count;
    const free = isPreferred ? [preferred] : await parts.store.listFree({ distributor, use, count, now }, choice);
    const stored = free[Math.floor(parts.random.fraction() * free.length)];
    const slot = stored?.doc ?? (await nextSlot(parts, distributor, use, count));
    if (slot === undefined) return undefined;
    found.push({ slot, spacingMs, ...(stored !== undefined && { stored }) });
  }
  return found;
}

/** Slots come into being one after the other; how many there are is remembered, since they stay for ever. */
async function nextSlot(
  { store, opened }: Parts,
  distributor: string,
  use: SlotUse,
  count: number,
): Promise<FreeSlot['slot'] | undefined> {
  const line = `${distributor} ${use}`;
  for (let known = opened.get(line) ?? 0, step = 1; known < count; step *= 2) {
    const numbers = Array.from({ length: Math.min(step, count - known) }, (_, i) => known + 1 + i);
    const found = await Promise.all(numbers.map(number => exists(store, distributor, use, number)));
    const missing = found.indexOf(false);
    known += missing < 0 ? numbers.length : missing;
    opened.set(line, known);
    if (missing >= 0) return { distributor, use, number: known + 1 };
  }
  return undefined;
}

/** One that cannot be read is there, and cannot be taken. */
async function exists(store: Parts['store'], distributor: string, use: SlotUse, number: number): Promise<boolean> {
  try {
    return (await store.get('slot', slotId(distributor, use, number))) !== undefined;
  } catch (error) {
    if (error instanceof UnreadableDocument) return true;
    throw error;
  }
}
