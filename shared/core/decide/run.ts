import { CALL_BACKOFF, equalJitter } from '../backoff.ts';
import { type CallError, isClaim, problemOf } from '../calls.ts';
import {
  type AdapterTask,
  type Claim,
  deadlineAfter,
  type EndedExecution,
  type Execution,
  isLive,
  type LiveExecution,
  type Token,
} from '../execution.ts';
import type { TopicMessage } from '../ports.ts';
import { abnormal, type TaskStatus } from '../result.ts';
import { type Context, commit, type Decision, type Docs, ignored, reviseExecution } from './decision.ts';
import { endExecution, unwantedJob } from './end.ts';
import { applyStatus } from './report.ts';
import { notStopped, reviseEnded, withLateOutcome } from './stop.ts';

/** `run`'s answer as the engine hands it on: checked, and with the tasks that were enqueued meanwhile. */
export interface Launched {
  token: Token;
  status: TaskStatus;
  timeoutsMs: Partial<Execution['timeoutsMs']>;
  pollAfterMs?: number;
  tasks: AdapterTask[];
}

/** What remains to be done once a launch is recorded. */
export interface AfterLaunch {
  tasks: AdapterTask[];
  notifications: TopicMessage[];
}

const NOTHING: AfterLaunch = { tasks: [], notifications: [] };

/** When tasks of `run` are enqueued again, in case that the first time was lost in a crash. */
const OUTBOX_RETRY_MS = 60_000;
/** When to ask the executor after notifications had come too early to be read. */
const POLL_AFTER_KEPT_MS = 30_000;

/** The outcome of one call of `run`; it may come late, when its claim has lapsed or the execution has moved on. */
export function decideRunRecorded(
  docs: Docs,
  { claim, outcome }: { claim: Claim; outcome: Launched | { error: CallError } },
  context: Context,
): Decision<AfterLaunch> {
  const { execution } = docs;
  const mine = isClaim(execution.claim, claim);
  // A claim that is not ours stands for another call of `run` that is still under way.
  const settled = mine ? undefined : execution.claim;
  if ('error' in outcome) {
    if (!mine) return ignored('claim has lapsed');
    const { error } = outcome;
    return isLive(execution)
      ? runFailed({ ...docs, execution }, error, context)
      : lateRunFailed({ ...docs, execution }, error, context);
  }
  if (execution.launch.state !== 'owed')
    return recordStray({ ...execution, claim: settled }, outcome.token, mine, context);
  return isLive(execution)
    ? recordLaunch({ ...docs, execution: { ...execution, claim: settled } }, outcome, context)
    : recordLateLaunch({ ...docs, execution: { ...execution, claim: settled } }, outcome, context);
}

type Live = Docs & { execution: LiveExecution };
type Ended = Docs & { execution: EndedExecution };

function recordLaunch(
  docs: Live,
  { token, status, tasks, ...outcome }: Launched,
  context: Context,
): Decision<AfterLaunch> {
  const { execution } = docs;
  const { now } = context;
  const notifications = execution.kept ?? [];
  const timeoutsMs = { ...execution.timeoutsMs, ...outcome.timeoutsMs };
  const intervalMs = outcome.pollAfterMs ?? execution.poll.intervalMs;
  const firstPollMs = notifications.length > 0 ? Math.min(intervalMs, POLL_AFTER_KEPT_MS) : intervalMs;
  const outbox = tasks.length > 0 ? { tasks, nextAt: now + OUTBOX_RETRY_MS } : undefined;
  const launched: LiveExecution = {
    ...execution,
    timeoutsMs,
    launch: { state: 'launched', token, at: now, outbox },
    poll: { ...execution.poll, intervalMs },
    kept: undefined,
    problem: undefined,
    deadlineAt: rebasedDeadline(execution, timeoutsMs),
  };
  const moved = applyStatus({ ...docs, execution: launched }, status, context);
  const next = moved?.execution ?? launched;
  if (!isLive(next)) return commit({ ...moved, execution: next }, NOTHING);
  // One that is STOPPING is asked at its deadline.
  const isPolled = next.state !== 'STOPPING' || notifications.length > 0;
  const polled: LiveExecution = { ...next, poll: { ...next.poll, nextAt: isPolled ? now + firstPollMs : undefined } };
  return commit({ execution: reviseExecution(execution, polled, now) }, { tasks, notifications });
}

