import { isAttemptOver } from '../core/attempt.ts';
import { decideDoom, decideSpare } from '../core/decide/cascade.ts';
import type { Edge } from '../core/edge.ts';
import { isTransient, messageOf, TransientError } from '../core/errors.ts';
import type { AttemptId } from '../core/ids.ts';
import { cancelAttempt } from './cancel.ts';
import { edgePages } from './edges.ts';
import { loadAttemptOf } from './load.ts';
import { applyEvent, pauseBeforeRetry, TRIES } from './loop.ts';
import type { Parts } from './parts.ts';

/** A cancelled attempt waited for another one: that is cancelled, too, unless somebody else needs it. */
export async function cascadeAlong(parts: Parts, edge: Edge): Promise<void> {
  if (!edge.open) return;
  try {
    for (let tries = 0; tries < TRIES; tries++) {
      await pauseBeforeRetry(parts, tries);
      if (await isSettled(parts, edge)) return;
    }
  } catch (error) {
    if (isTransient(error)) throw error;
    parts.log.error('an attempt cannot be cancelled together with its dependent', {
      attempt: edge.dependency,
      error: messageOf(error),
    });
    return;
  }
  throw new TransientError(`too many cascades to ${edge.dependency}`);
}

/** False when another cascade has set its mark after ours. It may die before it cancels anything, so we have to look again. */
async function isSettled(parts: Parts, { dependency: id, dependent }: Edge): Promise<boolean> {
  const doomed = await applyEvent(parts, () => loadAttemptOf(parts, id), decideDoom);
  const mark = doomed.docs.attempt.doomed;
  if (doomed.kind === 'ignored' || mark === undefined) return true;
  if (await isNeeded(parts, id)) {
    await applyEvent(
      parts,
      () => loadAttemptOf(parts, id),
      (docs, context) => decideSpare(docs, mark, context),
      doomed,
    );
    return true;
  }
  const wish = { reason: `only ${dependent} waited for it`, cascade: true, ifDoomed: mark };
  const attempt = await cancelAttempt(parts, id, wish);
  return isAttemptOver(attempt) || attempt.doomed === undefined;
}

/** Whether a dependent is not over yet. */
async function isNeeded(parts: Parts, dependency: AttemptId): Promise<boolean> {
  for await (const edges of edgePages(parts, { dependency })) {
    const open = edges.filter(({ doc }) => doc.open);
    const dependents = await Promise.all(open.map(({ doc }) => parts.store.get('attempt', doc.dependent)));
    if (dependents.some(stored => stored !== undefined && !isAttemptOver(stored.doc))) return true;
  }
  return false;
}
