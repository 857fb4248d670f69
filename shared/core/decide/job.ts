import { ApiError } from '../errors.ts';
import { deadlineAfter, type Execution, type ExecutionIn } from '../execution.ts';
import type { ResultData } from '../result.ts';
import { sameText } from '../tokens.ts';
import { type Context, commit, type Decision, ignored, refused, reviseExecution } from './decision.ts';
import { toRunning } from './report.ts';

/** A job takes its execution over: exactly one caller wins; a repeat by the winner succeeds. */
export function decideActivate(
  { execution }: { execution: Execution },
  { tokenHash }: { tokenHash: string },
  { now }: Context,
): Decision {
  if (execution.mode !== 'interactive') {
    return refused(new ApiError('FAILED_PRECONDITION', 'the quest is unattended: its job must not activate'));
  }
  switch (execution.state) {
    case 'SCHEDULING':
      return commit({ execution: reviseExecution(execution, toRunning(execution, now, tokenHash), now) });
    case 'RUNNING':
      if (sameText(execution.tokenHash ?? '', tokenHash)) return ignored('already activated by this caller');
      return refused(new ApiError('ALREADY_EXISTS', 'the execution was activated by another caller'));
    default:
      return refused(new ApiError('FAILED_PRECONDITION', `the execution is ${execution.state}`));
  }
}

/** A job delivers its attempt's result. From then on its token is revoked, and the result stands. */
export function decideFinish(
  { execution }: { execution: Execution },
  { tokenHash, callHash, result }: { tokenHash: string; callHash: string; result: ResultData },
  { now }: Context,
): Decision {
  if (execution.state !== 'RUNNING') {
    const halt = execution.state === 'SCHEDULING' ? undefined : execution.halt;
    // The answer to this very call may have been lost.
    if (halt && sameText(halt.tokenHash, tokenHash) && sameText(halt.callHash, callHash)) return ignored('repeated');
    return refused(tokenNotValid());
  }
  if (execution.tokenHash === undefined || !sameText(execution.tokenHash, tokenHash)) return refused(tokenNotValid());
  const { tokenHash: _, ...rest } = execution;
  const stopping: ExecutionIn<'STOPPING'> = {
    ...rest,
    state: 'STOPPING',
    halt: { tokenHash, callHash },
    finish: result,
    lastErrorFinal: false,
    enteredAt: now,
    deadlineAt: deadlineAfter(now, execution.timeoutsMs.stop),
    asked: 0,
    poll: { ...execution.poll, nextAt: undefined },
  };
  return commit({ execution: reviseExecution(execution, stopping, now) });
}

/** Also for an execution that does not exist: who cannot prove a right learns nothing. */
export function tokenNotValid(): ApiError {
  return new ApiError('UNAUTHENTICATED', 'the execution token is not valid, or not any more');
}
