import type {
  Distributor,
  Notification,
  RunOutcome,
  TaskDescription,
  TaskQueueRequest,
} from '../../shared/adapters/contract.ts';
import { type ExecutionId, executionId } from '../../shared/core/ids.ts';
import type { JsonObject } from '../../shared/core/json.ts';
import { normalizeQuest, type QuestDesc } from '../../shared/core/quest.ts';
import type { TaskStatus } from '../../shared/core/result.ts';
import type { EnqueuedTask, fakeServices } from './services.ts';

export type FakeServices = ReturnType<typeof fakeServices>;

/** A normalized description of which only the interesting part is given. */
export function questOf(part: Partial<QuestDesc> = {}): QuestDesc {
  return normalizeQuest({ distributorConfigName: 'test', ...part }).desc;
}

export interface DescribeOptions {
  attempt?: number;
  execution?: number;
  previousState?: JsonObject;
  /** Base of the job function. */
  jobUrl?: string;
}

/** An execution as the engine describes it to `run`; equal arguments give equal bytes. */
export function describeTask(quest: QuestDesc, options: DescribeOptions = {}): TaskDescription {
  const { attempt = 1, execution = 1, previousState, jobUrl = 'http://127.0.0.1:1' } = options;
  const { id: questId } = normalizeQuest(quest);
  const id = executionId(questId, attempt, execution);
  const executionUrl = `${jobUrl}/v1/quests/${questId}/attempts/${attempt}/executions/${execution}`;
  return {
    quest: structuredClone(quest),
    executionId: id,
    executionUrl,
    executionAuth: { executionId: id, activationToken: `activation-${id}` },
    ...(previousState && { previousState }),
    prepareTopic: () => ({
      topic: 'projects/test/topics/notify',
      attributes: { execution_id: id, auth_token: `auth-${id}` },
      notifyUrl: `${executionUrl}:notify`,
    }),
  };
}

export interface Driver {
  run(task: TaskDescription): Promise<RunOutcome>;
  /** Delivers every task that is due by the clock, and the notifications that come of it, until none is due. */
  settle(options?: { twice?: boolean }): Promise<void>;
  /** What `run` and the notifications said last. */
  statusOf(id: ExecutionId): TaskStatus | undefined;
  /** Everything that tasks returned, in order. */
  notifications: Notification[];
}

/** Plays the engine's part in the tasks and notifications of one adapter. Errors of the adapter reach the test. */
export function createDriver(distributor: Distributor, services: FakeServices): Driver {
  const executions = new Map<ExecutionId, { task: TaskDescription; token: string; status?: TaskStatus }>();
  const waiting: { task: EnqueuedTask; at: number }[] = [];
  const notifications: Notification[] = [];

  function nextDue(): EnqueuedTask | undefined {
    const now = services.clock.now();
    waiting.push(...services.tasks.splice(0).map(task => ({ task, at: now + (task.delayMs ?? 0) })));
    const index = waiting.findIndex(({ at }) => at <= now);
    return index < 0 ? undefined : waiting.splice(index, 1)[0]?.task;
  }

  function requestFor({ executionId: id, payload }: EnqueuedTask, retryCount: number): TaskQueueRequest {
    const execution = id && executions.get(id);
    const request = { ...(id && { executionId: id }), payload: structuredClone(payload), retryCount };
    if (!execution) return request;
    const { task, token, status } = execution;
    return { ...request, token, ...(status?.state !== 'finished' && { task }) };
  }

  async function notify(notification: Notification): Promise<void> {
    notifications.push(notification);
    const execution = executions.get(notification.executionId);
    if (!execution) return;
    const status = await distributor.handleNotification(notification, execution.task.quest);
    if (status && execution.status?.state !== 'finished') execution.status = status;
  }

  return {
    notifications,
    async run(task) {
      const outcome = await distributor.run(task);
      executions.set(task.executionId, {
        task,
        token: outcome.token,
        ...(outcome.status && { status: outcome.status }),
      });
      return outcome;
    },
    async settle({ twice = false } = {}) {
      let deliveries = 0;
      for (let task = nextDue(); task; task = nextDue()) {
        if (++deliveries > 1000) throw new Error('the adapter enqueues without end');
        // Both deliveries are described before either is made, as when they overlap.
        const requests = twice ? [requestFor(task, 0), requestFor(task, 1)] : [requestFor(task, 0)];
        for (const returned of await Promise.all(requests.map(request => distributor.handleTaskQueueTask(request))))
          for (const notification of returned) await notify(notification);
      }
    },
    statusOf: id => executions.get(id)?.status,
  };
}
