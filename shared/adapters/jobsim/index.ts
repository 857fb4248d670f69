import { z } from 'zod';
import { isTransient, messageOf } from '../../core/errors.ts';
import { type ExecutionId, parseExecutionId } from '../../core/ids.ts';
import type { QuestDesc } from '../../core/quest.ts';
import { finished, pending, running } from '../../core/result.ts';
import { parseWith } from '../../core/validation.ts';
import {
  commonConfig,
  type Distributor,
  type DistributorType,
  type Notification,
  type Services,
  type TaskDescription,
} from '../contract.ts';
import { typedDocuments } from '../documents.ts';
import { readStatus, statusNotification } from '../status-message.ts';
import { askFor, checkAsks, readAnswer } from './ask.ts';
import { settle } from './deps.ts';
import { begin, cancel, crashed, ended, type Job, jobSchema, progressOf } from './job.ts';
import { createJobFunction } from './job-function.ts';
import { step } from './phrase.ts';
import type { Progress } from './progress.ts';
import { type Phrase, phraseSchema } from './schema.ts';

const configSchema = z.strictObject({
  ...commonConfig,
  /** Whose jobs these are; part of their tokens. */
  pool: z.string().regex(/^[A-Za-z0-9._-]{1,100}$/, 'must be 1 to 100 characters [A-Za-z0-9._-]'),
  /** Whether a job tells its end. If not, only polls find out. */
  doPollback: z.boolean().default(true),
});
type JobsimConfig = z.infer<typeof configSchema>;

/**
 * A job simulator, for load and for tests. Its jobs run inside the adapter's own tasks and call the `job` function over
 * HTTP, as a foreign job would.
 */
export const jobsimType: DistributorType<JobsimConfig> = {
  type: 'jobsim',
  modes: ['interactive'],
  configSchema,
  create: createJobsim,
};

const DAY_MS = 24 * 60 * 60_000;
/** For longer than anybody asks about an execution that has ended. */
const KEEP_MS = 8 * DAY_MS;

function createJobsim({ pool, doPollback }: JobsimConfig, services: Services): Distributor {
  const { clock } = services;
  const callJob = createJobFunction(services.http);
  const jobs = typedDocuments(services.documents, jobSchema);
  const tokenOf = (executionId: ExecutionId) => `${pool}/${executionId}`;

  function enqueueWork(executionId: ExecutionId, delayMs = 0): Promise<void> {
    // A queue takes no task for the far future; the job will see that it woke up too early.
    return services.enqueueTask({ executionId, payload: {}, delayMs: Math.min(delayMs, DAY_MS) });
  }

  function keepUntil(job: Job | undefined): number {
    return Math.max(clock.now(), job?.state === 'running' ? job.wakeAt : 0) + KEEP_MS;
  }

  /** One step of a job that is at work, and may go on now. Rejects with transient errors only. */
  async function work(job: Exclude<Job, { state: 'ended' }>, phrase: Phrase, task: TaskDescription): Promise<Job> {
    const { executionToken } = job;
    const goingOn = (progress: Progress, wakeAt = 0): Job => ({
      ...progress,
      state: 'running',
      executionToken,
      wakeAt,
    });
    try {
      if (job.state === 'starting') {
        await callJob(task, 'activate', task.executionAuth.activationToken, { executionToken });
        return { ...job, state: 'running', wakeAt: 0 };
      }
      const { state: _, executionToken: __, wakeAt: ___, ...known } = job;
      const action = step(phrase, known, parseExecutionId(task.executionId).attempt);
      const { progress } = action;
      if (action.kind === 'wait') return goingOn(progress, clock.now() + action.delayMs);
      if (action.kind === 'finish') {
        await callJob(task, 'finish', executionToken, action.result);
        return ended(progress);
      }
      const { wanted } = action;
      const answer = await callJob(task, 'ensureGraphData', executionToken, askFor(task.quest, wanted));
      const values = readAnswer(answer, wanted);
      return values === 'halt' ? ended(progress) : goingOn(settle(progress, wanted, values));
    } catch (error) {
      if (isTransient(error)) throw error;
      return crashed(messageOf(error));
    }
  }

  /** Goes on with a job until it ends or has to wait. */
  async function goOn(task: TaskDescription): Promise<Notification[]> {
    const { executionId } = task;
    const phrase = phraseOf(task.quest);
    const begun = (known: Job | undefined): Job => known ?? begin(task.previousState);
    let stored = await jobs.update(executionId, begun, { expireAt: keepUntil(undefined) });
    for (;;) {
      const job = stored.doc;
      if (job.state === 'ended') return doPollback ? [statusNotification(executionId, finished(job.result))] : [];
      if (job.state === 'running' && clock.now() < job.wakeAt) {
        await enqueueWork(executionId, job.wakeAt - clock.now());
        return [];
      }
      const next = await work(job, phrase, task);
      // A cancel, or the same task delivered twice, may be ahead: then it goes on from there. Each call rests on what is
      // stored alone, so one that is refused because another has been made since does not count either.
      const unlessChanged = (known: Job | undefined): Job => (known === undefined || known === job ? next : known);
      stored = await jobs.update(executionId, unlessChanged, { from: stored, expireAt: keepUntil(next) });
    }
  }

  return {
    async run({ executionId, previousState }) {
      progressOf(previousState);
      await enqueueWork(executionId);
      return { token: tokenOf(executionId) };
    },

    handleTaskQueueTask: async ({ task }) => (task === undefined ? [] : goOn(task)),

    async getStatus({ executionId, token }) {
      if (token !== tokenOf(executionId)) throw new Error('no job has this token');
      const job = (await jobs.read(executionId))?.doc;
      if (job?.state === 'ended') return finished(job.result);
      // Perhaps the queue has lost it.
      if (job?.state !== 'running' || job.wakeAt <= clock.now()) await enqueueWork(executionId);
      return job?.state === 'running' ? running() : pending();
    },

    async cancel({ executionId }) {
      await jobs.update(executionId, cancel, { expireAt: keepUntil(undefined) });
    },

    handleNotification: async ({ data }) => readStatus(data),

    infoUrl: () => undefined,

    validate(quest) {
      checkAsks(quest, phraseOf(quest));
      parseWith(z.strictObject({}), quest.distributorParameters, 'distributorParameters');
    },
  };
}

function phraseOf(quest: QuestDesc): Phrase {
  return parseWith(phraseSchema, quest.parameters, 'parameters');
}
