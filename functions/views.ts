import type { Attempt } from '../shared/core/attempt.ts';
import { formatTime } from '../shared/core/duration.ts';
import { type Execution, isLive, tokenOf } from '../shared/core/execution.ts';
import type { Quest } from '../shared/core/quest.ts';
import type { ShownAttempt, ShownExecution } from '../shared/engine/read.ts';

/** Documents as the outside sees them. Nothing secret, and nothing of how the system works inside. */

export function questView({ id, desc, createdAt }: Quest): object {
  return { id, desc, createTime: formatTime(createdAt) };
}

export function attemptView({ attempt, executions }: ShownAttempt): object {
  return { ...attemptSummary(attempt), executions: executions.map(executionView) };
}

export function attemptSummary(attempt: Attempt): object {
  const { quest, state, createdAt, updatedAt, distributor } = attempt;
  return {
    quest,
    attempt: attempt.attempt,
    state,
    distributor,
    createTime: formatTime(createdAt),
    updateTime: formatTime(updatedAt),
    ...('result' in attempt && { result: attempt.result }),
  };
}

export function executionView({ execution, infoUrl }: ShownExecution): object {
  const { quest, attempt, state, createdAt, updatedAt } = execution;
  const { name, type, version } = execution.distributor;
  const token = tokenOf(execution);
  return {
    quest,
    attempt,
    execution: execution.execution,
    state,
    createTime: formatTime(createdAt),
    updateTime: formatTime(updatedAt),
    distributor: {
      name,
      type,
      version,
      ...(token !== undefined && { token }),
      ...(infoUrl !== undefined && { infoUrl }),
    },
    ...('result' in execution && { result: execution.result }),
    ...jobsView(execution),
  };
}

/** What became of an ended execution's job, for the operator. */
function jobsView(execution: Execution): object {
  if (isLive(execution)) return {};
  const { lateOutcome, unwanted = [] } = execution;
  return {
    ...(lateOutcome !== undefined && { lateOutcome }),
    ...(unwanted.length > 0 && {
      stoppingJobs: unwanted.map(({ token, abandoned }) => ({ token, abandoned: abandoned === true })),
    }),
  };
}
