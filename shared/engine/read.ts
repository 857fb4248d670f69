import { type Attempt, idOfAttempt, isAttemptOver } from '../core/attempt.ts';
import { ApiError } from '../core/errors.ts';
import { type Execution, tokenOf } from '../core/execution.ts';
import { type AttemptId, attemptId, type ExecutionId, type QuestId } from '../core/ids.ts';
import type { AttemptQuery, Page } from '../core/ports.ts';
import type { Quest } from '../core/quest.ts';
import { adapterOf } from './call.ts';
import { loadAttempt } from './load.ts';
import type { Parts } from './parts.ts';

/** An execution with the address at which a person can look at its job. */
export interface ShownExecution {
  execution: Execution;
  infoUrl: string | undefined;
}

export interface ShownAttempt {
  attempt: Attempt;
  executions: ShownExecution[];
}

/** Of an attempt with a great many executions the newest are shown; each of the others can be read by its number. */
const MAX_SHOWN_EXECUTIONS = 20;

export async function getQuest(parts: Parts, id: QuestId): Promise<Quest> {
  const quest = await parts.quests.get(id);
  if (quest === undefined) throw new ApiError('NOT_FOUND', `there is no quest ${id}`);
  return quest;
}

export async function getAttempt(parts: Parts, id: AttemptId): Promise<ShownAttempt> {
  return showAttempt(parts, (await loadAttempt(parts, id)).doc);
}

async function showAttempt(parts: Parts, attempt: Attempt): Promise<ShownAttempt> {
  const last = attempt.executions;
  const first = Math.max(1, last - MAX_SHOWN_EXECUTIONS + 1);
  const executions = last === 0 ? [] : await parts.store.listExecutions(idOfAttempt(attempt), first, last);
  return { attempt, executions: executions.map(execution => showExecution(parts, execution)) };
}

export function showExecution(parts: Parts, execution: Execution): ShownExecution {
  const token = tokenOf(execution);
  return { execution, infoUrl: token === undefined ? undefined : infoUrl(parts, execution, token) };
}

function infoUrl(parts: Parts, execution: Execution, token: string): string | undefined {
  try {
    return adapterOf(parts, execution.distributor).infoUrl(token);
  } catch {
    // A type that is not deployed any more, or an adapter that breaks its promise: no reason to show nothing at all.
    return undefined;
  }
}

export async function getExecution(parts: Parts, id: ExecutionId): Promise<ShownExecution> {
  const stored = await parts.store.get('execution', id);
  if (stored === undefined) throw new ApiError('NOT_FOUND', `there is no execution ${id}`);
  return showExecution(parts, stored.doc);
}

export function listAttempts(parts: Parts, query: AttemptQuery): Promise<Page<Attempt>> {
  return parts.store.listAttempts(query);
}

/** Resolves when the attempt is over, or at the latest after `timeoutMs` or when `signal` aborts, as it is then. */
export async function waitForAttempt(
  parts: Parts,
  quest: QuestId,
  number: number,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<ShownAttempt> {
  const id = attemptId(quest, number);
  const done = new AbortController();
  const stop = signal === undefined ? done.signal : AbortSignal.any([done.signal, signal]);
  const timer = parts.clock.sleep(timeoutMs, done.signal).then(() => done.abort());
  timer.catch(() => {});
  try {
    for (;;) {
      const { doc, version } = await loadAttempt(parts, id);
      if (isAttemptOver(doc) || stop.aborted) return await showAttempt(parts, doc);
      await parts.store.changed(id, version, stop);
    }
  } finally {
    done.abort('done');
  }
}
