import type { RunOutcome } from '../adapters/contract.ts';
import { type Attempt, idOfAttempt } from '../core/attempt.ts';
import type { Context, Docs } from '../core/decide/decision.ts';
import { decideLaunch } from '../core/decide/launch.ts';
import { decideRunRecorded, type Launched } from '../core/decide/run.ts';
import {
  type AdapterTask,
  type Claim,
  type Execution,
  idOfExecution,
  MAX_TOKEN_CHARACTERS,
} from '../core/execution.ts';
import { executionId } from '../core/ids.ts';
import { normalizeStatus, pending, type TaskStatus } from '../core/result.ts';
import { adapterOf, callAdapter, prepared, UnusableAnswer } from './call.ts';
import { describeTask } from './describe.ts';
import { loadAttemptOf, loadDocsOf, loadQuest } from './load.ts';
import { applyEvent, type Snapshot } from './loop.ts';
import { handleNotification } from './notify.ts';
import type { Parts } from './parts.ts';
import { adapterQueueTask } from './services.ts';

/** An attempt's wake-up: creates its next execution and runs it. */
export async function launch(parts: Parts, found: Found, revision: number): Promise<string> {
  const quest = await loadQuest(parts, found.docs.attempt.quest);
  const resolution = parts.registry.resolveOrReject(quest.desc);
  const nonce = parts.random.token(16);
  const outcome = await applyEvent(
    parts,
    async () =>
      withFreeNumber(parts, await withPrevious(parts, await loadAttemptOf(parts, idOfAttempt(found.docs.attempt)))),
    (docs, context: Context) =>
      decideLaunch(docs, { revision, resolution, nonce, keyId: parts.keyring.current }, context),
    await withPrevious(parts, found),
  );
  if (outcome.kind === 'ignored') return outcome.reason;
  const { attempt, execution } = outcome.docs;
  const { claim } = outcome.answer;
  if (claim === undefined || execution === undefined) return 'not launched';
  await performRun(parts, { docs: { quest, attempt, execution }, versions: outcome.versions }, claim);
  return 'launched';
}

type Found = Snapshot<{ attempt: Attempt }>;

interface LaunchDocs {
  attempt: Attempt;
  previous: Execution | undefined;
  /** The number of the next execution, where it is not the one after the last. */
  next: number | undefined;
  execution?: Execution;
}

async function withPrevious({ store }: Parts, { docs: { attempt }, versions }: Found): Promise<Snapshot<LaunchDocs>> {
  const after = attempt.state === 'SCHEDULING' ? attempt.after : undefined;
  const previous = after && (await store.get('execution', executionId(attempt.quest, attempt.attempt, after)));
  return { docs: { attempt, previous: previous ? previous.doc : undefined, next: undefined }, versions };
}

/**
 * For a second try: an execution may outlive the attempt that it was of, since after a retention period each document is
 * deleted by itself.
 */
async function withFreeNumber(
  { store }: Parts,
  { docs, versions }: Snapshot<LaunchDocs>,
): Promise<Snapshot<LaunchDocs>> {
  const { quest, attempt, executions, state } = docs.attempt;
  if (state !== 'SCHEDULING') return { docs, versions };
  for (let next = executions + 1; ; next++) {
    if ((await store.get('execution', executionId(quest, attempt, next))) === undefined) {
      return { docs: { ...docs, next }, versions };
    }
  }
}

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
