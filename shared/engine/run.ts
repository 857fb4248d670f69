import type { RunOutcome } from '../adapters/contract.ts';
import type { Docs } from '../core/decide/decision.ts';
import { decideRunRecorded, type Launched } from '../core/decide/run.ts';
import {
  type AdapterTask,
  type Claim,
  type Execution,
  idOfExecution,
  MAX_TOKEN_CHARACTERS,
} from '../core/execution.ts';
import { normalizeStatus, pending, type TaskStatus } from '../core/result.ts';
import { adapterOf, callAdapter, prepared, UnusableAnswer } from './call.ts';
import { describeTask } from './describe.ts';
import { loadDocsOf } from './load.ts';
import { applyEvent, type Snapshot } from './loop.ts';
import { handleNotification } from './notify.ts';
import type { Parts } from './parts.ts';
import { adapterQueueTask } from './services.ts';

/** Makes a claimed call of `run` and records what came of it. */
export async function performRun(parts: Parts, claimed: Snapshot<Docs>, claim: Claim): Promise<void> {
  const { execution, quest } = claimed.docs;
  const id = idOfExecution(execution);
  const tasks: AdapterTask[] = [];
  parts.outboxes.set(id, tasks);
  const call = await callAdapter(parts, 'run', async () => {
    const adapter = adapterOf(parts, execution.distributor);
    const task = await prepared(describeTask(parts, execution, quest));
    return checkedOutcome(await adapter.run(task));
  });
  parts.outboxes.delete(id);
  const outcome = 'value' in call ? { ...call.value, tasks: [...tasks] } : { error: call.error };
  if ('error' in outcome) parts.log.warn('run failed', { execution: id, error: outcome.error.message });

  const recorded = await applyEvent(
    parts,
    () => loadDocsOf(parts, id),
    (docs, context) => decideRunRecorded(docs, { claim, outcome }, context),
    claimed,
  );
  if (recorded.kind === 'ignored') return;
  const { distributor } = recorded.docs.execution;
  const { answer } = recorded;
  await enqueueTasks(parts, recorded.docs.execution, answer.tasks);
  for (const message of answer.notifications) {
    // A poll is due soon in any case; what fails here is made up for by it.
    await handleNotification(parts, { ...message, executionId: id }).catch((error: unknown) =>
      parts.log.warn('a kept notification failed', {
        execution: id,
        distributor: distributor.name,
        error: String(error),
      }),
    );
  }
}

export async function enqueueTasks(parts: Parts, execution: Execution, tasks: readonly AdapterTask[]): Promise<void> {
  const id = idOfExecution(execution);
  const now = parts.clock.now();
  await Promise.all(tasks.map(task => parts.queue.enqueue(adapterQueueTask(execution.distributor, id, task, now))));
}

function checkedOutcome(outcome: RunOutcome | undefined): Omit<Launched, 'tasks'> {
  if (typeof outcome?.token !== 'string' || outcome.token === '' || outcome.token.length > MAX_TOKEN_CHARACTERS) {
    throw new UnusableAnswer('the adapter gave no usable token');
  }
  const { token, status, timeToStartMs, timeToRunMs, timeToStopMs, pollAfterMs } = outcome;
  const timeoutsMs = { start: timeToStartMs, run: timeToRunMs, stop: timeToStopMs };
  return {
    token,
    status: statusOrPending(status),
    timeoutsMs: Object.fromEntries(Object.entries(timeoutsMs).filter(([, ms]) => isPositive(ms))),
    ...(isPositive(pollAfterMs) && { pollAfterMs }),
  };
}

/** The token counts, whatever was said with it; a poll will tell more. */
function statusOrPending(status: unknown): TaskStatus {
  try {
    return status === undefined ? pending() : normalizeStatus(status);
  } catch {
    return pending();
  }
}

/** What is not finite cannot be stored. */
function isPositive(milliseconds: number | undefined): milliseconds is number {
  return Number.isFinite(milliseconds) && Number(milliseconds) > 0;
}
