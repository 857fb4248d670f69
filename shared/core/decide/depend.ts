import { type Attempt, idOfAttempt, isAttemptOver, rankOf, SCHEMA_VERSION, waitOf } from '../attempt.ts';
import type { Edge } from '../edge.ts';
import { ApiError } from '../errors.ts';
import type { Execution } from '../execution.ts';
import type { AttemptId, WaitId } from '../ids.ts';
import {
  type Context,
  commit,
  type Decision,
  type Docs,
  ignored,
  refused,
  reviseAttempt,
  reviseExecution,
} from './decision.ts';
import { halted, isHaltedBy, isTokenOf, type JobCall, tokenNotValid } from './job.ts';

/**
 * How a running execution comes to wait for other attempts:
 *
 * 1. The ask is recorded in the execution (`decideAsk`). Of two calls that differ the later one supersedes the earlier.
 * 2. An edge is written to each dependency (`decideEdge`), and only then the dependency is read. A dependency that is not
 *    over by then finds the edge when it is: it ends first and lists its edges afterwards.
 * 3. Dependencies that do not exist are created. All get a higher rank than the dependent (order.ts), which is what keeps
 *    waits from forming a cycle.
 * 4. Edges to dependencies that are over are settled (`decideSettle`). If enough are, nothing is waited for.
 * 5. Otherwise execution and attempt halt in one commit (`decideHalt`).
 *
 * Whatever of this is done twice, or left off in the middle and done again by a repeated call, comes to the same.
 */

/** A job begins to ask for other attempts, or repeats the call. */
export function decideAsk({ execution }: { execution: Execution }, ask: JobCall, { now }: Context): Decision {
  if (isHaltedBy(execution, ask)) return ignored('repeated');
  if (!isTokenOf(execution, ask)) return refused(tokenNotValid());
  const { asking } = execution;
  if (asking?.callHash === ask.callHash) return ignored('asked already');
  const next = { ask: (asking?.ask ?? 0) + 1, callHash: ask.callHash };
  return commit({ execution: reviseExecution(execution, { ...execution, asking: next }, now) });
}

/** Which ask writes an edge, and how many of its dependencies may remain unsettled. */
export type Asking = Pick<Edge, 'dependent' | 'execution' | 'ask' | 'spare'>;

/** The edge as an ask wants it. Throws ApiError when a later ask has superseded this one. */
export function decideEdge(existing: Edge | undefined, dependency: AttemptId, asking: Asking, now: number): Edge {
  if (existing === undefined) {
    const common = { schemaVersion: SCHEMA_VERSION, revision: 1, createdAt: now, updatedAt: now } as const;
    return { ...common, ...asking, dependency, open: true };
  }
  const { withdrawn, ...edge } = existing;
  // What is over stays so, whoever asks.
  if (withdrawn === undefined && !existing.open) return existing;
  if (existing.execution === asking.execution && existing.ask === asking.ask && withdrawn === undefined)
    return existing;
  if (existing.execution > asking.execution || (existing.execution === asking.execution && existing.ask > asking.ask)) {
    throw superseded();
  }
  return { ...edge, ...asking, open: true, revision: edge.revision + 1, updatedAt: now };
}

/** The edge to a dependency that was over, was deleted after its retention period, and has a new life. */
export function decideReopen(edge: Edge | undefined, dependency: AttemptId, asking: Asking, now: number): Edge {
  const wanted = decideEdge(edge, dependency, asking, now);
  return wanted.open ? wanted : { ...wanted, ...asking, open: true, revision: wanted.revision + 1, updatedAt: now };
}

/** The edge once its dependency is known to be over. */
export function decideSettle(edge: Edge, now: number): Edge {
  return edge.open ? { ...edge, open: false, revision: edge.revision + 1, updatedAt: now } : edge;
}

/** The edge of an ask that was refused, since it would have closed a cycle. */
export function decideWithdraw(edge: Edge, now: number): Edge {
  return { ...decideSettle(edge, now), withdrawn: true };
}

/** What was seen of the open edges of an attempt that waits: all lead to attempts of at least this rank. */
export interface Beneath {
  wait: WaitId;
  rank: number;
}

/**
 * An attempt that another one waits for gets at least this rank. Where it waits itself, `beneath` has to show that what it
 * waits for ranks higher already.
 */
export function decideRank(
  { attempt }: { attempt: Attempt },
  { rank, beneath }: { rank: number; beneath: Beneath | undefined },
  { now }: Context,
): Decision {
  if (isAttemptOver(attempt)) return ignored(`attempt is ${attempt.state}`);
  if (rankOf(attempt) >= rank) return ignored('ranks high enough');
  const wait = waitOf(attempt)?.id;
  if (wait !== undefined && !(beneath?.wait === wait && beneath.rank > rank)) return ignored(MUST_BE_ORDERED);
  return commit({ attempt: reviseAttempt(attempt, { ...attempt, rank }, now) });
}

/** Nothing was decided: what the attempt waits for has to be ranked first. */
export const MUST_BE_ORDERED = 'what it waits for must be ordered first';

/** A job halts to wait for dependencies. `rank`: the one that its dependencies were ordered after. */
export function decideHalt(
  { execution, attempt }: Docs,
  event: JobCall & { ask: number; spare: number; rank: number },
  { now }: Context,
): Decision {
  const { ask, spare, rank } = event;
  if (isHaltedBy(execution, event)) return ignored('repeated');
  if (!isTokenOf(execution, event)) return refused(tokenNotValid());
  if (execution.asking?.ask !== ask) return refused(superseded());
  if (attempt.state !== 'EXECUTING') throw new Error(`bug: ${idOfAttempt(attempt)} is ${attempt.state}`);
  if (rankOf(attempt) !== rank) return ignored(MUST_BE_ORDERED);
  const wait = { execution: execution.execution, ask, spare };
  return commit({
    execution: reviseExecution(execution, halted(execution, event, now), now),
    attempt: reviseAttempt(attempt, { ...attempt, wait }, now),
  });
}

function superseded(): ApiError {
  return new ApiError('ABORTED', 'a later call of ensureGraphData by this execution has taken the place of this one');
}
