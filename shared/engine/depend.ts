import { isAttemptOver, rankOf } from '../core/attempt.ts';
import { type Asking, decideAsk, decideHalt, MUST_BE_ORDERED } from '../core/decide/depend.ts';
import { isHaltedBy, isHolder, type JobCall, tokenNotValid } from '../core/decide/job.ts';
import type { Edge } from '../core/edge.ts';
import { ApiError, TransientError } from '../core/errors.ts';
import { type AttemptId, attemptId, type ExecutionId, parseExecutionId } from '../core/ids.ts';
import { canonicalJson, sha256 } from '../core/json.ts';
import type { Stored } from '../core/ports.ts';
import { hashToken } from '../core/tokens.ts';
import { reopenEdge, settleEdges, withdrawEdges, writeEdges } from './edges.ts';
import { ensureAttempt, type Ensured, type EnsureDocs, loadWanted } from './ensure.ts';
import { checkRunnable, type GraphRequest, parseDependencies, type Runnable } from './graph-request.ts';
import { loadDocsOf, loadExecution, loadExecutionOf } from './load.ts';
import { applyEvent, pauseBeforeRetry, type Snapshot, TRIES } from './loop.ts';
import { orderAfter } from './order.ts';
import { pagesOf } from './pages.ts';
import type { Parts } from './parts.ts';
import { type Budget, createBudget, type GraphAttempt } from './shown.ts';

export interface Dependencies extends Ensured {
  /** Whether the execution waits: then its job has to end, and the attempt is executed again when they are over. */
  shouldHalt: boolean;
}

/**
 * A running job needs other attempts. Those that do not exist are created and started. core/decide/depend.ts tells the steps
 * and why they stand in this order.
 */
export async function ensureGraphData(
  parts: Parts,
  id: ExecutionId,
  { executionToken, request }: { executionToken: string; request: unknown },
): Promise<Dependencies> {
  const { quest, attempt } = parseExecutionId(id);
  const tokenHash = hashToken(executionToken);
  const found = await loadExecution(parts, id);
  // Whoever cannot prove a right learns nothing, not even what is wrong with his request.
  if (found === undefined || !isHolder(found.docs.execution, tokenHash)) throw tokenNotValid();
  const parsed = parseDependencies(request, attemptId(quest, attempt));
  const call = { tokenHash, callHash: hashOf(parsed) };
  if (isHaltedBy(found.docs.execution, call)) return haltedBefore(parts, parsed);

  const wanted = await checkRunnable(parts, parsed);
  const asked = await applyEvent(
    parts,
    () => loadExecutionOf(parts, id),
    (docs, context) => decideAsk(docs, call, context),
    found,
  );
  const { execution } = asked.docs;
  if (execution.state !== 'RUNNING' || execution.asking === undefined) return haltedBefore(parts, parsed);
  const asking: Asking = {
    dependent: attemptId(quest, attempt),
    execution: execution.execution,
    ask: execution.asking.ask,
    spare: parsed.wanted.size - parsed.needed,
  };
  return waitFor(parts, id, { parsed, wanted, call, asking });
}

/** The same list has the same hash, however its quests are written down. */
function hashOf({ wanted, needed }: GraphRequest): string {
  return sha256(canonicalJson(['ensureGraphData', [...wanted.keys()], needed])).toString('base64url');
}

interface Waiting {
  parsed: GraphRequest;
  wanted: ReadonlyMap<AttemptId, Runnable>;
  call: JobCall;
  asking: Asking;
}

async function waitFor(parts: Parts, id: ExecutionId, waiting: Waiting): Promise<Dependencies> {
  const { parsed, wanted, call, asking } = waiting;
  const edges = await writeEdges(parts, wanted.keys(), asking);
  for (let tries = 0; tries < TRIES; tries++) {
    await pauseBeforeRetry(parts, tries);
    const own = await loadDocsOf(parts, id);
    const rank = rankOf(own.docs.attempt);
    const budget = createBudget(parsed);
    const dependencies = await ensureDependencies(parts, waiting, edges, rank, budget);
    if (dependencies === undefined) continue;
    const { questIds } = parsed;
    const attempts = dependencies.map(({ shown }) => shown);
    const over = dependencies.filter(({ shown }) => isAttemptOver(shown.attempt));
    await settleEdges(
      parts,
      over.map(({ edge }) => edge),
    );
    if (over.length >= parsed.needed) return { questIds, attempts, shouldHalt: false };

    const outcome = await applyEvent(
      parts,
      () => loadDocsOf(parts, id),
      (docs, context) => decideHalt(docs, { ...call, ask: asking.ask, spare: asking.spare, rank }, context),
      own,
    );
    // Somebody has come to wait for this attempt, and its dependencies must be ordered after its new rank.
    if (!isUnordered(outcome)) return { questIds, attempts, shouldHalt: true };
  }
  throw new TransientError('the attempts around this one change all the time');
}

