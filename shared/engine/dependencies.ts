import { isAttemptOver, rankOf } from '../core/attempt.ts';
import { type Asking, MUST_BE_ORDERED } from '../core/decide/depend.ts';
import type { Edge } from '../core/edge.ts';
import { ApiError } from '../core/errors.ts';
import type { AttemptId } from '../core/ids.ts';
import type { Stored } from '../core/ports.ts';
import { reopenEdge, withdrawEdges } from './edges.ts';
import { ensureAttempt, type EnsureDocs, loadWanted } from './ensure.ts';
import type { Runnable } from './graph-request.ts';
import type { Snapshot } from './loop.ts';
import { orderAfter } from './order.ts';
import { pagesOf } from './pages.ts';
import type { Parts } from './parts.ts';
import type { Budget, GraphAttempt } from './shown.ts';

/** An attempt that an ask names, and the edge to it. */
export interface Dependency {
  edge: Stored<Edge>;
  /** Absent when it does not exist. */
  shown: GraphAttempt | undefined;
}

/** As it was read. */
interface Known extends Dependency {
  id: AttemptId;
  item: Runnable;
  /** What it takes to write it. */
  snapshot: Snapshot<EnsureDocs>;
}

/** What all dependencies of an ask have in common. */
interface Around {
  asking: Asking;
  /** Of the dependent. */
  rank: number;
  /** By dependency. */
  edges: ReadonlyMap<AttemptId, Stored<Edge>>;
  budget: Budget;
}

export function isOver({ shown }: Dependency): boolean {
  return shown !== undefined && isAttemptOver(shown.attempt);
}

/** Reads all dependencies, after their edges were written. */
export async function readDependencies(
  parts: Parts,
  wanted: ReadonlyMap<AttemptId, Runnable>,
  { asking, edges, budget }: Around,
): Promise<Known[]> {
  async function read([id, item]: [AttemptId, Runnable]): Promise<Omit<Known, 'shown'>> {
    const edge = edges.get(id)!;
    const snapshot = await loadWanted(parts, id, item.quest);
    const { attempt } = snapshot.docs;
    if (edge.doc.open || (attempt !== undefined && isAttemptOver(attempt))) return { id, item, edge, snapshot };
    // It was over and has been forgotten since: its new life has a new edge, which is written before it is read.
    const reopened = await reopenEdge(parts, id, asking);
    return { id, item, edge: reopened, snapshot: await loadWanted(parts, id, item.quest) };
  }

  const known: Known[] = [];
  for (const page of pagesOf(wanted)) {
    for (const one of await Promise.all(page.map(read))) {
      const { attempt } = one.snapshot.docs;
      const shown = attempt && budget.show(attempt);
      // What is over is not written again, and its result may be large.
      const isKept = shown === undefined || !isAttemptOver(shown.attempt);
      known.push({ ...one, shown, snapshot: isKept ? one.snapshot : NOT_WRITTEN });
    }
  }
  return known;
}

const NOT_WRITTEN: Snapshot<EnsureDocs> = { docs: { quest: undefined, attempt: undefined }, versions: {} };

/**
 * Has all dependencies exist, ranked after the dependent, and told to tell it when they are over. Undefined when they have
 * to be ordered once more.
 */
export async function ensureDependencies(
  parts: Parts,
  known: readonly Known[],
  around: Around,
): Promise<Dependency[] | undefined> {
  const { rank, budget } = around;
  // Before anything is made that would be there although the ask is refused.
  const raised = await orderDependencies(parts, known, around);

  async function ensure(one: Known): Promise<Dependency | undefined> {
    if (isOver(one)) return one;
    const first = raised.has(one.id) ? undefined : one.snapshot;
    const outcome = await ensureAttempt(parts, one.item, { rank: rank + 1 }, first);
    return isUnordered(outcome) ? undefined : { edge: one.edge, shown: budget.show(outcome.docs.attempt) };
  }

  const dependencies: Dependency[] = [];
  for (const page of pagesOf(known)) {
    const ensured = (await Promise.all(page.map(ensure))).filter(one => one !== undefined);
    // Somebody has made one meanwhile, with a rank of its own.
    if (ensured.length < page.length) return undefined;
    dependencies.push(...ensured);
  }
  return dependencies;
}

/** Resolves with those whose ranks were too low. Where the ask would close a cycle, its edges are taken back. */
async function orderDependencies(
  parts: Parts,
  known: readonly Known[],
  { asking, rank }: Around,
): Promise<Set<AttemptId>> {
  const raised = new Set<AttemptId>();
  try {
    for (const { id, item, snapshot } of known) {
      const { attempt } = snapshot.docs;
      if (attempt === undefined || rankOf(attempt) > rank) continue;
      await orderAfter(parts, asking.dependent, rank, { id, rank: rankOf(attempt), field: item.field });
      raised.add(id);
    }
  } catch (error) {
    if (error instanceof ApiError) {
      await withdrawEdges(
        parts,
        known.map(({ edge }) => edge),
        asking,
      );
    }
    throw error;
  }
  return raised;
}

export function isUnordered(outcome: { kind: 'committed' } | { kind: 'ignored'; reason: string }): boolean {
  return outcome.kind === 'ignored' && outcome.reason === MUST_BE_ORDERED;
}
