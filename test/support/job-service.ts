import type { JsonObject } from '../../shared/core/json.ts';
import { insist } from './e2e.ts';
import { type Answer, type ReceivedRequest, serve } from './http-server.ts';
import { send } from './stack.ts';

/** One job of the service: all calls with the same idempotency key are about it. */
export interface ServiceJob {
  key: string;
  path: string;
  calls: ReceivedRequest[];
  cancels: number;
  /** Whether the distributor has accepted its notification. */
  told: boolean;
  /** Absent while it runs. */
  result?: JsonObject;
}

export interface JobService {
  url: string;
  jobs: ReadonlyMap<string, ServiceJob>;
  /** The jobs of a quest's attempt, by their keys. */
  jobsOf(quest: string): ServiceJob[];
  statusUrl: string;
  cancelUrl: string;
}

const SLOW_MS = 700;

/**
 * A service whose jobs know their idempotency key, as the distributor asks of it. Its paths are ways to do a job; each
 * job's result are its parameters. It ends with the test.
 */
export async function startJobService(): Promise<JobService> {
  const jobs = new Map<string, ServiceJob>();

  function jobOf(request: ReceivedRequest): ServiceJob {
    const key = String(request.headers['idempotency-key']);
    const job = jobs.get(key) ?? { key, path: request.path, calls: [], cancels: 0, told: false };
    jobs.set(key, job);
    return job;
  }

  const complete = (job: ServiceJob): JsonObject => (job.result ??= JSON.parse(job.calls[0]!.body) as JsonObject);
  const executionOf = ({ key }: ServiceJob) => Number(key.split('|')[2]);
  const accepted = ({ key }: ServiceJob): Answer => ({ status: 202, body: { token: `token of ${key}` } });
  const failed: Answer = { status: 400, body: 'this job fails' };

  /** As the README asks of a service: repeated until it is answered with 202. */
  async function notify(job: ServiceJob, { headers }: ReceivedRequest): Promise<void> {
    const body = JSON.stringify({ state: 'finished', result: { data: complete(job) } });
    const authorization = `Bearer ${headers['x-auth-token']}`;
    await insist(async () => {
      const answer = await send(headers['x-notify-url']!, { method: 'POST', headers: { authorization }, body });
      if (answer.status !== 202) throw new Error(`:notify was answered with ${answer.status}`);
    });
    job.told = true;
  }

  const WAYS: Record<string, (job: ServiceJob, request: ReceivedRequest) => Answer | Promise<Answer>> = {
    '/now': job => ({ body: complete(job) }),
    '/slow': async job => {
      await new Promise(resolve => setTimeout(resolve, SLOW_MS));
      return { body: complete(job) };
    },
    '/unavailable-once': job => (job.calls.length === 1 ? { status: 503 } : { body: complete(job) }),
    '/third-time': job => (executionOf(job) < 3 ? failed : { body: complete(job) }),
    '/never': () => failed,
    '/notified': (job, request) => {
      if (job.calls.length === 1) setTimeout(() => void notify(job, request).catch(() => {}), SLOW_MS);
      return accepted(job);
    },
    '/asked': job => {
      setTimeout(() => complete(job), SLOW_MS);
      return accepted(job);
    },
    '/endless': accepted,
  };

  const { url } = await serve(async request => {
    const job = jobOf(request);
    if (request.path === '/cancel') {
      job.cancels += 1;
      return {};
    }
    if (request.path === '/status')
      return { body: job.result ? { state: 'finished', result: { data: job.result } } : { state: 'running' } };
    job.calls.push(request);
    return WAYS[request.path]!(job, request);
  });
  return {
    url,
    jobs,
    jobsOf: quest => [...jobs.values()].filter(({ key }) => key.startsWith(`${quest}|`)),
    statusUrl: `${url}/status`,
    cancelUrl: `${url}/cancel`,
  };
}
