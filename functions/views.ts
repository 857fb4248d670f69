import type { Attempt } from '../shared/core/attempt.ts';
import { formatTime } from '../shared/core/duration.ts';
import { type Execution, isLive, tokenOf } from '../shared/core/execution.ts';
import type { Quest } from '../shared/core/quest.ts';
import type { Ensured } from '../shared/engine/ensure.ts';
import type { GraphAttempt } from '../shared/engine/shown.ts';
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

/** The answer to a call that has seen to it that attempts exist. All of them are accepted, or none is. */
export function ensuredView({ questIds, attempts }: Ensured): object {
  const quests: Record<string, { attempts: Record<number, object> }> = {};
  for (const shown of attempts) {
    const { quest, attempt } = shown.attempt;
    quests[quest] ??= { attempts: {} };
    quests[quest].attempts[attempt] = graphAttemptView(shown);
  }
  return { questIds, accepted: true, graph: { quests } };
}

/** An attempt as part of a graph, where its result may be left out. */
function graphAttemptView({ attempt, withheld }: GraphAttempt): object {
  if (withheld === undefined || !('result' in attempt)) return attemptSummary(attempt);
  const { result: _, ...others } = attempt;
  return { ...attemptSummary(others as Attempt), resultWithheld: withheld };
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
