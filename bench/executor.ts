import type { IncomingMessage } from 'node:http';
import type { Caller } from './caller.ts';
import { listenForJobs } from './listen.ts';

const MAX_WORK_MS = 20;
const FINISHED = { state: 'finished', result: { data: { answer: 42 } } };

/** A service that accepts each call, works for up to `maxWorkMs` and answers by a notification. */
export async function startExecutor(caller: Caller, maxWorkMs = MAX_WORK_MS) {
  let working = 0;
  let mostAtOnce = 0;

  async function work(headers: IncomingMessage['headers']): Promise<void> {
    mostAtOnce = Math.max(mostAtOnce, ++working);
    await new Promise(resolve => setTimeout(resolve, Math.random() * maxWorkMs));
    working--;
    const authorization = `Bearer ${String(headers['x-auth-token'])}`;
    await caller.call('POST', String(headers['x-notify-url']), FINISHED, { authorization });
  }
  const server = await listenForJobs((request, response) => {
    request.resume();
    request.once('end', () => {
      const answer = JSON.stringify({ token: String(request.headers['idempotency-key']) });
      response.writeHead(202, { 'content-type': 'application/json', 'content-length': answer.length }).end(answer);
      void work(request.headers);
    });
  });
  return { ...server, mostAtOnce: () => mostAtOnce };
}
