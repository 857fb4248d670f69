import { randomBytes } from 'node:crypto';
import { ADAPTER_TYPES } from '../../shared/adapters/types.ts';
import { executionId, type ExecutionId, isExecutionId, type QuestId } from '../../shared/core/ids.ts';
import { activationToken, authToken } from '../../shared/core/tokens.ts';
import { blunder, submitBadly, takePart } from './canary-job.ts';
import { LIVES, startService } from './canary-service.ts';
import { createRig, executionPath, type Rig } from './rig.ts';
import { randomSecret } from './secrets.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** A stack with secrets everywhere lives through all that may happen. Resolves with all that was shown meanwhile. */
export async function liveThrough() {
  const signingKey = randomBytes(32);
  const keyring = { current: 'k1', keys: { k1: signingKey } };
  const [apiKey, password] = [randomSecret(), randomSecret()];
  const executionToken = randomBytes(32).toString('base64url');
  const environment: Record<string, string> = { 'env:API_KEY': `Bearer ${apiKey}`, 'env:PASSWORD': password };

  const service = await startService();
  const headers = { authorization: 'env:API_KEY', 'x-password': 'env:PASSWORD' };
  const recorded = await createRig({
    types: ADAPTER_TYPES,
    keyring,
    secret: reference => environment[reference]!,
    distributors: {
      web: { type: 'http', config: { allowedHosts: service.hosts, headers, maxTries: 2 } },
      sim: { type: 'jobsim', config: { pool: 'canary' } },
    },
  });
  const answers: { to: unknown; status: number; body: unknown }[] = [];
  const rig: Rig = {
    ...recorded,
    async call(...args) {
      const answer = await recorded.call(...args);
      answers.push({ to: args.slice(0, 2), ...answer });
      return answer;
    },
  };

  const quests: string[] = [];
  for (const [n, [call, ways]] of LIVES.entries()) quests.push(await rig.submit(service.describe(n, call, ways)));
  const ways = { status: '/status/running', cancel: '/cancel/gone', meta: { mode: 'interactive' } };
  const interactive = (await rig.submit(service.describe(-1, '/accepted', ways), [1, 2])) as QuestId;
  await rig.settle();

  const jobOf = (id: ExecutionId) => {
    const request = service.requests.find(({ headers: sent }) => sent['idempotency-key'] === id)!;
    return { id, headers: request.headers, executionToken };
  };
  await takePart(rig, jobOf(executionId(interactive, 1, 1)));
  await blunder(rig, jobOf(executionId(interactive, 2, 1)));
  await submitBadly(rig, service.describe(-2, '/result'));

  const cancel = (quest: string, attempt: number) =>
    rig.call('api', `POST /v1/quests/${quest}/attempts/${attempt}:cancel`, { body: { reason: 'enough' } });
  for (let i = 0; i < 5; i++) await rig.elapse(MINUTE_MS);
  for (let i = 0; i < 4; i++) await rig.elapse(HOUR_MS);
  for (const [n, quest] of quests.entries()) if (LIVES[n]![2] === 'CANCELLED') await cancel(quest, 1);
  await cancel(interactive, 2);
  for (let i = 0; i < 4; i++) await rig.elapse(HOUR_MS);

  const tokens: Record<string, string> = {};
  const executions = Object.keys(rig.stored()).filter(isExecutionId);
  for (const id of executions) {
    const { auth, distributor } = (await rig.execution(id))!;
    tokens[`activation token of ${id}`] = activationToken(keyring, id, auth);
    tokens[`auth token of ${id}`] = authToken(keyring, { execution: id, distributor: distributor.name }, auth);
  }
  return {
    secrets: { 'signing key': signingKey, 'API key': apiKey, password, 'execution token': executionToken, ...tokens },
    /** In the order of LIVES. */
    ends: await Promise.all(quests.map(quest => endOf(rig, quest))),
    interactiveEnd: await endOf(rig, interactive),
    requests: service.requests,
    answers,
    shown: await showAll(rig, executions),
    log: rig.log.lines,
    stored: Object.entries(rig.stored()).map(([id, body]): unknown => ({ id, doc: JSON.parse(body) })),
  };
}

async function endOf({ call }: Rig, quest: string): Promise<string> {
  const { body } = await call('api', `GET /v1/quests/${quest}/attempts/1`);
  const { state, result } = body as { state: string; result?: { abnormalFinish?: { status: string } } };
  return result?.abnormalFinish?.status ?? state;
}

/** Every GET of the api. */
async function showAll({ call }: Rig, executions: readonly ExecutionId[]): Promise<unknown[]> {
  const attempts = new Set(executions.map(id => executionPath(id).replace(/\/executions\/\d+$/, '')));
  const quests = new Set([...attempts].map(path => path.replace(/\/attempts\/\d+$/, '')));
  const paths = [
    ...executions.map(executionPath),
    ...attempts,
    ...[...attempts].map(path => `${path}:wait?timeout=0s`),
    ...quests,
    ...['/v1/attempts', '/v1/attempts?distributor=web&pageSize=2', '/v1/distributors'],
  ];
  return Promise.all(paths.map(async path => ({ path, ...(await call('api', `GET ${path}`)) })));
}
