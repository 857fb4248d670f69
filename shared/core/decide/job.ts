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

/** A call that a job makes with its execution token; both hashes are SHA-256, base64url. */
export interface JobCall {
  tokenHash: string;
  /** Of all that the call asks for or brings. */
  callHash: string;
}

/** Whether this very call has halted the execution: its answer was lost. */
export function isHaltedBy(execution: Execution, { tokenHash, callHash }: JobCall): boolean {
  const halt = 'halt' in execution ? execution.halt : undefined;
  return halt !== undefined && sameText(halt.tokenHash, tokenHash) && sameText(halt.callHash, callHash);
}

/** Whether the token is the execution's, and holds. */
export function isTokenOf(
  execution: Execution,
  { tokenHash }: Pick<JobCall, 'tokenHash'>,
): execution is ExecutionIn<'RUNNING'> {
  return execution.state === 'RUNNING' && execution.tokenHash !== undefined && sameText(execution.tokenHash, tokenHash);
}

/** Whether the token is, or was until it halted, the execution's. */
export function isHolder(execution: Execution, tokenHash: string): boolean {
  const halt = 'halt' in execution ? execution.halt : undefined;
  return isTokenOf(execution, { tokenHash }) || (halt !== undefined && sameText(halt.tokenHash, tokenHash));
}

/** A job delivers its attempt's result. From then on its token is revoked, and the result stands. */
export function decideFinish(
  { execution }: { execution: Execution },
  { result, ...call }: JobCall & { result: ResultData },
  { now }: Context,
): Decision {
  if (isHaltedBy(execution, call)) return ignored('repeated');
  if (!isTokenOf(execution, call)) return refused(tokenNotValid());
  const stopping = { ...halted(execution, call, now), finish: result };
  return commit({ execution: reviseExecution(execution, stopping, now) });
}

/** An execution whose job has nothing more to say to us; its token is revoked. */
export function halted(
  execution: ExecutionIn<'RUNNING'>,
  { tokenHash, callHash }: JobCall,
  now: number,
): ExecutionIn<'STOPPING'> {
  const { tokenHash: _, asking: __, ...rest } = execution;
  return {
    ...rest,
    state: 'STOPPING',
    halt: { tokenHash, callHash },
    lastErrorFinal: false,
    enteredAt: now,
    deadlineAt: deadlineAfter(now, execution.timeoutsMs.stop),
    asked: 0,
    poll: { ...execution.poll, nextAt: undefined },
  };
}

/** Also for an execution that does not exist: who cannot prove a right learns nothing. */
export function tokenNotValid(): ApiError {
  return new ApiError('UNAUTHENTICATED', 'the execution token is not valid, or not any more');
}
