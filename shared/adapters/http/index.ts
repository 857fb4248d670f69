import { parseDuration } from '../../core/duration.ts';
import { TransientError } from '../../core/errors.ts';
import type { ExecutionId } from '../../core/ids.ts';
import { finished, running } from '../../core/result.ts';
import type { Distributor, DistributorType, Notification, Services } from '../contract.ts';
import { typedDocuments } from '../documents.ts';
import { readStatus, statusNotification } from '../status-message.ts';
import { type HttpConfig, httpConfigSchema } from './config.ts';
import { cancelCall, claimCall, endCancelled, isDue, type Job, type JobIn, jobSchema, recordAnswer } from './job.ts';
import { parametersReader } from './parameters.ts';
import { createService } from './service.ts';

/**
 * An HTTP call as a job. The call is made by a task of the adapter's own, so that a slow service holds up nobody. The
 * execution id is the token: the service's own, if it has one, is not known before it answers.
 */
export const httpType: DistributorType<HttpConfig> = {
  type: 'http',
  modes: ['unattended', 'interactive'],
  configSchema: httpConfigSchema,
  create: createHttpDistributor,
};

const DAY_MS = 24 * 60 * 60_000;
/** For longer than anybody asks about an execution that has ended. */
const KEEP_MS = 8 * DAY_MS;

function createHttpDistributor(config: HttpConfig, services: Services): Distributor {
  const { clock } = services;
  const parametersOf = parametersReader(config);
  const service = createService(config, services, parametersOf);
  const jobs = typedDocuments(services.documents, jobSchema);
  const limits = { maxTries: config.maxTries, requestTimeoutMs: parseDuration(config.requestTimeout) };
  const expireAt = () => clock.now() + KEEP_MS;

  function enqueueCall(executionId: ExecutionId, delayMs = 0): Promise<void> {
    return services.enqueueTask({ executionId, payload: {}, delayMs });
  }

  /** What a task owes before it may be forgotten: to tell the end, or to see to the next call. */
  async function followUp(executionId: ExecutionId, job: Job): Promise<Notification[]> {
    if (job.state === 'ended') return [statusNotification(executionId, finished(job.result))];
    // Also when somebody else is making the call: if this is the same task, it would be forgotten on both sides.
    if (job.state !== 'accepted') await enqueueCall(executionId, Math.max(0, job.dueAt - clock.now()));
    return [];
  }

  /** A job may go on for longer than its document is kept. */
  async function keep(executionId: ExecutionId, job: JobIn<'accepted'>): Promise<void> {
    const now = clock.now();
    if (now - job.storedAt < DAY_MS) return;
    const touch = (known: Job = job): Job => (known.state === 'accepted' ? { ...known, storedAt: now } : known);
    await jobs.update(executionId, touch, { expireAt: expireAt() });
  }

  return {
    async run({ executionId }) {
      await enqueueCall(executionId);
      return { token: executionId, status: running() };
    },

    async handleTaskQueueTask({ executionId, task }) {
      if (executionId === undefined || task === undefined) return [];
      const claim = (job: Job | undefined) => claimCall(job, limits, { executionId, now: clock.now() });
      const claimed = await jobs.update(executionId, claim, { from: 'absent', expireAt: expireAt() });
      if (!claimed.written || claimed.doc.state !== 'calling') return followUp(executionId, claimed.doc);

      const { tries } = claimed.doc;
      const outcome = await service.call(task);
      if (outcome.kind === 'retry')
        services.log.warn('an HTTP call failed', { execution: executionId, tries, reason: outcome.reason });
      const answer = { executionId, tries, outcome, now: clock.now(), random: services.random() };
      const record = (job: Job = claimed.doc) => recordAnswer(job, answer, limits);
      const { doc } = await jobs.update(executionId, record, { from: claimed, expireAt: expireAt() });
      return followUp(executionId, doc);
    },

    async getStatus({ executionId, token }, quest) {
      if (token !== executionId) throw new Error('no call was made under this token');
      const job = (await jobs.read(executionId))?.doc;
      if (job?.state === 'ended') return finished(job.result);
      if (job?.state === 'accepted') {
        await keep(executionId, job);
        const parameters = parametersOf(quest);
        if (parameters.statusUrl === undefined) return running();
        return service.status(parameters.statusUrl, { executionId, token: job.token, parameters });
      }
      // The queue has lost the call, or has not come to it yet.
      if (job === undefined || isDue(job, clock.now())) await enqueueCall(executionId);
      return running();
    },

    async cancel({ executionId }, quest) {
      const cancelled = await jobs.update(executionId, known => cancelCall(known, { executionId, now: clock.now() }), {
        expireAt: expireAt(),
      });
      const job = cancelled.doc;
      if (job.state === 'calling') throw new TransientError('the call is still being made');
      if (job.state !== 'accepted') return;
      const parameters = parametersOf(quest);
      const { statusUrl, cancelUrl } = parameters;
      if (cancelUrl !== undefined) await service.cancel(cancelUrl, { executionId, token: job.token, parameters });
      // Where the service can be asked, it says when the job is gone. Where it cannot, nobody ever will.
      if (statusUrl === undefined) await jobs.update(executionId, endCancelled, { expireAt: expireAt() });
    },

    handleNotification: async ({ data }) => readStatus(data),

    infoUrl: () => undefined,

    validate: quest => void parametersOf(quest),
  };
}
