import { createServer } from 'node:net';
import { onTestFinished } from 'vitest';
import { type Answer, listen, type ReceivedRequest, serve } from '../support/http-server.ts';
import { randomSecret } from './secrets.ts';

/** What is no secret, but nobody's business: it is shown where it belongs, and is in no log and no error. */
export const DATA = { parameters: randomSecret(), result: randomSecret() };

/** What a service answers to a call, by its path. Wherever an answer has room for it, it tells all that it was sent. */
const ANSWERS: Record<string, (echo: string) => Answer> = {
  '/bad-request': echo => ({ status: 400, body: echo }),
  '/forbidden': echo => ({ status: 403, body: echo }),
  '/unavailable': echo => ({ status: 503, headers: { 'retry-after': '1' }, body: echo }),
  '/moved': echo => ({ status: 302, headers: { location: `/elsewhere?${encodeURIComponent(echo)}` } }),
  '/no-json': echo => ({ body: `these are ${echo}` }),
  '/no-token': echo => ({ status: 202, body: echo }),
  '/result': () => ({ body: { result: DATA.result } }),
  '/accepted': () => ({ status: 202, body: { token: 'its-own-token' } }),
  '/status/running': () => ({ body: { state: 'running' } }),
  '/status/forbidden': echo => ({ status: 401, body: echo }),
  '/status/unknown': echo => ({ status: 404, body: echo }),
  '/status/broken': echo => ({ status: 500, body: echo }),
  '/status/no-status': echo => ({ body: echo }),
  '/cancel/gone': echo => ({ status: 404, body: echo }),
  '/cancel/broken': echo => ({ status: 500, body: echo }),
  '/cancel/forbidden': echo => ({ status: 403, body: echo }),
};

interface Ways {
  status?: string;
  cancel?: string;
  meta?: object;
}

/** Calls, what else their quests say, and how they end. Those that would not end are cancelled. */
export const LIVES: readonly (readonly [call: string, ways: Ways, end: string])[] = [
  ['/bad-request', { meta: { retry: { failed: 2 } } }, 'FAILED'],
  ['/forbidden', {}, 'FAILED'],
  ['/unavailable', {}, 'CRASHED'],
  ['/hang-up', {}, 'CRASHED'],
  ['/moved', {}, 'FAILED'],
  ['/no-json', {}, 'RESULT_MALFORMED'],
  ['/no-token', {}, 'RESULT_MALFORMED'],
  ['/result', {}, 'FINISHED'],
  ['/accepted', { status: '/status/unknown' }, 'MISSING'],
  [
    '/accepted',
    { status: '/status/running', cancel: '/cancel/broken', meta: { timeouts: { run: '7200s' } } },
    'TIMED_OUT',
  ],
  ['/accepted', { status: '/status/forbidden', cancel: '/cancel/forbidden' }, 'CANCELLED'],
  ['/accepted', { status: '/status/broken', cancel: '/cancel/gone' }, 'CANCELLED'],
  ['/accepted', { status: '/status/no-status' }, 'CANCELLED'],
];

export interface Service {
  hosts: string[];
  requests: readonly ReceivedRequest[];
  /** A description of the n-th quest. */
  describe(n: number, call: string, ways?: Ways): object;
}

export async function startService(): Promise<Service> {
  const { url, host, requests } = await serve(request => {
    const [path = ''] = request.path.split('?');
    return ANSWERS[path]!(`${request.path} ${JSON.stringify(request.headers)} ${request.body}`);
  });
  const hangingUp = createServer(socket => {
    socket.on('error', () => {});
    socket.once('data', () => socket.destroy());
  });
  const silent = await listen(hangingUp);
  onTestFinished(() => void hangingUp.close());
  return {
    hosts: [host, silent],
    requests,
    describe: (n, call, { status, cancel, meta = {} } = {}) => ({
      distributorConfigName: 'web',
      parameters: { secret: DATA.parameters, n },
      distributorParameters: {
        url: call === '/hang-up' ? `http://${silent}/` : `${url}${call}`,
        ...(status !== undefined && { statusUrl: `${url}${status}?job={token}` }),
        ...(cancel !== undefined && { cancelUrl: `${url}${cancel}?job={token}` }),
      },
      meta: { mode: 'unattended', ...meta },
    }),
  };
}
