import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ExecutionId, isExecutionId, parseExecutionId } from '../shared/core/ids.ts';
import { abnormal, type TaskResult } from '../shared/core/result.ts';
import { insist } from './http.ts';
import { createRecord, type Job, type JobRecord, WORK, type WorkName } from './work.ts';

/** How a job's call is answered, and how its end is told. */
export type Manner = 'now' | 'unavailableFirst' | 'callback' | 'callbackThrice' | 'poll';

export interface Executor {
  url: string;
  /** By execution. */
  jobs: ReadonlyMap<ExecutionId, JobRecord>;
  /** Notifications that were refused, by execution. */
  refusals: { id: string; why: string }[];
  close(): void;
}

interface Reply {
  status: number;
  body: object;
}

interface RunningJob {
  record: JobRecord;
  calls: number;
  ended: Promise<TaskResult>;
  cancel(): void;
}

const TELLINGS: Readonly<Record<Manner, number>> = {
  now: 0,
  unavailableFirst: 0,
  callback: 1,
  callbackThrice: 3,
  poll: 0,
};

/**
 * A service that does jobs as `POST /{manner}/{work}` says. It is idempotent by execution, as the distributor asks of it:
 * however often it is called for one, it works once.
 */
export async function startExecutor(): Promise<Executor> {
  const running = new Map<ExecutionId, RunningJob>();
  const jobs = new Map<ExecutionId, JobRecord>();
  const refusals: Executor['refusals'] = [];
  const closing = new AbortController();

  function begin(id: ExecutionId, name: WorkName, { headers }: IncomingMessage, workMs: number): RunningJob {
    const record = createRecord();
    record.starts += 1;
    jobs.set(id, record);
    const cancel = new AbortController();
    const job: Job = {
      id,
      execution: parseExecutionId(id).execution,
      workMs,
      record,
      activationToken: headerOf(headers, 'x-activation-token'),
      cancelled: cancel.signal,
      async call(verb, bearer, body) {
        const url = `${headerOf(headers, 'x-execution-url')}:${verb}`;
        return (await insist(url, { method: 'POST', bearer, body }, closing.signal)).status;
      },
    };
    const ended = WORK[name](job)
      .catch(() => abnormal('CANCELLED', 'cancelled on request'))
      .then((end: TaskResult) => (record.end = end));
    return { record, calls: 0, ended, cancel: () => cancel.abort() };
  }

  async function tell(id: ExecutionId, job: RunningJob, { headers }: IncomingMessage, times: number): Promise<void> {
    const call = {
      method: 'POST',
      bearer: headerOf(headers, 'x-auth-token'),
      body: { state: 'finished', result: await job.ended },
    } as const;
    const url = headerOf(headers, 'x-notify-url');
    await Promise.all(
      Array.from({ length: times }, async () => {
        const { status, body } = await insist(url, call, closing.signal);
        if (status !== 202) refusals.push({ id, why: `:notify was answered with ${status} ${JSON.stringify(body)}` });
      }),
    );
  }

  async function start(request: IncomingMessage, id: ExecutionId): Promise<Reply> {
    const [, manner, name] = (request.url ?? '').split('/') as ['', Manner, WorkName];
    const { workMs, answerMs } = (await json(request)) as { workMs: number; answerMs: number };
    let job = running.get(id);
    if (job === undefined) {
      job = begin(id, name, request, workMs);
      running.set(id, job);
      // Rejects when the executor closes.
      tell(id, job, request, TELLINGS[manner]).catch(() => undefined);
    }
    job.calls += 1;
    if (manner === 'unavailableFirst' && job.calls === 1) return { status: 503, body: {} };
    if (manner === 'now' || manner === 'unavailableFirst') return replyOf(await job.ended);
    await sleep(answerMs);
    return { status: 202, body: { token: `job of ${id}` } };
  }

  async function answer(request: IncomingMessage): Promise<Reply> {
    const id = headerOf(request.headers, 'idempotency-key');
    if (!isExecutionId(id)) return { status: 400, body: { message: 'the header Idempotency-Key names no execution' } };
    if (request.url !== '/status' && request.url !== '/cancel') return start(request, id);
    const job = running.get(id);
    if (job === undefined) return { status: 404, body: { message: 'there is no such job' } };
    if (request.url === '/cancel') job.cancel();
    const { end } = job.record;
    return { status: 200, body: end === undefined ? { state: 'running' } : { state: 'finished', result: end } };
  }

  const server = createServer({ keepAliveTimeout: 60_000 }, (request: IncomingMessage, response: ServerResponse) => {
    // Whoever asked may have been killed meanwhile.
    void answer(request)
      .catch((error: unknown): Reply => ({ status: 500, body: { message: String(error) } }))
      .then(({ status, body }) => response.writeHead(status, JSON_TYPE).end(JSON.stringify(body)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    jobs,
    refusals,
    close() {
      closing.abort();
      for (const job of running.values()) job.cancel();
      server.close();
      server.closeAllConnections();
    },
  };
}

const JSON_TYPE = { 'content-type': 'application/json' };

function replyOf(end: TaskResult): Reply {
  return 'data' in end ? { status: 200, body: end.data } : { status: 400, body: end.abnormalFinish };
}

function headerOf(headers: IncomingMessage['headers'], name: string): string {
  return String(headers[name] ?? '');
}
