import { type Attempt, type AttemptIn, carriedOver, endAttempt, SCHEMA_VERSION } from '../attempt.ts';
import { claimCall } from '../calls.ts';
import {
  type Claim,
  deadlineAfter,
  type Execution,
  type ExecutionIn,
  idOfExecution,
  isLive,
  type PinnedDistributor,
} from '../execution.ts';
import { shardOf } from '../ids.ts';
import type { Mode } from '../quest.ts';
import type { Limits } from '../slot.ts';
import { abnormal } from '../result.ts';
import { type Context, commit, type Decision, ignored, reviseAttempt, reviseExecution } from './decision.ts';
import { blocksRetry } from './end.ts';

/** What the distributors file says of a quest at the moment when an execution is created. */
export interface Resolution {
  distributor: PinnedDistributor;
  mode: Mode;
  timeoutsMs: Execution['timeoutsMs'];
  pollIntervalMs: number;
  /** Its executor can be asked about many jobs at once. */
  grouped?: true;
  limits?: Limits;
  /** Why this quest cannot be run (any more). */
  rejected?: string;
}

export interface LaunchDocs {
  attempt: Attempt;
  previous: Execution | undefined;
  /** The number of the next execution, where it is not the one after the last. */
  next?: number | undefined;
}

export interface Launch {
  revision: number;
  resolution: Resolution;
  nonce: string;
  keyId: string;
  /** The slot that it takes in the same commit, where its distributor limits how many jobs there are. */
  slot?: number | undefined;
}

export interface Launching {
  claim?: Claim;
}

/** An attempt's wake-up: creates its next execution and claims the call of `run` in the same commit. */
export function decideLaunch(docs: LaunchDocs, event: Launch, { now }: Context): Decision<Launching> {
  const { attempt, previous, next } = docs;
  if (attempt.state !== 'SCHEDULING') return ignored(`attempt is ${attempt.state}`);
  if (attempt.revision !== event.revision) return ignored('stale wake-up');
  if (now < attempt.notBefore) return ignored('too early');
  if (attempt.after !== undefined && previous !== undefined && !isLive(previous) && blocksRetry(previous)) {
    // The execution that blocks this attempt releases it in its own commit; look again later all the same.
    return commit({ attempt: reviseAttempt(attempt, attempt, now) }, {});
  }

  const execution = next ?? attempt.executions + 1;
  const { distributor, mode, timeoutsMs, pollIntervalMs, grouped, rejected } = event.resolution;
  const common = {
    schemaVersion: SCHEMA_VERSION,
    quest: attempt.quest,
    attempt: attempt.attempt,
    execution,
    revision: 0,
    shard: shardOf(idOfExecution({ ...attempt, execution })),
    createdAt: now,
    updatedAt: now,
    mode,
    distributor,
    auth: { nonce: event.nonce, issuedAt: now, keyId: event.keyId },
    stateFrom: attempt.stateFrom,
    timeoutsMs,
    poll: { intervalMs: pollIntervalMs, fruitless: 0, ...(grouped && { grouped }) },
    ...(event.slot !== undefined && { slot: event.slot }),
  } as const;

  if (rejected !== undefined) {
    const end = { state: 'ABNORMAL_FINISHED', endedAt: now, result: abnormal('REJECTED', rejected) } as const;
    const refused: ExecutionIn<'ABNORMAL_FINISHED'> = {
      ...common,
      ...end,
      slot: undefined,
      launch: { state: 'none' },
      reported: true,
    };
    // SCHEDULING may end without ever executing; here it does so together with the execution that says why.
    const over = endAttempt({ ...attempt, executions: execution }, end, now);
    return commit(
      { execution: reviseExecution(refused, refused, now), attempt: reviseAttempt(attempt, over, now) },
      {},
    );
  }

  const claim = claimCall('run', 1, now);
  const scheduled: ExecutionIn<'SCHEDULING'> = {
    ...common,
    state: 'SCHEDULING',
    launch: { state: 'owed', tries: 1, nextAt: claim.untilAt },
    claim,
    enteredAt: now,
    deadlineAt: deadlineAfter(now, timeoutsMs.start),
    asked: 0,
  };
  const executing: AttemptIn<'EXECUTING'> = { ...carriedOver(attempt), executions: execution, state: 'EXECUTING' };
  return commit(
    { execution: reviseExecution(scheduled, scheduled, now), attempt: reviseAttempt(attempt, executing, now) },
    { claim },
  );
}
