import { z } from 'zod';
import {
  commonConfig,
  ownTopic,
  type Distributor,
  type DistributorType,
  type Notification,
  type RunOutcome,
  type TaskDescription,
  TokenRequired,
} from '../shared/adapters/contract.ts';
import { readStatus } from '../shared/adapters/status-message.ts';
import { TransientError } from '../shared/core/errors.ts';
import { tokenOf } from '../shared/core/execution.ts';
import { type ExecutionId, parseExecutionId } from '../shared/core/ids.ts';
import { canonicalJson, type JsonObject, sha256 } from '../shared/core/json.ts';
import { abnormal, finished, pending, running, type TaskResult, type TaskStatus } from '../shared/core/result.ts';
import type { CallPort } from './instance.ts';
import { startProcess } from './job.ts';
import { type Plan, planOf } from './plan.ts';
import { short } from './store.ts';
import type { World } from './world.ts';

/** A job as its executor keeps it. Several of one execution: the executor started twice. */
export interface Job {
  executionId: ExecutionId;
  token: string;
  plan: Plan;
  task: TaskDescription;
  /** Of what it publishes. */
  attributes: ReturnType<TaskDescription['prepareTopic']>['attributes'];
  status: TaskStatus;
  startedAt: number;
  /** Its executor has said that there is no such job. */
  denied?: true;
}

export interface Executor {
  /** A type of adapter of this executor, each of whose calls goes through `call`. */
  typeFor(type: string, call: CallPort): DistributorType;
  jobs(): readonly Job[];
  jobsOf(id: ExecutionId): readonly Job[];
  end(job: Job, result: TaskResult): void;
}

/** When an answer comes that is late; a call of run is given a minute. */
const LATE_MS = 57_000;

/** How long parts of an executor may not know of a job that others have accepted. */
const PROPAGATION_MS = 20_000;

export type Operation = 'run' | 'poll' | 'cancel';

/** How many jobs the type `many` can be asked about at once. */
const MAX_STATUSES = 2;

const configSchema = z.strictObject({
  ...commonConfig,
  ...ownTopic,
  site: z.string().optional(),
  /** Its notifications are only a reason to ask. */
  hints: z.boolean().optional(),
  /** Whether a job can be cancelled by its execution's id alone. */
  findable: z.boolean().optional(),
});
type Config = z.infer<typeof configSchema>;

/** A type of distributors of this executor; one that only reads their configs creates none. */
export function executorType(
  type: string,
  create: DistributorType<Config>['create'] = unused,
): DistributorType<Config> {
  const common = { type, modes: ['unattended', 'interactive'], configSchema, create } as const;
  return type === 'many' ? { ...common, maxStatuses: MAX_STATUSES } : common;
}

function unused(): never {
  throw new Error('only for reading configs');
}

