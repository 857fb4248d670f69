import { isAttemptOver } from '../core/attempt.ts';
import type { Docs } from '../core/decide/decision.ts';
import { decideWake, dueOutbox } from '../core/decide/wake.ts';
import { isTransient, messageOf } from '../core/errors.ts';
import type { Claim } from '../core/execution.ts';
import type { AttemptId, ExecutionId } from '../core/ids.ts';
import { performCancel } from './cancel.ts';
import { loadAttemptOf, loadDocs, loadDocsOf } from './load.ts';
import { applyEvent, type Snapshot } from './loop.ts';
import { drop } from './notify.ts';
import type { Parts } from './parts.ts';
import { performPoll } from './poll.ts';
import { countDependencies, propagate } from './propagate.ts';
import { launch } from './launch.ts';
import { enqueueTasks, performRun } from './run.ts';
import { startOnSlot } from './start.ts';
import { type Target, targetOf, type Wake } from './wake-task.ts';

/** When a document whose decision throws is looked at again. */
const POISON_DELAY_MS = 60 * 60_000;

/**
 * Something is owed to a document. What it is, the document says, not the task. Resolves with what was done, for the log.
 * A document that cannot be read or decided on is put off, so that it blocks nobody.
 */
export async function wake(parts: Parts, { id, revision }: Wake): Promise<string> {
  const target = targetOf(id);
  if (target === undefined) return drop(parts, 'task', 'not an id', id);
  try {
    switch (target.kind) {
      case 'attempt':
        return await wakeAttempt(parts, target.id, revision);
      case 'execution':
        return await wakeExecution(parts, target.id, revision);
      case 'slot':
        return await startOnSlot(parts, target.id, revision);
    }
  } catch (error) {
    if (isTransient(error)) throw error;
    return postpone(parts, target, error);
  }
}

/** Puts off a document that cannot be read or decided on. */
export async function postpone(parts: Parts, { kind, id }: Target, error: unknown): Promise<string> {
  parts.log.error('a document cannot be processed; it is looked at again in an hour', {
    [kind]: id,
    error: messageOf(error),
  });
  await parts.store.postpone(kind, id, parts.clock.now() + POISON_DELAY_MS);
  return 'postponed';
}

async function wakeAttempt(parts: Parts, id: AttemptId, revision: number): Promise<string> {
  const found = await loadAttemptOf(parts, id);
  const { attempt } = found.docs;
  if (isAttemptOver(attempt)) return propagate(parts, id, found, revision);
  if (attempt.state === 'WAITING') return countDependencies(parts, found, revision);
  return launch(parts, found, revision);
}

async function wakeExecution(parts: Parts, id: ExecutionId, revision: number): Promise<string> {
  const woken = await claimNext(parts, id, revision);
  if (typeof woken === 'string') return woken;
  await PERFORM[woken.call.call](parts, woken.claimed, woken.call);
  return woken.call.call;
}

/** Claims the call that an execution is owed; a string says what became of the wake-up otherwise. */
export async function claimNext(
  parts: Parts,
  id: ExecutionId,
  revision: number,
): Promise<{ claimed: Snapshot<Docs>; call: Claim } | string> {
  const first = await loadDocs(parts, id);
  if (first === undefined) return drop(parts, 'task', 'unknown execution', id);
  const { execution } = first.docs;
  // One look at the clock: tasks that fall due after it must not be forgotten by the decision either.
  const now = parts.clock.now();
  const tasks = execution.revision === revision ? dueOutbox(execution, now) : undefined;
  // Before the commit that forgets them: a task twice is harmless, a task lost is not.
  if (tasks !== undefined) await enqueueTasks(parts, execution, tasks);
  const outcome = await applyEvent(
    parts,
    () => loadDocsOf(parts, id),
    (docs, context) => decideWake(docs, { revision }, { ...context, now }),
    first,
  );
  if (outcome.kind === 'ignored') return outcome.reason;
  const { call, abandoned } = outcome.answer;
  if (abandoned !== undefined) {
    parts.log.error('a job could not be stopped and is given up on', { execution: id, token: abandoned });
  }
  return call === undefined ? 'moved' : { claimed: outcome, call };
}

type Perform = (parts: Parts, claimed: Snapshot<Docs>, claim: Claim) => Promise<void>;

export const PERFORM: Readonly<Record<Claim['call'], Perform>> = {
  run: performRun,
  poll: performPoll,
  confirm: performPoll,
  cancel: performCancel,
};
