import type { IncomingHttpHeaders } from 'node:http';
import type { Caller } from './caller.ts';
import { listenForJobs } from './listen.ts';

/** A job of a graph: what it is called, and what it needs. */
export interface GraphJob {
  name: string;
  dependencies: readonly object[];
}

export interface Begun {
  name: string;
  /** Of this execution of the job. */
  startedAt: number;
}

/**
 * A service whose calls are interactive jobs: each activates, asks for what it needs, and answers its state if it has to
 * wait, or else finishes. `describe` knows a job by its parameters.
 */
export async function startGraphJobs(
  caller: Caller,
  describe: (parameters: Record<string, number>) => GraphJob,
  observe: { begun(job: Begun): void; ended(name: string): void },
) {
  async function work(headers: IncomingHttpHeaders, parameters: Record<string, number>): Promise<object> {
    const startedAt = performance.now();
    const { name, dependencies } = describe(parameters);
    observe.begun({ name, startedAt });
    const url = String(headers['x-execution-url']);
    // The same for the same execution: a call may be made twice.
    const executionToken = Buffer.from(url).toString('base64url').slice(-60);
    const activation = { authorization: `Bearer ${String(headers['x-activation-token'])}` };
    const { previousState } = (await caller.call('POST', `${url}:activate`, { executionToken }, activation)) as {
      previousState?: object;
    };
    const authorization = `Bearer ${executionToken}`;
    // One that has waited knows that all it needs is there.
    if (dependencies.length > 0 && previousState === undefined) {
      const request = { quests: dependencies.map(desc => ({ desc })), include: { attempt: { result: false } } };
      const answer = await caller.call('POST', `${url}:ensureGraphData`, request, { authorization });
      if ((answer as { shouldHalt: boolean }).shouldHalt) return { waited: true };
    }
    await caller.call('POST', `${url}:finish`, { data: { name } }, { authorization });
    observe.ended(name);
    return { done: true };
  }

  return listenForJobs((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.once('end', () => {
      void (async () => {
        const parameters = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, number>;
        const answer = JSON.stringify(await work(request.headers, parameters));
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length }).end(answer);
      })();
    });
  });
}
