import { ATTEMPT_TRANSITIONS, type Attempt, type AttemptState } from '../attempt.ts';
import type { ApiError } from '../errors.ts';
import { EXECUTION_TRANSITIONS, type Execution, type ExecutionState } from '../execution.ts';
import { attemptObligations, earliest, executionObligations } from '../obligations.ts';
import type { Documents } from '../ports.ts';
import type { Quest } from '../quest.ts';

/** The only things that a decision may depend on besides documents and event. `random` is in [0, 1). */
export interface Context {
  now: number;
  random: number;
}

/** The documents that an event of an execution is decided on. */
export interface Docs {
  quest: Quest;
  attempt: Attempt;
  execution: Execution;
}

/**
 * What an event leads to. `answer` tells the caller what to do or say once the writes are committed. Duplicates, late
 * and stale events are normal traffic and end as `ignored`.
 */
export type Decision<Answer = undefined> =
  | { kind: 'commit'; writes: Partial<Documents>; answer: Answer }
  | { kind: 'ignored'; reason: string }
  | { kind: 'refused'; error: ApiError };

export function commit(writes: Partial<Documents>): Decision;
export function commit<Answer>(writes: Partial<Documents>, answer: Answer): Decision<Answer>;
export function commit<Answer>(writes: Partial<Documents>, answer?: Answer): Decision<Answer | undefined> {
  return { kind: 'commit', writes, answer };
}

export function ignored(reason: string): { kind: 'ignored'; reason: string } {
  return { kind: 'ignored', reason };
}

export function refused(error: ApiError): { kind: 'refused'; error: ApiError } {
  return { kind: 'refused', error };
}

/** The next revision of an execution: the one place where transitions are checked and `wakeAt` is set. */
export function reviseExecution<X extends Execution>(before: Execution, after: X, now: number): X {
  checkTransition(EXECUTION_TRANSITIONS, before.state, after.state);
  return {
    ...after,
    revision: before.revision + 1,
    updatedAt: now,
    wakeAt: earliest(executionObligations(after))?.at,
  };
}

export function reviseAttempt<A extends Attempt>(before: Attempt, after: A, now: number): A {
  checkTransition(ATTEMPT_TRANSITIONS, before.state, after.state);
  const next = { ...after, revision: before.revision + 1, updatedAt: now };
  return { ...next, wakeAt: earliest(attemptObligations(next))?.at };
}

function checkTransition<S extends ExecutionState | AttemptState>(
  table: Readonly<Record<S, readonly S[]>>,
  from: S,
  to: S,
): void {
  // Terminal documents keep their state and result but may still learn: a token, a late outcome, that a job is gone.
  if (from !== to && !table[from].includes(to)) throw new Error(`bug: transition ${from} → ${to}`);
}