/** A time-out from `run`'s answer counts from when the phase was entered, like the one it replaces. */
function rebasedDeadline(execution: LiveExecution, timeoutsMs: Execution['timeoutsMs']): number | undefined {
  const phase = ({ SCHEDULING: 'start', RUNNING: 'run', STOPPING: 'stop' } as const)[execution.state];
  if (timeoutsMs[phase] === execution.timeoutsMs[phase]) return execution.deadlineAt;
  return deadlineAfter(execution.enteredAt, timeoutsMs[phase]);
}

function runFailed(docs: Live, error: CallError, context: Context): Decision<AfterLaunch> {
  const { execution } = docs;
  if (execution.launch.state !== 'owed') {
    // Another call of `run` was recorded meanwhile: only the claim is given back.
    return commit({ execution: reviseExecution(execution, { ...execution, claim: undefined }, context.now) }, NOTHING);
  }
  const { tries } = execution.launch;
  if (!error.transient) {
    const result = abnormal('REJECTED', error.message);
    // A call that was not made says nothing about what earlier ones began; an adapter that refuses knows that no job exists.
    const activated = execution.state !== 'SCHEDULING';
    const jobPossible = activated || error.jobPossible === true || (error.notAsked === true && tries > 1);
    const refused: LiveExecution = jobPossible
      ? { ...execution, claim: undefined }
      : { ...execution, claim: undefined, launch: { state: 'none' } };
    return commit(endExecution({ ...docs, execution: refused }, { result, reported: !jobPossible }, context), NOTHING);
  }
  const delayMs = Math.max(error.retryAfterMs ?? 0, equalJitter(CALL_BACKOFF, tries, context.random));
  const waiting: LiveExecution = {
    ...execution,
    claim: undefined,
    launch: { state: 'owed', tries, nextAt: context.now + delayMs },
    problem: problemOf(error),
  };
  return commit({ execution: reviseExecution(execution, waiting, context.now) }, NOTHING);
}

/** The token became known after the execution had ended: now its job can be stopped. */
function recordLateLaunch(docs: Ended, { token, status }: Launched, context: Context): Decision<AfterLaunch> {
  const { execution } = docs;
  const { now } = context;
  const strays = (execution.unwanted ?? []).filter(job => job.token !== undefined);
  const launched: EndedExecution = {
    ...withLateOutcome(execution, status),
    launch: { state: 'launched', token, at: now },
    kept: undefined,
    unwanted: status.state === 'finished' ? strays : [...strays, unwantedJob(token, now, now)],
  };
  return commit(reviseEnded(docs, launched, context), { tasks: [], notifications: execution.kept ?? [] });
}

/** Running again only to learn the token failed: for good means that there is no job, unless nobody was asked. */
function lateRunFailed(docs: Ended, error: CallError, context: Context): Decision<AfterLaunch> {
  const { execution } = docs;
  const noJob = !error.transient && error.notAsked !== true && error.jobPossible !== true;
  const unwanted = (execution.unwanted ?? [])
    .filter(job => job.token !== undefined || !noJob)
    .map(job => (job.need === 'learn' ? notStopped(job, error, context) : job));
  return commit(reviseEnded(docs, { ...execution, claim: undefined, unwanted }, context), NOTHING);
}

/** `run` was called twice and gave two jobs: the one recorded first stands, this one is not wanted. */
function recordStray(
  execution: Execution,
  token: Token,
  claimSettled: boolean,
  { now }: Context,
): Decision<AfterLaunch> {
  const known =
    (execution.launch.state === 'launched' && execution.launch.token === token) ||
    execution.unwanted?.some(job => job.token === token) === true;
  if (known && !claimSettled) return ignored('already recorded');
  // An interactive stray cannot activate and so ends by itself; if not, it is cancelled when the execution ends.
  const later = execution.mode === 'interactive' && isLive(execution);
  const stray = unwantedJob(token, now, later ? undefined : now);
  const unwanted = known ? execution.unwanted : [...(execution.unwanted ?? []), stray];
  return commit({ execution: reviseExecution(execution, { ...execution, unwanted }, now) }, NOTHING);
}
