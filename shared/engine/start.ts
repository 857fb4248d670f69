import { type Attempt, type AttemptIn, idOfAttempt } from '../core/attempt.ts';
import { decideLaunch } from '../core/decide/launch.ts';
import { decideQueue } from '../core/decide/queue.ts';
import { idleSlot, takeSlot } from '../core/decide/slot.ts';
import { ConflictError, isTransient, messageOf, TransientError } from '../core/errors.ts';
import { type Claim, type Execution, idOfExecution } from '../core/execution.ts';
import type { AttemptId, SlotId } from '../core/ids.ts';
import type { Stored, Version, Write } from '../core/ports.ts';
import type { Quest } from '../core/quest.ts';
import { distributorOfSlot, idOfSlot, type Limits, type Slot } from '../core/slot.ts';
import { type Context, reviseAttempt } from '../core/decide/decision.ts';
import { withTimeout } from './call.ts';
import { loadAttemptOf, loadQuest } from './load.ts';
import { applyEvent, commitAll, pauseBeforeRetry, TRIES } from './loop.ts';
import { drop } from './notify.ts';
import type { Parts } from './parts.ts';
import { launchOf, withFreeNumber, withPrevious } from './prepare-launch.ts';
import { performRun } from './run.ts';
import { findFree, type FreeSlot, isFree } from './slots.ts';

/**
 * Starts attempts of distributors that limit how many jobs there are. Attempts that find no slot free stand in line; whoever
 * frees a slot starts the first in line. An attempt stands in line first and looks for a free slot then, and a slot is freed
 * first and its next holder looked for then: of two that do so at once, at least one sees the other.
 */

/** Starts that one delivery makes at most; slots that remain free have deliveries of their own. */
const MAX_STARTS = 20;

/** An attempt that is due: starts it if a slot is free and nobody came earlier, else it stands in line. */
export async function startInTurn(
  parts: Parts,
  attempt: Attempt,
  distributor: string,
  limits: Limits,
): Promise<string> {
  const id = idOfAttempt(attempt);
  const { revision } = attempt;
  // A look outside of the turns: where hundreds come at once and all is taken, they do not wait for each other.
  if (await isFree(parts, distributor, limits)) {
    const started = await inTurn(parts, distributor, () =>
      startFirst(parts, distributor, { candidate: { id, revision } }),
    );
    if (started.kind === 'started') await started.perform();
    if (started.kind === 'started' && started.attempt === id) return 'launched';
  }
  const isNew = attempt.state === 'SCHEDULING' && attempt.queued === undefined;
  const first = isNew && (await firstInLine(parts, distributor)) === undefined;
  const outcome = await applyEvent(
    parts,
    () => loadAttemptOf(parts, id),
    (docs, context) => decideQueue(docs, { revision, distributor, first }, context),
  );
  // After an ambiguous commit it stands in line already.
  const now = outcome.docs.attempt;
  if (now.state !== 'SCHEDULING' || now.queued === undefined) return 'not in line';
  return (await startWhileFree(parts, distributor)) > 0 ? 'waits; others were started' : 'waits';
}

/** A slot has become free: the first in line is started. */
export async function startOnSlot(parts: Parts, id: SlotId, revision: number): Promise<string> {
  const distributor = distributorOfSlot(id);
  const look = await inTurn(parts, distributor, async () => {
    const slot = await parts.store.get('slot', id);
    if (slot === undefined) return drop(parts, 'task', 'unknown slot', id);
    const { revision: current, wakeAt, freeAt } = slot.doc;
    if (current !== revision || wakeAt === undefined) return 'stale wake-up';
    if (freeAt === undefined || freeAt > parts.clock.now()) return 'not free yet';
    return { slot, started: await startFirst(parts, distributor, { slot }) };
  });
  if (typeof look === 'string') return look;
  const { slot, started } = look;
  if (started.kind === 'started') {
    await started.perform();
    if (started.slots.includes(id)) return 'started';
  }
  // Nobody waits; or who does waits for a slot of the other use, or there are too many slots by now.
  try {
    await commitAll(parts, [{ kind: 'slot', doc: idleSlot(slot.doc, parts.clock.now()), ifVersion: slot.version }]);
  } catch (error) {
    if (error instanceof ConflictError) return 'taken meanwhile';
    throw error;
  }
  // Whoever stood in line meanwhile may have died before it looked.
  return (await startWhileFree(parts, distributor)) > 0 ? 'started' : 'nobody waits';
}

/** Starts the first in line again and again, as long as there is a slot; resolves when their `run`s are recorded. */
async function startWhileFree(parts: Parts, distributor: string): Promise<number> {
  const running: Promise<void>[] = [];
  while (running.length < MAX_STARTS) {
    const started = await inTurn(parts, distributor, () => startFirst(parts, distributor, {}));
    if (started.kind !== 'started') break;
    const performed = started.perform();
    // Until all are waited for below; nobody hears of it should this delivery fail before.
    performed.catch(() => {});
    running.push(performed);
  }
  await Promise.all(running);
  return running.length;
}

type Started =
  | { kind: 'started'; attempt: AttemptId; slots: readonly SlotId[]; perform(): Promise<void> }
  /** Nobody waits, or no slot is free. */
  | { kind: 'nothing' };

const NOTHING: Started = { kind: 'nothing' };

interface StartOptions {
  /** Started when nobody is in line. */
  candidate?: { id: AttemptId; revision: number };
  /** One that has become free: this one is taken, as long as it is free. */
  slot?: Stored<Slot>;
}

