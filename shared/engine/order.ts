import { isAttemptOver, rankOf, waitOf } from '../core/attempt.ts';
import { decideRank, MUST_BE_ORDERED } from '../core/decide/depend.ts';
import { ApiError } from '../core/errors.ts';
import type { AttemptId, WaitId } from '../core/ids.ts';
import { edgePages } from './edges.ts';
import { loadAttemptOf } from './load.ts';
import { applyEvent } from './loop.ts';
import type { Parts } from './parts.ts';

/**
 * Waits never form a cycle, because along each of them ranks rise: an attempt halts only on top of the rank that its
 * dependencies were ordered after (`decideHalt`), and a rank is raised only after those of everything beneath it
 * (`decideRank`). Ranks never fall, and each of these commits is conditional on the attempt that it writes, so this holds
 * after each single commit, whoever else is at work and wherever somebody dies. A graph that grows from its roots is ordered
 * as it is made, and nothing has to be raised.
 */

interface Step {
  id: AttemptId;
  /** Known once the attempt was read. */
  rank?: number;
  /** What it waits for, still to be ordered; and of which wait that was read. */
  below?: AttemptId[];
  wait?: WaitId;
}

/**
 * Gives `dependency`, and what it waits for, ranks that are high enough for `dependent` to wait for it. Rejects with
 * FAILED_PRECONDITION, naming its field and the path, when that waits for `dependent` itself.
 */
export async function orderAfter(
  parts: Parts,
  dependent: AttemptId,
  rank: number,
  dependency: { id: AttemptId; rank: number; field: string },
): Promise<void> {
  // Everything beneath rises by the same, and so stays in order.
  const lift = rank + 1 - dependency.rank;
  const raised = new Map<AttemptId, number>();
  const path: Step[] = [{ id: dependency.id }];
  for (let step = path.at(-1); step !== undefined; step = path.at(-1)) {
    if (step.id === dependent) throw cycle(dependent, path, dependency.field);
    if (step.below === undefined) {
      const least = Math.max(rank, ...path.slice(-2, -1).map(above => above.rank ?? 0)) + 1;
      const isRaised = (raised.get(step.id) ?? 0) >= least;
      const opened = isRaised ? undefined : await open(parts, step, { least, lift });
      if (opened === undefined) {
        path.pop();
        continue;
      }
    }
    const next = step.below?.pop();
    if (next !== undefined) {
      path.push({ id: next });
      continue;
    }
    if (await raise(parts, step)) {
      raised.set(step.id, step.rank!);
      path.pop();
    }
  }
}

/** Reads what has to be ordered before this step; undefined when it ranks high enough already or is over. */
async function open(
  parts: Parts,
  step: Step,
  { least, lift }: { least: number; lift: number },
): Promise<Step | undefined> {
  const stored = await parts.store.get('attempt', step.id);
  if (stored === undefined || isAttemptOver(stored.doc) || rankOf(stored.doc) >= least) return undefined;
  const wait = waitOf(stored.doc)?.id;
  step.rank = Math.max(least, rankOf(stored.doc) + lift);
  step.below = wait === undefined ? [] : await dependenciesOf(parts, wait);
  if (wait === undefined) delete step.wait;
  else step.wait = wait;
  return step;
}

async function dependenciesOf(parts: Parts, wait: WaitId): Promise<AttemptId[]> {
  const dependencies: AttemptId[] = [];
  for await (const edges of edgePages(parts, { wait })) dependencies.push(...edges.map(({ doc }) => doc.dependency));
  return dependencies;
}

/** Whether the attempt ranks high enough now; if not, it has come to wait for something else and is to be opened again. */
async function raise(parts: Parts, step: Step): Promise<boolean> {
  const { id, wait, rank = 0 } = step;
  const beneath = wait && { wait, rank: rank + 1 };
  const outcome = await applyEvent(
    parts,
    () => loadAttemptOf(parts, id),
    (docs, context) => decideRank(docs, { rank, beneath }, context),
  );
  if (outcome.kind === 'ignored' && outcome.reason === MUST_BE_ORDERED) {
    delete step.below;
    return false;
  }
  return true;
}

/** Of a long path this many attempts are named at either end. */
const NAMED = 10;

function cycle(dependent: AttemptId, path: readonly Step[], field: string): ApiError {
  const ids = [dependent, ...path.map(({ id }) => id)];
  const left = ids.length - 2 * NAMED;
  const named = left > 0 ? [...ids.slice(0, NAMED), `(${left} more)`, ...ids.slice(-NAMED)] : ids;
  const description = `the attempts would wait for each other: ${named.join(' → ')}`;
  return new ApiError('FAILED_PRECONDITION', `${field}: ${description}`, [{ field, description }]);
}