export function createExecutor(world: World): Executor {
  const { scheduler, faults, trace, deliveries } = world;
  const jobs: Job[] = [];
  const byToken = new Map<string, Job>();
  const byExecution = new Map<ExecutionId, Job[]>();
  const calls = new Map<string, number>();
  const handedOver = new Map<ExecutionId, string>();

  function count(operation: Operation, id: ExecutionId): void {
    const key = `${operation} ${id}`;
    calls.set(key, (calls.get(key) ?? 0) + 1);
    world.check.executorCalled(operation, id, calls.get(key)!);
  }

  function start(task: TaskDescription): Job {
    const { executionId } = task;
    const siblings = byExecution.get(executionId) ?? [];
    const job: Job = {
      executionId,
      token: `job-${siblings.length + 1}-of-${executionId}`,
      plan: planOf(world.seed, executionId, task.quest),
      task,
      attributes: task.prepareTopic().attributes,
      status: pending(),
      startedAt: scheduler.now(),
    };
    jobs.push(job);
    byToken.set(job.token, job);
    byExecution.set(executionId, [...siblings, job]);
    world.check.jobStarted(job);
    if (job.plan.pendingMs === 0) begin(job);
    else scheduler.after(job.plan.pendingMs, () => begin(job));
    return job;
  }

  /** The one that counts of several: adapters tell them by their tokens, and pass on nothing of a stray. */
  function mainJob(id: ExecutionId): Job | undefined {
    const execution = world.database.get('execution', id);
    const token = execution && tokenOf(execution);
    if (token !== undefined) return byToken.get(token);
    const all = byExecution.get(id) ?? [];
    return all.length === 1 ? all[0] : undefined;
  }

  function begin(job: Job): void {
    if (job.status.state !== 'pending') return;
    job.status = running();
    tell(job);
    const { runMs, end: ending, interactive } = job.plan;
    if (interactive) return startProcess(world, job);
    if (ending !== undefined) scheduler.after(runMs, () => end(job, ending));
  }

  function end(job: Job, result: TaskResult): void {
    if (job.status.state === 'finished') return;
    trace.add(scheduler.now(), `job ${short(job.executionId)} ends`, () => JSON.stringify(result));
    job.status = finished(result);
    tell(job);
  }

  /** Publishes what became of a job, as reliably as executors do. */
  function tell(job: Job): void {
    if (job !== mainJob(job.executionId) || !job.plan.notifies) return;
    const about = `job ${short(job.executionId)}`;
    const { attributes } = job;
    const data = JSON.stringify(job.status);
    const { topic, name } = topicOf(job);
    // On a topic of its own nothing is signed, and what is said is not believed.
    const publish = (more: object = {}, text = data) =>
      topic === undefined
        ? deliveries.publish({ data: text, attributes: { ...attributes, ...more } })
        : deliveries.hint(name, { data: text, attributes: { job: attributes.execution_id } });
    if (!faults.happens('tells nothing', about)) publish();
    if (faults.happens('tells twice', about)) publish();
    if (faults.happens('tells something old', about))
      scheduler.after(30_000, () => publish({}, JSON.stringify(running())));
    if (faults.happens('tells of strangers', about))
      publish({ auth_token: `${attributes.auth_token.slice(0, -2)}xx`, forged: 'true' });
    if (faults.happens('tells of the future', about)) {
      const { quest, attempt, execution } = parseExecutionId(job.executionId);
      publish({ execution_id: `${quest}|${attempt}|${execution + 1}` });
    }
  }

  function topicOf({ executionId }: Job): { name: string; topic?: unknown } {
    const distributor = world.database.get('execution', executionId)?.distributor;
    return { name: distributor?.name ?? '', topic: distributor?.config.topic };
  }

  function run(task: TaskDescription): RunOutcome {
    const { executionId } = task;
    count('run', executionId);
    const bytes = sha256(
      canonicalJson({ ...task, prepareTopic: task.prepareTopic() } as unknown as JsonObject),
    ).toString('base64url');
    world.check.handedOver(executionId, handedOver.get(executionId), bytes, task.previousState);
    handedOver.set(executionId, bytes);

    const about = `run ${short(executionId)}`;
    const known = byExecution.get(executionId) ?? [];
    if (faults.happens('is out of order', about)) throw new TransientError('busy', { retryAfterMs: 5000 });
    if (known.length === 0 && faults.happens('refuses to start', about)) throw new Error('the executor refuses');
    const mayStart = known.every(job => job.status.state !== 'finished');
    const isAnother = known.length > 0 && mayStart && faults.happens('starts twice', about);
    const job = known.length === 0 || isAnother ? start(task) : known[0]!;
    if (faults.happens('is unusable', about)) return { token: '' };
    return {
      token: job.token,
      ...(job.plan.saysStatus && { status: job.status }),
      ...(job.plan.pollAfterMs !== undefined && { pollAfterMs: job.plan.pollAfterMs }),
    };
  }

  function statusOf(job: Job | undefined, about: string): TaskStatus {
    const isNew = job !== undefined && scheduler.now() - job.startedAt < PROPAGATION_MS;
    if (isNew && faults.happens('does not know it yet', about)) {
      job.denied = true;
      throw new Error('there is no such job yet');
    }
    if (faults.happens('is out of order', about)) throw new TransientError('busy');
    if (job === undefined) throw new Error('there is no such job');
    if (job.status.state !== 'finished') return job.status;
    if (faults.happens('forgets the job', about)) {
      job.denied = true;
      throw new Error('there is no such job any more');
    }
    return faults.happens('lies about the end', about) ? running() : job.status;
  }

  /** Each as if it were asked about alone. */
  function statusesOf(
    handles: readonly { executionId: ExecutionId; token: string }[],
    about: string,
  ): (TaskStatus | Error)[] {
    // Then it has looked at none of them.
    if (faults.happens('cannot be asked for all', about)) throw new Error('one of these is bad');
    const answers = handles.map(({ executionId, token }) => {
      count('poll', executionId);
      try {
        return statusOf(byToken.get(token), `poll ${short(executionId)}`);
      } catch (error) {
        return error as Error;
      }
    });
    return faults.happens('answers for too few', about) ? answers.slice(0, -1) : answers;
  }

  function cancel(found: readonly Job[], byTokenAlone: boolean, about: string): void {
    for (const job of found) {
      // Whoever asks by the token can ask again whether it worked.
      if (byTokenAlone && faults.happens('ignores cancel', about)) continue;
      end(job, abnormal('CANCELLED', 'cancelled'));
    }
  }

  /** Late, but still within the time that the claim gives the call, of which other things have taken some; `now` by its clock. */
  function lateFor(id: ExecutionId, now: number): number {
    const since = world.database.get('execution', id)?.claim?.at ?? now;
    return scheduler.now() + Math.max(0, since + LATE_MS - now);
  }

  function create(type: string, config: Config, call: CallPort, { enqueueTask, clock }: Services): Distributor {
    return {
      async run(task) {
        const { executionId } = task;
        const { usesTasks } = planOf(world.seed, executionId, task.quest);
        if (usesTasks) await enqueueTask({ executionId, payload: {}, delayMs: 20_000 });
        const about = `run ${short(executionId)}`;
        return call({
          name: about,
          apply: () => run(task),
          token: ({ token }) => token,
          answersAt: () => (faults.happens('answers late', about) ? lateFor(executionId, clock.now()) : undefined),
        });
      },
      cancel: ({ executionId, token }) =>
        call({
          name: `cancel ${short(executionId)}`,
          apply() {
            count('cancel', executionId);
            const about = `cancel ${short(executionId)}`;
            if (faults.happens('is out of order', about)) throw new TransientError('busy');
            if (token === undefined && config.findable === false) throw new TokenRequired('no token');
            const job = token === undefined ? undefined : byToken.get(token);
            cancel(
              token === undefined ? (byExecution.get(executionId) ?? []) : job ? [job] : [],
              token !== undefined,
              about,
            );
          },
        }),
      getStatus: ({ executionId, token }) =>
        call({
          name: `poll ${short(executionId)}`,
          apply() {
            count('poll', executionId);
            return statusOf(byToken.get(token), `poll ${short(executionId)}`);
          },
        }),
      ...(type === 'many' && {
        getStatuses: handles =>
          call({
            name: `poll together ${short(handles[0]!.executionId)}`,
            apply: () => statusesOf(handles, `poll together ${short(handles[0]!.executionId)}`),
          }),
      }),
      executionOf: ({ attributes: { job } }) => job as ExecutionId | undefined,
      infoUrl: token => `https://executor.example/${token}`,
      async handleNotification({ executionId, data }) {
        if (config.hints !== true) return readStatus(data);
        const about = `ask ${short(executionId)}`;
        return call({ name: about, apply: () => statusOf(mainJob(executionId), about) });
      },
      // What comes back is published for it: the same as a notification, by another way.
      handleTaskQueueTask: async ({ executionId }): Promise<Notification[]> => {
        const job = executionId && mainJob(executionId);
        return job ? [{ executionId, data: JSON.stringify(job.status), attributes: {} }] : [];
      },
      validate: () => undefined,
    };
  }

  return {
    typeFor: (type, call) => executorType(type, (config, services) => create(type, config, call, services)),
    jobs: () => jobs,
    jobsOf: id => byExecution.get(id) ?? [],
    end,
  };
}

type Services = Parameters<DistributorType['create']>[1];
