import { type Asking, decideEdge, decideReopen, decideSettle, decideWithdraw } from '../core/decide/depend.ts';
import { type Edge, type EdgeFilter, idOfEdge } from '../core/edge.ts';
import { ConflictError, TransientError } from '../core/errors.ts';
import { type AttemptId, type EdgeId, edgeId } from '../core/ids.ts';
import type { Stored, Write } from '../core/ports.ts';
import { pauseBeforeRetry, TRIES } from './loop.ts';
import { PAGE_SIZE, pagesOf } from './pages.ts';
import type { Parts } from './parts.ts';

/** Page by page, in the order of their ids: there may be a great many. */
export async function* edgePages({ store }: Parts, of: EdgeFilter): AsyncGenerator<Stored<Edge>[]> {
  for (let after: string | undefined; ; ) {
    const page = await store.listEdges({ ...of, limit: PAGE_SIZE, ...(after !== undefined && { after }) });
    yield page.items;
    if (page.next === undefined) return;
    after = page.next;
  }
}

type Change = (edge: Edge | undefined, now: number) => Edge;

/** An edge that is to be changed, as it is probably stored. */
interface Slot {
  id: EdgeId;
  known?: Stored<Edge>;
  change: Change;
}

/** Writes the edges of an ask, by their dependency. Rejects with ABORTED when a later ask has taken its place. */
export async function writeEdges(
  parts: Parts,
  dependencies: Iterable<AttemptId>,
  asking: Asking,
): Promise<Map<AttemptId, Stored<Edge>>> {
  // At its first ask an attempt has no edges; later on it mostly asks for what it has asked for before.
  const isFirst = asking.execution === 1 && asking.ask === 1;
  const edges = new Map<AttemptId, Stored<Edge>>();
  for (const page of pagesOf(dependencies)) {
    const slots = await Promise.all(
      page.map(async (dependency): Promise<Slot> => {
        const id = edgeId(asking.dependent, dependency);
        const known = isFirst ? undefined : await parts.store.get('edge', id);
        return { id, ...(known && { known }), change: (edge, now) => decideEdge(edge, dependency, asking, now) };
      }),
    );
    for (const edge of await changeEdges(parts, slots)) edges.set(edge.doc.dependency, edge);
  }
  return edges;
}

/** For a dependency that was over once, and is not any more. */
export async function reopenEdge(parts: Parts, dependency: AttemptId, asking: Asking): Promise<Stored<Edge>> {
  const id = edgeId(asking.dependent, dependency);
  return changeOne(parts, { id, change: (edge, now) => decideReopen(edge, dependency, asking, now) });
}

/** Settles edges whose dependencies are known to be over; resolves with them as they are then. */
export function settleEdges(parts: Parts, edges: Iterable<Stored<Edge>>): Promise<Stored<Edge>[]> {
  return changeEdges(parts, slotsOf(edges, decideSettle));
}

/** Takes back the edges of an ask that is refused. */
export async function withdrawEdges(
  parts: Parts,
  edges: Iterable<Stored<Edge>>,
  { execution, ask }: Asking,
): Promise<void> {
  const isOfThisAsk = (edge: Edge) => edge.execution === execution && edge.ask === ask && edge.open;
  await changeEdges(
    parts,
    slotsOf(edges, (edge, now) => (isOfThisAsk(edge) ? decideWithdraw(edge, now) : edge)),
  );
}

function slotsOf(edges: Iterable<Stored<Edge>>, change: (edge: Edge, now: number) => Edge): Slot[] {
  return [...edges].map(known => ({
    id: idOfEdge(known.doc),
    known,
    // Edges are never deleted while somebody may wait for them.
    change: (edge, now) => change(edge ?? known.doc, now),
  }));
}

/** A page is one commit where nobody else has written any of its edges; otherwise each is changed by itself. */
async function changeEdges(parts: Parts, slots: readonly Slot[]): Promise<Stored<Edge>[]> {
  const changed: Stored<Edge>[] = [];
  for (const page of pagesOf(slots)) {
    try {
      changed.push(...(await commitPage(parts, page)));
    } catch (error) {
      if (!(error instanceof ConflictError || error instanceof TransientError)) throw error;
      changed.push(...(await Promise.all(page.map(slot => changeOne(parts, slot)))));
    }
  }
  return changed;
}

async function commitPage({ store, clock }: Parts, slots: readonly Slot[]): Promise<Stored<Edge>[]> {
  const now = clock.now();
  const docs = slots.map(({ known, change }) => change(known?.doc, now));
  const isChanged = (i: number) => docs[i] !== slots[i]!.known?.doc;
  const writes = slots.flatMap(({ known }, i): Write[] =>
    isChanged(i) ? [{ kind: 'edge', doc: docs[i]!, ...(known && { ifVersion: known.version }) }] : [],
  );
  const versions = writes.length > 0 ? await store.commit(writes) : [];
  return slots.map(({ known }, i) => (isChanged(i) ? { doc: docs[i]!, version: versions.shift()! } : known!));
}

/** Whatever was applied already is recognised when it is read again. */
async function changeOne(parts: Parts, { id, change }: Slot): Promise<Stored<Edge>> {
  let lastError: unknown;
  for (let tries = 0; tries < TRIES; tries++) {
    await pauseBeforeRetry(parts, tries);
    try {
      const known = await parts.store.get('edge', id);
      const [edge] = await commitPage(parts, [{ id, change, ...(known && { known }) }]);
      return edge!;
    } catch (error) {
      if (!(error instanceof ConflictError || error instanceof TransientError)) throw error;
      lastError = error;
    }
  }
  throw new TransientError('too many writers at the same edge', { cause: lastError });
}
