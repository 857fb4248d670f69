import { idOfAttempt } from '../core/attempt.ts';
import type { Context, Decision } from '../core/decide/decision.ts';
import { ConflictError, TransientError } from '../core/errors.ts';
import { idOfExecution } from '../core/execution.ts';
import { attemptObligations, earliest, executionObligations, PROMPT_HORIZON_MS } from '../core/obligations.ts';
import type { Documents, Kind, Store, Version, Write } from '../core/ports.ts';
import type { Parts } from './parts.ts';
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
      const versions = await commitWrites(parts.store, decision.writes, snapshot.versions);
      await enqueuePromptWakes(parts, decision.writes);
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
  store: Store,
  documents: Partial<Documents>,
  read: Partial<Record<Kind, Version>>,
): Promise<Partial<Record<Kind, Version>>> {
  const writes = (Object.keys(documents) as Kind[]).map(kind => {
    const ifVersion = read[kind];
    return { kind, doc: documents[kind], ...(ifVersion !== undefined && { ifVersion }) } as Write;
  });
  const versions = await store.commit(writes);
  return Object.fromEntries(writes.map(({ kind }, i) => [kind, versions[i]]));
}

/**
 * The prompt path: a task for what a written document is owed now or soon. The sweep finds the same by `wakeAt`, so a task
 * that cannot be enqueued costs time and nothing else.
 */
async function enqueuePromptWakes(parts: Parts, { attempt, execution }: Partial<Documents>): Promise<void> {
  const horizon = parts.clock.now() + PROMPT_HORIZON_MS;
  const tasks = [];
  for (const [doc, id, obligations] of [
    [attempt, attempt && idOfAttempt(attempt), attempt && attemptObligations(attempt)],
    [execution, execution && idOfExecution(execution), execution && executionObligations(execution)],
  ] as const) {
    const next = earliest(obligations?.filter(({ prompt, at }) => prompt && at <= horizon) ?? []);
    if (doc && id && next) tasks.push(wakeTask({ id, revision: doc.revision }, next.owed, { at: next.at }));
  }
  try {
    await Promise.all(tasks.map(task => parts.queue.enqueue(task)));
  } catch (error) {
    parts.log.warn('a wake-up was not enqueued; the sweep will find it', { error: String(error) });
  }
}
