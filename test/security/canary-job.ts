import type { ExecutionId } from '../../shared/core/ids.ts';
import type { ReceivedRequest } from '../support/http-server.ts';
import { DATA } from './canary-service.ts';
import { executionPath, type Rig } from './rig.ts';

/** The job of an interactive execution, which was handed its tokens in the headers of a call. */
export interface Job {
  id: ExecutionId;
  headers: ReceivedRequest['headers'];
  /** Of its own choice. */
  executionToken: string;
}

const RESULT = { result: DATA.result };

/** Activates, reports and finishes. */
export async function takePart({ call, settle }: Rig, { id, headers, executionToken }: Job): Promise<void> {
  const to = (verb: string) => `POST ${executionPath(id)}:${verb}`;
  const notify = async (body: object) => {
    await call('job', to('notify'), { token: headers['x-auth-token'], body });
    await settle();
  };
  await call('job', to('activate'), { token: headers['x-activation-token'], body: { executionToken } });
  await notify({ state: 'running' });
  for (let i = 0; i < 2; i++) await call('job', to('finish'), { token: executionToken, body: { data: RESULT } });
  await notify({ state: 'finished', result: { data: RESULT } });
}

/** Has everything and does everything wrong: every body and every token where it does not belong. */
export async function blunder({ call }: Rig, { id, headers, executionToken }: Job): Promise<void> {
  const to = (verb: string) => `POST ${executionPath(id)}:${verb}`;
  const { 'x-auth-token': auth = '', 'x-activation-token': activation = '' } = headers;
  const bodies = [
    { executionToken: `${executionToken} ` },
    { data: DATA.result },
    { data: RESULT, expiration: DATA.result },
    { data: { ...RESULT, bad: '\ud800' } },
    { data: { ...RESULT, long: 'x'.repeat(300 * 1024) } },
    `{"data": "${executionToken}`,
  ];
  for (const body of bodies) {
    for (const token of [auth, activation, executionToken, `${activation}x`, `x${auth}`])
      for (const verb of ['activate', 'finish']) await call('job', to(verb), { token, body });
    const data = Buffer.from(JSON.stringify(body)).toString('base64');
    for (const token of [activation, executionToken, `x${auth}`]) {
      await call('job', to('notify'), { token, body });
      const attributes = { execution_id: id, auth_token: token };
      await call('notify', 'POST /', { body: { message: { data, attributes } } });
    }
    for (const path of ['wake', 'distributor/web']) await call('tasks', `POST /${path}`, { body });
  }
  await call('job', to('notify'), { token: auth, body: { state: 'finished', result: DATA.result } });
  await call('job', to('finish'), { headers: { authorization: `Basic ${executionToken}` }, body: {} });
}

/** Descriptions that are refused, each with something in it that is nobody's business. */
export async function submitBadly({ call }: Rig, good: object): Promise<void> {
  const secret = DATA.parameters;
  const sim = { distributorConfigName: 'sim' };
  const descs = [
    { ...good, parameters: secret },
    { ...good, parameters: [secret] },
    { ...good, parameters: { secret, bad: '\ud800' } },
    { ...good, parameters: { secret, long: 'x'.repeat(300 * 1024) } },
    { ...good, distributorParameters: { url: 'https://elsewhere.example/' } },
    { ...good, distributorParameters: {} },
    { ...good, meta: { mode: 'none' } },
    { ...good, distributorConfigName: 'nobody' },
    { ...sim, parameters: { stages: secret } },
    { ...sim, parameters: { stages: [{ stall: { delay: secret } }] } },
    { ...sim, parameters: { stages: [{ failure: { chance: secret } }] } },
    { ...sim, parameters: { stages: [], seed: secret } },
  ];
  for (const desc of descs) await call('api', 'POST /v1/graph:ensure', { body: { quests: [{ desc }] } });
  await call('api', 'POST /v1/graph:ensure', { body: `{"quests": [{"desc": {"parameters": "${secret}` });
}
