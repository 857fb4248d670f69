import type { Attempt } from '../core/attempt.ts';
import type { CancelWish } from '../core/decide/cancel.ts';
import type { AttemptId, ExecutionId, QuestId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import type { AttemptQuery, Page, TopicMessage } from '../core/ports.ts';
import type { Quest } from '../core/quest.ts';
import type { ResultData } from '../core/result.ts';
import { activate } from './activate.ts';
import { type AdapterQueueTask, handleAdapterTask } from './adapter-task.ts';
import { cancelAttempt } from './cancel.ts';
import { type Dependencies, ensureGraphData } from './depend.ts';
import { type Ensured, ensureGraph } from './ensure.ts';
import { finish } from './finish.ts';
import { receiveHint } from './hint.ts';
import { drop, publishNotification, receiveMessage } from './notify.ts';
import { assemble, type EngineOptions } from './parts.ts';
import * as read from './read.ts';
import { type Polls, pollTogether } from './polls.ts';
import { recover } from './recover.ts';
import { type Swept, sweep } from './sweep.ts';
import { wake } from './wake.ts';
import type { Wake } from './wake-task.ts';
import { walkGraph, walkGraphOf } from './walk/walk.ts';
import type { GraphPage } from './walk/page.ts';

export type { EngineOptions } from './parts.ts';

/** Everything that the functions can ask for. Strings that come back say, for the log, what became of a delivery. */
export interface Engine {
  ensureGraph(request: unknown): Promise<Ensured>;
  walkGraph(request: unknown): Promise<GraphPage>;
  getQuest(id: QuestId): Promise<Quest>;
  getAttempt(id: AttemptId): Promise<read.ShownAttempt>;
  getExecution(id: ExecutionId): Promise<read.ShownExecution>;
  listAttempts(query: AttemptQuery): Promise<Page<Attempt>>;
  waitForAttempt(quest: QuestId, attempt: number, timeoutMs: number, signal?: AbortSignal): Promise<read.ShownAttempt>;
  cancelAttempt(id: AttemptId, reason: string, wish?: Pick<CancelWish, 'cascade'>): Promise<void>;
  listDistributors(): ReturnType<ReturnType<typeof assemble>['registry']['list']>;

  activate(
    id: ExecutionId,
    tokens: { activationToken: string; executionToken: string },
  ): Promise<JsonObject | undefined>;
  finish(id: ExecutionId, call: { executionToken: string; data: ResultData }): Promise<void>;
  ensureGraphData(id: ExecutionId, call: { executionToken: string; request: unknown }): Promise<Dependencies>;
  walkGraphOf(id: ExecutionId, call: { executionToken: string; request: unknown }): Promise<GraphPage>;
  publishNotification(id: ExecutionId, authToken: string, data: string): Promise<void>;

  receiveMessage(message: TopicMessage): Promise<string>;
  /** A message of a distributor's own topic, which proves nothing. */
  receiveHint(distributor: string, message: TopicMessage): Promise<string>;
  /** Counts and logs what cannot even be parsed. */
  drop(what: 'notification' | 'task', reason: string): string;
  wake(wake: Wake): Promise<string>;
  pollTogether(polls: Polls): Promise<string>;
  handleAdapterTask(distributor: string, task: AdapterQueueTask, retryCount: number): Promise<string>;
  sweep(): Promise<Swept>;

  /** For processes that own their jobs: finds the jobs of the process's earlier life. Before anything else. */
  recover(): Promise<void>;
}

export function createEngine(options: EngineOptions): Engine {
  const parts = assemble(options);
  return {
    ensureGraph: request => ensureGraph(parts, request),
    walkGraph: request => walkGraph(parts, request),
    getQuest: id => read.getQuest(parts, id),
    getAttempt: id => read.getAttempt(parts, id),
    getExecution: id => read.getExecution(parts, id),
    listAttempts: query => read.listAttempts(parts, query),
    waitForAttempt: (quest, attempt, timeoutMs, signal) =>
      read.waitForAttempt(parts, quest, attempt, timeoutMs, signal),
    cancelAttempt: async (id, reason, wish) => void (await cancelAttempt(parts, id, { reason, ...wish })),
    listDistributors: () => parts.registry.list(),
    activate: (id, tokens) => activate(parts, id, tokens),
    finish: (id, call) => finish(parts, id, call),
    ensureGraphData: (id, call) => ensureGraphData(parts, id, call),
    walkGraphOf: (id, call) => walkGraphOf(parts, id, call),
    publishNotification: (id, authToken, data) => publishNotification(parts, id, authToken, data),
    receiveMessage: message => receiveMessage(parts, message),
    receiveHint: (distributor, message) => receiveHint(parts, distributor, message),
    drop: (what, reason) => drop(parts, what, reason),
    wake: target => wake(parts, target),
    pollTogether: polls => pollTogether(parts, polls),
    handleAdapterTask: (name, task, retryCount) => handleAdapterTask(parts, name, task, retryCount),
    sweep: () => sweep(parts),
    recover: () => recover(parts),
  };
}
