import type { Context, Decision } from '../core/decide/decision.ts';
import { idOf } from '../core/documents.ts';
import { ConflictError, TransientError } from '../core/errors.ts';
import {
  attemptObligations,
  earliest,
  executionObligations,
  type Obligation,
  PROMPT_HORIZON_MS,
  slotObligations,
} from '../core/obligations.ts';
import type { Documents, Kind, OwedKind, Version, Write } from '../core/ports.ts';
import type { Parts } from './parts.ts';
import { releasedSlot } from './slots.ts';
import { wakeTask } from './wake-task.ts';

/** Documents as they were read, and how to write over exactly these. */
export interface Snapshot<Docs> {
  docs: Docs;
  versions: Partial<Record<Kind, Version>>;
}

export type Outcome<Docs, Answer> =
  | ({ kind: 'committed'; answer: Answer } & Snapshot<Docs>)
  | ({ kind: 'ignored'; reason: string } & Snapshot<Docs>);

export const TRIES = 6;
const RETRY_DELAY_MS = 20;

/**
 * The way of every inbound event: load → decide → commit → prompt path. On a conflict it starts over. An ambiguous commit
 * (it may have been applied) starts over too, since every event recognises that it was already applied. `first` spares
 * the first load. Throws what the decision refuses, and TransientError when the conflict does not end.
 */
export async function applyEvent<Docs extends object, Answer>(
  parts: Parts,
  load: () => Promise<Snapshot<Docs>>,
  decide: (docs: Docs, context: Context) => Decision<Answer>,
  first?: Snapshot<Docs>,
): Promise<Outcome<Docs, Answer>> {
  let lastError: unknown;
  for (let tries = 0; tries < TRIES; tries++) {
    await pauseBeforeRetry(parts, tries);
    const snapshot = tries === 0 && first !== undefined ? first : await load();
    const decision = decide(snapshot.docs, parts.context());
    if (decision.kind === 'refused') throw decision.error;
    if (decision.kind === 'ignored') return { ...snapshot, kind: 'ignored', reason: decision.reason };
    try {
      const versions = await commitWrites(parts, decision.writes, snapshot);
      return {
        kind: 'committed',
        answer: decision.answer,
        docs: { ...snapshot.docs, ...decision.writes },
        versions: { ...snapshot.versions, ...versions },
      };
    } catch (error) {
      if (!(error instanceof ConflictError || error instanceof TransientError)) throw error;
      lastError = error;
    }
  }
  throw new TransientError('too many writers at the same documents', { cause: lastError });
}

/** Before the first try there is none. */
export async function pauseBeforeRetry({ clock, random }: Parts, tries: number): Promise<void> {
  if (tries > 0) await clock.sleep(random.fraction() * RETRY_DELAY_MS * 2 ** tries);
}

async function commitWrites(
  parts: Parts,
  documents: Partial<Documents>,
  { docs, versions: read }: Snapshot<object>,
): Promise<Partial<Record<Kind, Version>>> {
  const kinds = Object.keys(documents) as Kind[];
  const writes = kinds.map(kind => {
    const ifVersion = read[kind];
    return { kind, doc: documents[kind], ...(ifVersion !== undefined && { ifVersion }) } as Write;
  });
  const released = await releasedSlot(parts, (docs as Partial<Documents>).execution, documents.execution);
  const versions = await commitAll(parts, released === undefined ? writes : [...writes, released]);
  return Object.fromEntries(kinds.map((kind, i) => [kind, versions[i]]));
}

/** Commits, then goes the prompt path for what is owed now. */
export async function commitAll(parts: Parts, writes: readonly Write[]): Promise<Version[]> {
  const versions = await parts.store.commit(writes);
  await enqueuePromptWakes(parts, writes);
  return versions;
}

/**
 * The prompt path: a task for what a written document is owed now or soon. The sweep finds the same by `wakeAt`, so a task
 * that cannot be enqueued costs time and nothing else.
 */
async function enqueuePromptWakes(parts: Parts, writes: readonly Write[]): Promise<void> {
  const horizon = parts.clock.now() + PROMPT_HORIZON_MS;
  const tasks = writes.flatMap(write => {
    if (write.kind === 'quest' || write.kind === 'edge') return [];
    const next = earliest(obligationsOf(write).filter(({ prompt, at }) => prompt && at <= horizon));
    if (next === undefined) return [];
    return wakeTask({ id: idOf(write), revision: write.doc.revision }, next.owed, { at: next.at });
  });
  try {
    await Promise.all(tasks.map(task => parts.queue.enqueue(task)));
  } catch (error) {
    parts.log.warn('a wake-up was not enqueued; the sweep will find it', { error: String(error) });
  }
}

function obligationsOf(write: Extract<Write, { kind: OwedKind }>): Obligation[] {
  switch (write.kind) {
    case 'attempt':
      return attemptObligations(write.doc);
    case 'execution':
      return executionObligations(write.doc);
    case 'slot':
      return slotObligations(write.doc);
  }
}
