import type { Attempt } from '../attempt.ts';
import { type CallError, isClaim, problemOf } from '../calls.ts';
import {
  type Claim,
  deadlineAfter,
  type Execution,
  type ExecutionIn,
  isLive,
  isSettled,
  type LiveExecution,
} from '../execution.ts';
import { abnormal, type TaskStatus } from '../result.ts';
import { type Context, commit, type Decision, type Docs, ignored, reviseExecution } from './decision.ts';
import { endExecution, reportedResult } from './end.ts';
import { reviseEnded, withLateOutcome, withoutMainJob } from './stop.ts';

type Live = Docs & { execution: LiveExecution };

/** An executor's word on an execution, from a notification. */
export function decideReport(docs: Docs, { status }: { status: TaskStatus }, context: Context): Decision {
  const { execution } = docs;
  if (!isLive(execution)) {
    if (status.state !== 'finished') return ignored(`execution is ${execution.state}`);
    const informed = withoutMainJob(withLateOutcome(execution, status));
    if (informed === execution) return ignored(`execution is ${execution.state}`);
    return commit(reviseEnded({ ...docs, execution }, informed, context));
  }
  const moved = applyStatus({ ...docs, execution }, status, context);
  return moved === undefined ? ignored(`nothing new: ${status.state}`) : commit(moved);
}

/** Where a status leads, or undefined when it changes nothing. */
export function applyStatus(
  docs: Live,
  status: TaskStatus,
  context: Context,
): { execution: Execution; attempt?: Attempt } | undefined {
  const { execution } = docs;
  if (status.state === 'finished') {
    return endExecution(docs, { result: reportedResult(execution, status.result), reported: true }, context);
  }
  // An interactive job counts as running once it has activated, whatever its executor says.
  const started = status.state === 'running' && execution.mode === 'unattended' && execution.state === 'SCHEDULING';
  return started
    ? { execution: reviseExecution(execution, toRunning(execution, context.now), context.now) }
    : undefined;
}

export function toRunning(
  execution: ExecutionIn<'SCHEDULING'>,
  now: number,
  tokenHash?: string,
): ExecutionIn<'RUNNING'> {
  const { poll, timeoutsMs } = execution;
  const nextAt = execution.launch.state === 'launched' ? now + poll.intervalMs : undefined;
  return {
    ...execution,
    state: 'RUNNING',
    tokenHash,
    enteredAt: now,
    deadlineAt: deadlineAfter(now, timeoutsMs.run),
    asked: 0,
    poll: { ...poll, fruitless: 0, nextAt },
  };
}

/** How often an executor is asked at a deadline before the execution ends. */
export const ASKS_AT_DEADLINE: Readonly<Record<LiveExecution['state'], number>> = {
  SCHEDULING: 1,
  RUNNING: 1,
  STOPPING: 4,
};

const LONGEST_POLL_MS = 60 * 60_000;

/** The outcome of one poll of an execution that had not ended when the poll was claimed. */
export function decidePollRecorded(
  docs: Docs,
  { claim, outcome }: { claim: Claim; outcome: TaskStatus | { error: CallError } },
  context: Context,
): Decision {
  const mine = isClaim(docs.execution.claim, claim);
  if (!mine || !isLive(docs.execution)) {
    return 'error' in outcome ? ignored('claim has lapsed') : decideReport(docs, { status: outcome }, context);
  }
  const problem = 'error' in outcome ? problemOf(outcome.error) : undefined;
  const execution: LiveExecution = { ...docs.execution, claim: undefined, problem };
  const live = { ...docs, execution };
  if (!('error' in outcome)) {
    const moved = applyStatus(live, outcome, context);
    if (moved !== undefined) return commit(moved);
  }
  if ('error' in outcome && outcome.error.notAsked === true) {
    return commit(
      endExecution(live, { result: abnormal('REJECTED', outcome.error.message), reported: false }, context),
    );
  }

  const missing = 'error' in outcome && !outcome.error.transient && isSettled(execution, context.now);
  if (execution.state === 'STOPPING') {
    const asked: LiveExecution = { ...execution, lastErrorFinal: missing };
    if (asked.asked >= ASKS_AT_DEADLINE.STOPPING) return commit(endOverdue({ ...docs, execution: asked }, context));
    const waiting = { ...asked, poll: { ...asked.poll, nextAt: pokedAt(asked, claim) } };
    return commit({ execution: reviseExecution(execution, waiting, context.now) });
  }
  if (missing) {
    const reason = `the executor does not know it: ${outcome.error.message}`;
    return commit(endExecution(live, { result: abnormal('MISSING', reason), reported: false }, context));
  }
  if (execution.asked >= ASKS_AT_DEADLINE[execution.state]) return commit(endOverdue(live, context));
  const retryAfterMs = 'error' in outcome ? outcome.error.retryAfterMs : undefined;
  const waiting = fruitless(execution, claim, context.now, retryAfterMs);
  return commit({ execution: reviseExecution(execution, waiting, context.now) });
}

/** A poll that was asked for while this one was under way is still due: this one perhaps came too early. */
function pokedAt({ poll }: LiveExecution, claim: Claim): number | undefined {
  return poll.nextAt === claim.untilAt ? undefined : poll.nextAt;
}

function fruitless(execution: LiveExecution, claim: Claim, now: number, retryAfterMs = 0): LiveExecution {
  const { poll } = execution;
  const times = poll.fruitless + 1;
  const delayMs = Math.max(retryAfterMs, poll.intervalMs, Math.min(poll.intervalMs * 2 ** times, LONGEST_POLL_MS));
  return { ...execution, poll: { ...poll, fruitless: times, nextAt: pokedAt(execution, claim) ?? now + delayMs } };
}

/** The phase is over its time and the executor, asked once more, had nothing to say that ends it. */
export function endOverdue(docs: Live, context: Context): ReturnType<typeof endExecution> {
  return endExecution(docs, { result: overdueResult(docs.execution), reported: false }, context);
}

function overdueResult(execution: LiveExecution): ReturnType<typeof abnormal> {
  const { start, run, stop } = execution.timeoutsMs;
  const why = execution.problem === undefined ? '' : `; the last call failed: ${execution.problem}`;
  switch (execution.state) {
    case 'SCHEDULING':
      return abnormal('EXPIRED', `not started within ${start / 1000} s${why}`);
    case 'RUNNING':
      return abnormal('TIMED_OUT', `still running after ${run / 1000} s${why}`);
    case 'STOPPING':
      return execution.lastErrorFinal
        ? abnormal('MISSING', `the executor does not know it any more${why}`)
        : abnormal('EXPIRED', `its executor did not report the end within ${stop / 1000} s${why}`);
  }
}
