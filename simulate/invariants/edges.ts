import { type Attempt, type AttemptIn, isAttemptOver } from '../../shared/core/attempt.ts';
import type { Edge } from '../../shared/core/edge.ts';
import { type AttemptId, attemptId } from '../../shared/core/ids.ts';
import type { Facts } from './invariant.ts';

/** The rules of waits, said once more in other words than the code's. */

type Reading = Pick<Facts, 'all' | 'get'>;
export type Waiting = AttemptIn<'EXECUTING' | 'WAITING'> & { wait: NonNullable<AttemptIn<'WAITING'>['wait']> };

/** Whether its execution has halted to wait. */
export function isWaiting(attempt: Attempt): attempt is Waiting {
  return 'wait' in attempt && attempt.wait !== undefined;
}

export function nameOf({ quest, attempt }: Pick<Attempt, 'quest' | 'attempt'>): AttemptId {
  return attemptId(quest, attempt);
}

/** The edges of the ask for which an attempt waits. */
export function edgesOf(attempt: Attempt, facts: Reading): Edge[] {
  if (!isWaiting(attempt)) return [];
  const { wait } = attempt;
  const dependent = nameOf(attempt);
  return facts
    .all('edge')
    .filter(one => one.dependent === dependent && one.execution === wait.execution && one.ask === wait.ask);
}

export function openEdgesOf(attempt: Attempt, facts: Reading): Edge[] {
  return edgesOf(attempt, facts).filter(({ open }) => open);
}

export function isOver(id: AttemptId, facts: Reading): boolean {
  const attempt = facts.get('attempt', id);
  return attempt !== undefined && isAttemptOver(attempt);
}

/** Whether the dependency of an edge is still going to tell its dependent that it is over. */
export function willTell({ dependency, dependent }: Edge, facts: Reading): boolean {
  const attempt = facts.get('attempt', dependency);
  if (attempt === undefined) return false;
  if (!isAttemptOver(attempt)) return attempt.awaited === true;
  const tell = attempt.owes?.tell;
  return tell !== undefined && (tell.after === undefined || tell.after < `${dependency}<${dependent}`);
}

/** What an attempt would have to wait for in the end, itself among it if there is a cycle; only what is not over counts. */
export function reachedFrom(attempt: Attempt, facts: Reading): Set<AttemptId> {
  const reached = new Set<AttemptId>();
  const ahead = [attempt];
  for (let next = ahead.pop(); next !== undefined; next = ahead.pop()) {
    for (const { dependency } of openEdgesOf(next, facts)) {
      const further = facts.get('attempt', dependency);
      if (further === undefined || isAttemptOver(further) || reached.has(dependency)) continue;
      reached.add(dependency);
      ahead.push(further);
    }
  }
  return reached;
}
