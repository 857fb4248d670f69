import { claimCall } from '../calls.ts';
import {
  type AdapterTask,
  type Claim,
  type Execution,
  isLive,
  type LiveExecution,
  tokenOf,
  type UnwantedJob,
} from '../execution.ts';
import { type Context, commit, type Decision, type Docs, ignored, reviseExecution } from './decision.ts';
import { withoutOutbox } from './end.ts';
import { ASKS_AT_DEADLINE, endOverdue } from './report.ts';
import { ABANDON_AFTER_MS, reviseEnded } from './stop.ts';

/** How far apart an execution that is STOPPING is asked whether it has stopped. */
const STOPPING_POLL_SPACING_MS = 30_000;

/** What a wake-up leads to besides its commit: a claimed call, or a job given up on. */
export interface Woken {
  call?: Claim;
  abandoned?: string;
}

/** An execution's wake-up: at most one thing that is due is begun; the commit makes the next one due again. */
export function decideWake(docs: Docs, { revision }: { revision: number }, context: Context): Decision<Woken> {
  const { execution } = docs;
  const { now } = context;
  if (execution.revision !== revision) return ignored('stale wake-up');
  const held = isHeld(execution, now);
  const overdue = isLive(execution) && isDue(execution.deadlineAt, now);
  if (held && !(overdue && execution.claim?.call === 'run')) return ignored('a call is under way');

  if (isLive(execution)) {
    if (overdue) return atDeadline({ ...docs, execution }, context);
    const { launch } = execution;
    if (launch.state === 'owed' && launch.nextAt <= now) return claimRun(execution, launch.tries + 1, now);
    const hasTasks = dueOutbox(execution, now) !== undefined;
    const flushed: LiveExecution = hasTasks ? { ...execution, launch: withoutOutbox(launch) } : execution;
    // In the same commit: a poll that waits for others has no task of its own, and would have to wait for the next sweep.
    if (isDue(execution.poll.nextAt, now)) return claimPoll(execution, flushed, now);
    if (hasTasks) return commit({ execution: reviseExecution(execution, flushed, now) }, {});
  }
  return stopNextJob(docs, context);
}

/** Tasks of `run` that are to be enqueued once more, before the commit of the wake-up that forgets them. */
export function dueOutbox(execution: Execution, now: number): readonly AdapterTask[] | undefined {
  if (!isLive(execution) || isHeld(execution, now) || execution.launch.state !== 'launched') return undefined;
  const { outbox } = execution.launch;
  return outbox !== undefined && outbox.nextAt <= now ? outbox.tasks : undefined;
}

/** Whether a call is under way whose outcome is to be waited for. */
function isHeld({ claim }: Execution, now: number): boolean {
  return claim !== undefined && claim.untilAt > now;
}

function isDue(at: number | undefined, now: number): boolean {
  return at !== undefined && at <= now;
}

/** Asks the executor once more (four times when STOPPING), then ends the execution. */
function atDeadline(docs: Docs & { execution: LiveExecution }, context: Context): Decision<Woken> {
  const { now } = context;
  const { execution } = docs;
  if (execution.asked < ASKS_AT_DEADLINE[execution.state]) {
    const asked = execution.asked + 1;
    // STOPPING asks several times; its deadline moves with each, so that it ends whatever becomes of the polls.
    const deadlineAt = execution.state === 'STOPPING' ? now + STOPPING_POLL_SPACING_MS : execution.deadlineAt;
    const counted: LiveExecution = { ...execution, asked, deadlineAt };
    if (tokenOf(execution) !== undefined) return claimPoll(execution, counted, now);
    // Nobody to ask as long as the token is not known: for STOPPING a fruitless poll all the same.
    if (execution.state === 'STOPPING') return commit({ execution: reviseExecution(execution, counted, now) }, {});
  }
  return commit(endOverdue(docs, context), {});
}

function claimRun(execution: LiveExecution, tries: number, now: number): Decision<Woken> {
  const claim = claimCall('run', tries, now);
  const claimed: LiveExecution = { ...execution, claim, launch: { state: 'owed', tries, nextAt: claim.untilAt } };
  return commit({ execution: reviseExecution(execution, claimed, now) }, { call: claim });
}

function claimPoll(before: LiveExecution, counted: LiveExecution, now: number): Decision<Woken> {
  const claim = claimCall('poll', before.poll.fruitless + 1, now);
  const poll = { ...before.poll, lastAt: now, nextAt: claim.untilAt };
  return commit({ execution: reviseExecution(before, { ...counted, claim, poll }, now) }, { call: claim });
}

const CALL_OF_NEED = { cancel: 'cancel', confirm: 'confirm', learn: 'run' } as const;

/** Claims the next call that an unwanted job is owed, or gives up on the job. */
function stopNextJob(docs: Docs, context: Context): Decision<Woken> {
  const { execution } = docs;
  const { now } = context;
  const jobs = execution.unwanted ?? [];
  const job = jobs.find(({ nextAt }) => isDue(nextAt, now));
  if (job === undefined) return ignored('nothing is due');
  const replaceBy = (changed: UnwantedJob) => jobs.map(other => (other === job ? changed : other));
  if (!isLive(execution) && now - job.since >= ABANDON_AFTER_MS) {
    const unwanted = replaceBy({ ...job, abandoned: true, nextAt: undefined });
    return commit(reviseEnded(docs, { ...execution, unwanted }, context), { abandoned: job.token ?? '(unknown)' });
  }
  const claim = claimCall(CALL_OF_NEED[job.need], job.tries + 1, now, job.token);
  const unwanted = replaceBy({ ...job, nextAt: claim.untilAt });
  return commit({ execution: reviseExecution(execution, { ...execution, unwanted, claim }, now) }, { call: claim });
}
