import { type Attempt, idOfAttempt } from '../shared/core/attempt.ts';
import { formatTime } from '../shared/core/duration.ts';
import { type Execution, isLive, tokenOf } from '../shared/core/execution.ts';
import { type AttemptId, parseAttemptId } from '../shared/core/ids.ts';
import type { Quest, QuestDesc } from '../shared/core/quest.ts';
import type { TaskResult } from '../shared/core/result.ts';
import type { Ensured } from '../shared/engine/ensure.ts';
import type { ShownAttempt, ShownExecution } from '../shared/engine/read.ts';
import type { GraphAttempt, Withheld } from '../shared/engine/shown.ts';
import type { WalkedAttempt } from '../shared/engine/walk/answer.ts';
import type { WalkedExecution } from '../shared/engine/walk/executions.ts';
import type { GraphPage } from '../shared/engine/walk/page.ts';

/** Documents as the outside sees them. Nothing secret, and nothing of how the system works inside. */

interface View {
  result?: TaskResult;
  [field: string]: unknown;
}

export function questView({ id, desc, createdAt }: Quest): object {
  return { id, desc, createTime: formatTime(createdAt) };
}

export function attemptView({ attempt, executions }: ShownAttempt): object {
  return { ...attemptSummary(attempt), executions: executions.map(executionView) };
}

export function attemptSummary(attempt: Attempt): View {
  const { quest, state, createdAt, updatedAt, distributor } = attempt;
  const queued = attempt.state === 'SCHEDULING' ? attempt.queued : undefined;
  return {
    quest,
    attempt: attempt.attempt,
    state,
    distributor,
    createTime: formatTime(createdAt),
    updateTime: formatTime(updatedAt),
    ...(queued && { queuedSince: formatTime(queued.at) }),
    ...('result' in attempt && { result: attempt.result }),
  };
}

/** The answer to a call that has seen to it that attempts exist. All of them are accepted, or none is. */
export function ensuredView({ questIds, attempts }: Ensured): object {
  const views = attempts.map((shown): GraphEntry => [idOfAttempt(shown.attempt), graphAttemptView(shown)]);
  return { questIds, accepted: true, graph: graphView(views) };
}

/** A page of a walk over the graph. */
export function graphPageView({ attempts, descs, hadMore, hadErrors, nextPageToken }: GraphPage): object {
  const views = attempts.map((walked): GraphEntry => [walked.id, walkedView(walked)]);
  return {
    graph: graphView(views, descs),
    ...(hadMore && { hadMore }),
    ...(hadErrors && { hadErrors }),
    ...(nextPageToken !== undefined && { nextPageToken }),
  };
}

type GraphEntry = readonly [id: AttemptId, view: object];

function graphView(entries: readonly GraphEntry[], descs: GraphPage['descs'] = new Map()): object {
  const quests: Record<string, { attempts: Record<number, object> }> = {};
  for (const [id, view] of entries) {
    const { quest, attempt } = parseAttemptId(id);
    quests[quest] ??= { ...descView(descs.get(quest)), attempts: {} };
    quests[quest].attempts[attempt] = view;
  }
  return { quests };
}

function descView(desc: QuestDesc | 'dataSizeLimit' | undefined): object {
  if (desc === undefined) return {};
  return desc === 'dataSizeLimit' ? { descWithheld: desc } : { desc };
}

function walkedView({ shown, executions, dependencies, dependents }: WalkedAttempt): object {
  return {
    ...(shown === 'doesNotExist' && { doesNotExist: true }),
    ...(shown === 'unreadable' && { unreadable: true }),
    ...(typeof shown === 'object' && { ...graphAttemptView(shown), numExecutions: shown.attempt.executions }),
    ...(executions && { executions: executions.map(walkedExecutionView) }),
    ...(dependencies && { dependencies: numbersByQuest(dependencies) }),
    ...(dependents && { dependents: numbersByQuest(dependents) }),
  };
}

/** An attempt as part of a graph, where its result may be left out. */
function graphAttemptView({ attempt, withheld }: GraphAttempt): object {
  return withheld === undefined ? attemptSummary(attempt) : withoutResult(attemptSummary(attempt), withheld);
}

function walkedExecutionView({ withheld, ...shown }: WalkedExecution): object {
  return withheld === undefined ? executionView(shown) : withoutResult(executionView(shown), withheld);
}

/** Of one that failed the status remains. */
function withoutResult(view: View, resultWithheld: Withheld): object {
  const { result, ...others } = view;
  const failed = result !== undefined && 'abnormalFinish' in result;
  return { ...others, ...(failed && { result }), resultWithheld };
}

/** `{questId: [n, …]}` */
function numbersByQuest(ids: readonly AttemptId[]): Record<string, number[]> {
  const byQuest: Record<string, number[]> = {};
  for (const id of ids) {
    const { quest, attempt } = parseAttemptId(id);
    (byQuest[quest] ??= []).push(attempt);
  }
  for (const numbers of Object.values(byQuest)) numbers.sort((a, b) => a - b);
  return byQuest;
}

export function executionView({ execution, infoUrl }: ShownExecution): View {
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
