import { rankOf } from '../core/attempt.ts';
import { type Asking, decideAsk, decideHalt } from '../core/decide/depend.ts';
import { isHaltedBy, isHolder, isTokenOf, type JobCall, tokenNotValid } from '../core/decide/job.ts';
import { TransientError } from '../core/errors.ts';
import { type AttemptId, attemptId, type ExecutionId, parseExecutionId } from '../core/ids.ts';
import { canonicalJson, sha256 } from '../core/json.ts';
import { hashToken } from '../core/tokens.ts';
import { type Dependency, ensureDependencies, isOver, isUnordered, readDependencies } from './dependencies.ts';
import { settleEdges, withdrawEdges, writeEdges } from './edges.ts';
import type { Ensured } from './ensure.ts';
import { checkRunnable, type GraphRequest, parseDependencies, type Runnable } from './graph-request.ts';
import { loadDocsOf, loadExecution, loadExecutionOf } from './load.ts';
import { applyEvent, pauseBeforeRetry, TRIES } from './loop.ts';
import { pagesOf } from './pages.ts';
import type { Parts } from './parts.ts';
import { createBudget, type GraphAttempt } from './shown.ts';

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
  // Nor does one whose token is revoked learn which quests there are.
  if (!isTokenOf(found.docs.execution, call)) throw tokenNotValid();

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

async function waitFor(
  parts: Parts,
  id: ExecutionId,
  { parsed, wanted, call, asking }: Waiting,
): Promise<Dependencies> {
  const edges = await writeEdges(parts, wanted.keys(), asking);
  for (let tries = 0; tries < TRIES; tries++) {
    await pauseBeforeRetry(parts, tries);
    const own = await loadDocsOf(parts, id);
    const rank = rankOf(own.docs.attempt);
    const around = { asking, rank, edges, budget: createBudget(parsed) };
    const known = await readDependencies(parts, wanted, around);
    if (known.filter(isOver).length >= parsed.needed) return goOn(parts, parsed, known, asking);

    const dependencies = await ensureDependencies(parts, known, around);
    if (dependencies === undefined) continue;
    const over = dependencies.filter(isOver);
    if (over.length >= parsed.needed) return goOn(parts, parsed, dependencies, asking);
    await settleEdges(
      parts,
      over.map(({ edge }) => edge),
    );
    const outcome = await applyEvent(
      parts,
      () => loadDocsOf(parts, id),
      (docs, context) => decideHalt(docs, { ...call, ask: asking.ask, spare: asking.spare, rank }, context),
      own,
    );
    // Somebody has come to wait for this attempt, and its dependencies must be ordered after its new rank.
    if (!isUnordered(outcome)) return { ...answer(parsed, dependencies), shouldHalt: true };
  }
  throw new TransientError('the attempts around this one change all the time');
}

/** Enough is over: what is not is nothing that the execution depends on. What does not exist is not made. */
async function goOn(
  parts: Parts,
  parsed: GraphRequest,
  dependencies: readonly Dependency[],
  asking: Asking,
): Promise<Dependencies> {
  const [over, others] = [dependencies.filter(isOver), dependencies.filter(one => !isOver(one))];
  await settleEdges(
    parts,
    over.map(({ edge }) => edge),
  );
  await withdrawEdges(
    parts,
    others.map(({ edge }) => edge),
    asking,
  );
  return { ...answer(parsed, dependencies), shouldHalt: false };
}

function answer({ questIds }: GraphRequest, dependencies: readonly Dependency[]): Ensured {
  return { questIds, attempts: dependencies.flatMap(({ shown }) => shown ?? []) };
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
