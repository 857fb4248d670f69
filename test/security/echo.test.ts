import { describe, expect, test } from 'vitest';
import { httpType } from '../../shared/adapters/http/index.ts';
import { type Answer, type ReceivedRequest, serve } from '../support/http-server.ts';
import { KEYRING } from '../support/engine.ts';
import { createRig } from './rig.ts';
import { expectSecrecy, randomSecret, secretsIn, type Secrets, WRITINGS } from './secrets.ts';

/**
 * Services tell what they were sent: in errors, for debugging, or because that is what they are for. Whoever may submit a
 * quest must not learn a distributor's secrets from one that does.
 */
type Tell = (echo: string) => Answer;

const TO_THE_CALL: Record<string, Tell> = {
  'a refusal': echo => ({ status: 400, body: echo }),
  'a refusal that has much else to say': echo => ({ status: 403, body: `${' \n'.repeat(1000)}denied: ${echo}` }),
  'a result': echo => ({ body: `{"you sent": "${echo}"}` }),
  'a key of a result': echo => ({ body: `{"${echo}": 1}` }),
};
const TO_A_POLL: Record<string, Tell> = {
  'the result of a status': echo => ({
    body: `{"state": "finished", "result": {"data": {"you sent": "${echo}"}}}`,
  }),
  'the reason of a status': echo => ({
    body: `{"state": "finished", "result": {"abnormalFinish": {"status": "FAILED", "reason": "no ${echo}"}}}`,
  }),
};
const WAYS_TO_WRITE = Object.entries(WRITINGS).map(([name, write]) => ({ name, write }));
/** What would not be JSON is no result, and is not shown. */
const IN_JSON = WAYS_TO_WRITE.filter(({ name }) => name !== 'as it is');

/** Has a service tell one of the secrets that it was sent, and looks at all that is shown of the quest then. */
async function expectUntold(tell: Tell, toPoll: boolean, write: (text: string) => string): Promise<void> {
  const environment: Record<string, string> = { 'env:KEY': `Bearer ${randomSecret()}`, 'env:PASSWORD': randomSecret() };
  const told = ({ headers }: ReceivedRequest) =>
    Object.values(headers).filter(value => Object.values(environment).includes(value ?? '')) as string[];
  const service = await serve(request => {
    if (request.method === 'GET' || !toPoll) return tell(write(told(request).join(' and ')));
    return { status: 202, body: { token: 'any' } };
  });
  const rig = await createRig({
    types: [httpType],
    keyring: KEYRING,
    secret: reference => environment[reference]!,
    distributors: {
      web: {
        type: 'http',
        config: {
          allowedHosts: [service.host],
          headers: { authorization: 'env:KEY', 'x-password': 'env:PASSWORD' },
          pollInterval: '60s',
        },
      },
    },
  });
  const distributorParameters = { url: service.url, ...(toPoll && { statusUrl: service.url }) };
  const quest = await rig.submit({ distributorConfigName: 'web', distributorParameters });
  await rig.settle();
  await rig.elapse(60_000);

  const secrets: Secrets = {
    key: environment['env:KEY']!.slice('Bearer '.length),
    password: environment['env:PASSWORD']!,
  };
  expect(secretsIn(service.requests, secrets)).toEqual(['key', 'password']);
  const { body } = await rig.call('api', `GET /v1/quests/${quest}/attempts/1`);
  expect(body).toMatchObject({ result: expect.any(Object) });
  expectSecrecy([body, ...rig.log.lines], secrets);
}

describe.each(Object.entries(TO_THE_CALL))('in %s, a secret is not shown that was told', (what, tell) => {
  test.each(what.includes('refusal') ? WAYS_TO_WRITE : IN_JSON)('$name', ({ write }) =>
    expectUntold(tell, false, write),
  );
});

describe.each(Object.entries(TO_A_POLL))('in %s, a secret is not shown that was told', (_, tell) => {
  test.each(IN_JSON)('$name', ({ write }) => expectUntold(tell, true, write));
});