interface Dependency {
  shown: GraphAttempt;
  edge: Stored<Edge>;
}

/**
 * Has all dependencies exist, ranked after the dependent, and told to tell it when they are over. Undefined when they have
 * to be ordered once more.
 */
async function ensureDependencies(
  parts: Parts,
  { wanted, asking }: Waiting,
  edges: Map<AttemptId, Stored<Edge>>,
  rank: number,
  budget: Budget,
): Promise<Dependency[] | undefined> {
  const known = await readDependencies(parts, wanted, edges, asking, budget);
  const raised = new Set<AttemptId>();
  try {
    for (const [id, { snapshot }] of known) {
      const attempt = snapshot?.docs.attempt;
      if (attempt === undefined || rankOf(attempt) > rank) continue;
      await orderAfter(parts, asking.dependent, rank, { id, rank: rankOf(attempt) });
      raised.add(id);
    }
  } catch (error) {
    if (error instanceof ApiError) await withdrawEdges(parts, edges.values(), asking);
    throw error;
  }

  async function ensure([id, { snapshot, shown }]: [AttemptId, Known]): Promise<Dependency | undefined> {
    const edge = edges.get(id)!;
    if (shown !== undefined) return { shown, edge };
    const first = raised.has(id) ? undefined : snapshot;
    const outcome = await ensureAttempt(parts, wanted.get(id)!, { rank: rank + 1 }, first);
    return isUnordered(outcome) ? undefined : { shown: budget.show(outcome.docs.attempt), edge };
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

function isUnordered(outcome: { kind: 'committed' } | { kind: 'ignored'; reason: string }): boolean {
  return outcome.kind === 'ignored' && outcome.reason === MUST_BE_ORDERED;
}

/** One that is over is shown; of any other there is what it takes to write it. */
type Known = { shown: GraphAttempt; snapshot?: undefined } | { shown?: undefined; snapshot: Snapshot<EnsureDocs> };

/** Reads all dependencies, after their edges were written. */
async function readDependencies(
  parts: Parts,
  wanted: ReadonlyMap<AttemptId, Runnable>,
  edges: Map<AttemptId, Stored<Edge>>,
  asking: Asking,
  budget: Budget,
): Promise<Map<AttemptId, Known>> {
  const known = new Map<AttemptId, Known>();
  for (const page of pagesOf(wanted)) {
    const read = async ([id, { quest }]: [AttemptId, Runnable]) => {
      const snapshot = await loadWanted(parts, id, quest);
      const { attempt } = snapshot.docs;
      if (edges.get(id)?.doc.open !== false || (attempt !== undefined && isAttemptOver(attempt))) return snapshot;
      // It was over and has been forgotten since: its new life has a new edge, which is written before it is read.
      edges.set(id, await reopenEdge(parts, id, asking));
      return loadWanted(parts, id, quest);
    };
    const snapshots = await Promise.all(page.map(read));
    snapshots.forEach((snapshot, i) => {
      const { attempt } = snapshot.docs;
      const isOver = attempt !== undefined && isAttemptOver(attempt);
      known.set(page[i]![0], isOver ? { shown: budget.show(attempt) } : { snapshot });
    });
  }
  return known;
}

/** The answer to a call that has halted its execution before. */
async function haltedBefore(parts: Parts, parsed: GraphRequest): Promise<Dependencies> {
  const budget = createBudget(parsed);
  const attempts: GraphAttempt[] = [];
  for (const page of pagesOf(parsed.wanted.keys())) {
    const stored = await Promise.all(page.map(id => parts.store.get('attempt', id)));
    attempts.push(...stored.flatMap(found => (found === undefined ? [] : [budget.show(found.doc)])));
  }
  return { questIds: parsed.questIds, attempts, shouldHalt: true };
}
