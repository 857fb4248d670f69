import { type Attempt, type EndedAttempt, idOfAttempt, type Wait, waitOf } from '../core/attempt.ts';
import { decideCounted, decidePageDone, decideUnblock, type Owing } from '../core/decide/unblock.ts';
import { type Edge, waitOfEdge } from '../core/edge.ts';
import { isTransient, messageOf } from '../core/errors.ts';
import type { AttemptId, WaitId } from '../core/ids.ts';
import type { Stored } from '../core/ports.ts';
import { cascadeAlong } from './cascade.ts';
import { settleEdges } from './edges.ts';
import { loadAttemptOf } from './load.ts';
import { applyEvent, type Snapshot } from './loop.ts';
import { PAGE_SIZE } from './pages.ts';
import type { Parts } from './parts.ts';

/** Then the rest is left to another task: well before the queue gives up on this one, which it does after two minutes. */
const TIME_BUDGET_MS = 45_000;

type Found = Snapshot<{ attempt: Attempt }>;

/**
 * Does what an ended attempt owes others: tells its dependents, and cancels what only it waited for. Page by page; how
 * far it has come is recorded after each page, so that whoever goes on after a crash does one page twice at most.
 */
export async function propagate(parts: Parts, id: AttemptId, found: Found, revision: number): Promise<string> {
  const startedAt = parts.clock.now();
  let { attempt } = found.docs;
  if (attempt.revision !== revision) return 'stale wake-up';
  let snapshot: Found = found;
  for (;;) {
    const step = nextStep(attempt);
    if (step === undefined) return 'propagated';
    const { next } = await PAGES[step.owing](parts, id, step.after);
    const pause = parts.clock.now() - startedAt > TIME_BUDGET_MS;
    const outcome = await applyEvent(
      parts,
      () => loadAttemptOf(parts, id),
      (docs, context) => decidePageDone(docs, { ...step, next, pause }, context),
      snapshot,
    );
    if (outcome.kind === 'ignored' || !outcome.answer.more || pause) return 'propagated';
    snapshot = outcome;
    ({ attempt } = outcome.docs);
  }
}

function nextStep(attempt: Attempt): { owing: Owing; after: string | undefined } | undefined {
  const { owes } = attempt as EndedAttempt;
  if (owes?.tell !== undefined) return { owing: 'tell', after: owes.tell.after };
  return owes?.cascade && { owing: 'cascade', after: owes.cascade.after };
}

const PAGES: Readonly<
  Record<Owing, (parts: Parts, id: AttemptId, after: string | undefined) => Promise<{ next?: string }>>
> = {
  async tell(parts, dependency, after) {
    const page = await parts.store.listEdges({ dependency, limit: PAGE_SIZE, ...(after !== undefined && { after }) });
    await tellDependents(parts, page.items);
    return page;
  },
  async cascade(parts, dependent, after) {
    const page = await parts.store.listEdges({ dependent, limit: PAGE_SIZE, ...(after !== undefined && { after }) });
    await Promise.all(page.items.map(({ doc }) => cascadeAlong(parts, doc)));
    return page;
  },
};

/**
 * Settles the edges of dependents and lets those go on that have waited for nothing else. Of two dependencies of one
 * dependent that end together at least the one that counts later sees both edges settled. Edges that are settled already
 * count again: whoever settled them may have died before.
 */
async function tellDependents(parts: Parts, edges: readonly Stored<Edge>[]): Promise<void> {
  const settled = await settleEdges(parts, edges);
  await Promise.all(
    settled.map(async ({ doc }) => {
      if (doc.withdrawn !== true && (await isEnough(parts, waitOfEdge(doc), doc)))
        await unblock(parts, doc.dependent, doc);
    }),
  );
}

async function isEnough({ store }: Parts, wait: WaitId, { spare }: Pick<Wait, 'spare'>): Promise<boolean> {
  return (await store.countOpen(wait, spare + 1)) <= spare;
}

async function unblock(parts: Parts, id: AttemptId, asked: Pick<Wait, 'execution' | 'ask'>): Promise<void> {
  try {
    await applyEvent(
      parts,
      () => loadAttemptOf(parts, id),
      (docs, context) => decideUnblock(docs, asked, context),
    );
  } catch (error) {
    if (isTransient(error)) throw error;
    // One that cannot be read must not keep the others from going on.
    parts.log.error('a dependent cannot be told', { attempt: id, error: messageOf(error) });
  }
}

/** An attempt that has begun to wait counts what was settled before, when nobody could tell it. */
export async function countDependencies(parts: Parts, found: Found, revision: number): Promise<string> {
  const { attempt } = found.docs;
  const wait = waitOf(attempt);
  if (wait === undefined || attempt.revision !== revision) return 'stale wake-up';
  const decide = (await isEnough(parts, wait.id, wait)) ? decideUnblock : decideCounted;
  const outcome = await applyEvent(
    parts,
    () => loadAttemptOf(parts, idOfAttempt(attempt)),
    (docs, context) => decide(docs, wait, context),
    found,
  );
  return outcome.kind === 'ignored' ? outcome.reason : 'counted';
}