/** Starts the first in line; the commit that creates its execution takes the slot, too. */
async function startFirst(parts: Parts, distributor: string, { candidate, slot }: StartOptions): Promise<Started> {
  // One that is put off costs no try: each is out of the line by then.
  for (let tries = 0; tries < TRIES; ) {
    await pauseBeforeRetry(parts, tries);
    const first = (await firstInLine(parts, distributor)) ?? (candidate && (await reload(parts, candidate)));
    if (first === undefined || (tries > 0 && slot !== undefined && !(await isStill(parts, slot)))) return NOTHING;
    try {
      const started = await start(parts, distributor, first, slot);
      if (started !== 'put off') return started;
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      tries++;
    }
  }
  throw new TransientError(`too many start attempts of ${distributor} at once`);
}

async function isStill({ store }: Parts, { doc, version }: Stored<Slot>): Promise<boolean> {
  return (await store.get('slot', idOfSlot(doc)))?.version === version;
}

async function firstInLine({ store }: Parts, distributor: string): Promise<Stored<Attempt> | undefined> {
  for (let after: string | undefined; ; ) {
    const page = await store.listQueued(distributor, 1, after);
    if (page.items[0] !== undefined || page.next === undefined) return page.items[0];
    after = page.next;
  }
}

async function reload(
  parts: Parts,
  { id, revision }: { id: AttemptId; revision: number },
): Promise<Stored<Attempt> | undefined> {
  const { docs, versions } = await loadAttemptOf(parts, id);
  return docs.attempt.revision === revision ? { doc: docs.attempt, version: versions.attempt! } : undefined;
}

async function start(
  parts: Parts,
  distributor: string,
  first: Stored<Attempt>,
  slot: Stored<Slot> | undefined,
): Promise<Started | 'put off'> {
  const id = idOfAttempt(first.doc);
  try {
    const quest = await loadQuest(parts, first.doc.quest);
    const event = launchOf(parts, quest, first.doc.revision);
    const { limits = {}, rejected } = event.resolution;
    if (rejected === undefined && event.resolution.distributor.name !== distributor) {
      // Its name stands for another distributor by now, which has slots of its own.
      await putOff(parts, first, 0);
      return 'put off';
    }
    const slots = rejected === undefined ? await findFree(parts, distributor, limits, { preferred: slot }) : [];
    if (slots === undefined) return NOTHING;
    const found = { docs: { attempt: first.doc }, versions: { attempt: first.version } };
    const { docs } = await withFreeNumber(parts, await withPrevious(parts, found));
    const context = inLine(first.doc, parts.context());
    const job = slots.find(one => one.slot.use === 'job');
    const decision = decideLaunch(docs, { ...event, slot: job?.slot.number }, context);
    if (decision.kind !== 'commit') return NOTHING;
    const { attempt, execution } = decision.writes;
    if (attempt === undefined || execution === undefined) return NOTHING;
    const [attemptVersion, executionVersion] = await commitAll(parts, [
      { kind: 'attempt', doc: attempt, ifVersion: first.version },
      { kind: 'execution', doc: execution },
      ...slots.map(one => taken(one, execution, context.now)),
    ]);
    const versions = { attempt: attemptVersion!, execution: executionVersion! };
    const { claim } = decision.answer;
    const perform = () => runClaimed(parts, { quest, attempt, execution }, versions, claim);
    return { kind: 'started', attempt: id, slots: slots.map(one => idOfSlot(one.slot)), perform };
  } catch (error) {
    if (error instanceof ConflictError || isTransient(error)) throw error;
    // It must not keep those behind it from being started.
    parts.log.error('an attempt cannot be started; it is looked at again in an hour', {
      attempt: id,
      error: messageOf(error),
    });
    await putOff(parts, first, PUT_OFF_MS);
    return 'put off';
  }
}

/** Who stands in line was due, by the clock of whoever had it stand there: one that is behind must not hold up the line. */
function inLine(attempt: Attempt, context: Context): Context {
  const isQueued = attempt.state === 'SCHEDULING' && attempt.queued !== undefined;
  return isQueued ? { ...context, now: Math.max(context.now, attempt.notBefore) } : context;
}

function taken({ slot, stored, spacingMs }: FreeSlot, execution: Execution, now: number): Write {
  const doc = takeSlot(slot, idOfExecution(execution), { spacingMs, now });
  return { kind: 'slot', doc, ...(stored !== undefined && { ifVersion: stored.version }) };
}

async function runClaimed(
  parts: Parts,
  docs: { quest: Quest; attempt: Attempt; execution: Execution },
  versions: { attempt: Version; execution: Version },
  claim: Claim | undefined,
): Promise<void> {
  if (claim !== undefined) await performRun(parts, { docs, versions }, claim);
}

const PUT_OFF_MS = 60 * 60_000;

/** Out of the line; when it is due again it comes to the end of the one that is right for it then. */
async function putOff(parts: Parts, { doc, version }: Stored<Attempt>, delayMs: number): Promise<void> {
  if (doc.state !== 'SCHEDULING') return;
  const { queued: _, ...rest } = doc;
  const now = parts.clock.now();
  const later: AttemptIn<'SCHEDULING'> = { ...rest, notBefore: now + delayMs };
  await commitAll(parts, [{ kind: 'attempt', doc: reviseAttempt(doc, later, now), ifVersion: version }]);
}

/** Longer than a turn takes, unless a call in it never comes back. */
const TURN_MS = 30_000;

/**
 * In one instance they come one after the other: all would try to start the same one. That spares conflicts, and nothing
 * depends on it; so nobody waits for ever for one that hangs.
 */
async function inTurn<T>(parts: Parts, distributor: string, work: () => Promise<T>): Promise<T> {
  const { turns } = parts;
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  const before = turns.get(distributor);
  turns.set(distributor, over);
  if (before !== undefined) await withTimeout(parts, TURN_MS, () => before).catch(() => {});
  try {
    return await work();
  } finally {
    if (turns.get(distributor) === over) turns.delete(distributor);
    end();
  }
}
