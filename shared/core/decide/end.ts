import { type Attempt, type AttemptIn, carriedOver, endAttempt, idOfAttempt } from '../attempt.ts';
import { fullJitter } from '../backoff.ts';
import { type EndedExecution, type Execution, type LiveExecution, tokenOf, type UnwantedJob } from '../execution.ts';
import { retryPolicy } from '../quest.ts';
import { ABNORMAL, type AbnormalFinish, abnormal, type TaskResult } from '../result.ts';
import { type Context, type Docs, reviseAttempt, reviseExecution } from './decision.ts';

export interface Ending {
  result: TaskResult;
  /** The executor itself said so: no job is left to stop. */
  reported: boolean;
  /** What only its attempt waits for is to be cancelled, too. */
  cascade?: boolean;
}

/** Ends an execution and, in the same commit, moves its attempt on. */
export function endExecution(
  docs: Docs & { execution: LiveExecution },
  ending: Ending,
  context: Context,
): { execution: EndedExecution; attempt: Attempt } {
  const { execution, attempt } = docs;
  const after = ended(execution, ending, context.now);
  return {
    execution: reviseExecution(execution, after, context.now),
    attempt: reviseAttempt(attempt, attemptAfter(docs, after, ending, context), context.now),
  };
}

/** What an executor's report of the end means, by the kind of quest. */
export function reportedResult(execution: LiveExecution, result: TaskResult): TaskResult {
  const finishedEarly = execution.mode === 'interactive' && execution.state !== 'STOPPING' && 'data' in result;
  return finishedEarly ? abnormal('FAILED', `distributor finished execution while it was ${execution.state}`) : result;
}

function ended(execution: LiveExecution, { result, reported }: Ending, now: number): EndedExecution {
  const { quest, attempt, launch, poll, claim } = execution;
  const common = {
    schemaVersion: execution.schemaVersion,
    quest,
    attempt,
    execution: execution.execution,
    revision: execution.revision,
    shard: execution.shard,
    createdAt: execution.createdAt,
    updatedAt: execution.updatedAt,
    mode: execution.mode,
    distributor: execution.distributor,
    auth: execution.auth,
    stateFrom: execution.stateFrom,
    slot: execution.slot,
    timeoutsMs: execution.timeoutsMs,
    launch: withoutOutbox(launch),
    poll: { ...poll, nextAt: undefined },
    // A poll under way no longer matters; any other call must be over before its job is cancelled.
    claim: claim?.call === 'poll' ? undefined : claim,
    unwanted: unwantedAtEnd(execution, reported, now),
    // Perhaps the token becomes known after all; then they tell the late outcome.
    kept: launch.state === 'owed' ? execution.kept : undefined,
    endedAt: now,
    reported,
    halt: execution.state === 'STOPPING' ? execution.halt : undefined,
  };
  return 'data' in result
    ? { ...common, state: 'FINISHED', result }
    : { ...common, state: 'ABNORMAL_FINISHED', result: { abnormalFinish: result.abnormalFinish } };
}

export function withoutOutbox(launch: Execution['launch']): Execution['launch'] {
  return launch.state === 'launched' ? { state: 'launched', token: launch.token, at: launch.at } : launch;
}

function unwantedAtEnd(execution: LiveExecution, reported: boolean, now: number): UnwantedJob[] | undefined {
  // One that was left alone until now has its full time from now on.
  const strays = (execution.unwanted ?? []).map(job =>
    job.nextAt === undefined ? { ...job, since: now, nextAt: now } : job,
  );
  const begun =
    execution.launch.state === 'launched' || (execution.launch.state === 'owed' && execution.launch.tries > 0);
  const jobs = reported || !begun ? strays : [...strays, unwantedJob(tokenOf(execution), now, now)];
  return jobs.length === 0 ? undefined : jobs;
}

export function unwantedJob(token: string | undefined, now: number, nextAt: number | undefined): UnwantedJob {
  return { token, need: 'cancel', tries: 0, failedCancels: 0, since: now, nextAt };
}

/** An attempt's next execution waits until its last one's jobs are gone, or have refused to die this often. */
const CANCELS_BEFORE_RELEASE = 10;

/** Whether an execution's jobs keep the next execution of the attempt from starting. */
export function blocksRetry(execution: EndedExecution): boolean {
  return (execution.unwanted ?? []).some(job => job.abandoned !== true && job.failedCancels < CANCELS_BEFORE_RELEASE);
}

function attemptAfter(
  { quest, attempt, execution }: Docs,
  after: EndedExecution,
  { cascade = false }: Ending,
  context: Context,
): Attempt {
  const { now } = context;
  if (attempt.state !== 'EXECUTING' || attempt.executions !== execution.execution) {
    throw new Error(`bug: ${idOfAttempt(attempt)} is ${attempt.state} while execution ${execution.execution} ends`);
  }
  // The job was told that its result is accepted: it stands, however the executor says that the job ended.
  if (execution.state === 'STOPPING' && execution.finish !== undefined) {
    return endAttempt(attempt, { result: execution.finish }, now);
  }
  if (after.state === 'FINISHED') {
    const { wait } = attempt;
    if (wait === undefined) return endAttempt(attempt, { result: after.result }, now);
    const stateFrom = execution.execution;
    return { ...carriedOver(attempt), state: 'WAITING', wait, uncounted: true, retries: {}, stateFrom };
  }
  // What it left is lost: where it may be tried again, it asks again.
  const { abnormalFinish } = after.result;
  const retry = retryOf(attempt, abnormalFinish, quest, context);
  if (retry === undefined) return endAttempt(attempt, { result: { abnormalFinish } }, now, { cascade });
  return { ...retry, after: blocksRetry(after) ? execution.execution : undefined };
}

function retryOf(
  attempt: AttemptIn<'EXECUTING'>,
  { status }: AbnormalFinish,
  quest: Docs['quest'],
  { now, random }: Context,
): AttemptIn<'SCHEDULING'> | undefined {
  const retryClass = ABNORMAL[status];
  if (retryClass === undefined) return undefined;
  const { budgets, backoff } = retryPolicy(quest.desc);
  const used = attempt.retries[retryClass] ?? 0;
  if (used >= budgets[retryClass]) return undefined;
  const retries = { ...attempt.retries, [retryClass]: used + 1 };
  const failures = Object.values(retries).reduce((sum, count) => sum + count, 0);
  const notBefore = now + fullJitter(backoff, failures, random);
  return { ...carriedOver(attempt), state: 'SCHEDULING', retries, notBefore };
}
