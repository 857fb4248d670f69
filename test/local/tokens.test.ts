import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { send, startTestStack, type TestStack, web } from '../support/stack.ts';

/** Two executions whose service never answers by itself, and the tokens that it was given for them. */
let stack: TestStack;
let service: Server;
let mine: Held;
let other: Held;

interface Held {
  quest: string;
  headers: IncomingHttpHeaders;
}

beforeAll(async () => {
  stack = await startTestStack();
  const calls = new Map<string, IncomingHttpHeaders>();
  const called = Promise.withResolvers<void>();
  service = createServer((request, response) => {
    request.resume();
    calls.set(String(request.headers['idempotency-key']), request.headers);
    response.writeHead(202).end('{"token": "t"}');
    if (calls.size === 2) called.resolve();
  });
  await new Promise<void>(resolve => service.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(service.address() as AddressInfo).port}`;
  const quests = await stack.api.submitAll([web(`${url}/mine`), web(`${url}/other`)]);
  await called.promise;
  const held = quests.map(quest => ({ quest, headers: calls.get(`${quest}|1|1`)! }));
  mine = held[0]!;
  other = held[1]!;
});
afterAll(async () => {
  await stack.close();
  service.close();
});

const FINISHED = JSON.stringify({ state: 'finished', result: { data: { forged: true } } });
const urlOf = ({ quest }: Held) => `${stack.urls.job}/v1/quests/${quest}/attempts/1/executions/1`;
const tokenOf = ({ headers }: Held) => String(headers['x-auth-token']);
const push = (message: unknown) => JSON.stringify({ message });
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

function notify(held: Held, body: string) {
  return send(`${urlOf(held)}:notify`, { method: 'POST', headers: bearer(tokenOf(held)), body });
}

async function expectUnchanged(): Promise<void> {
  for (const { quest } of [mine, other]) {
    expect(await stack.api.get(quest)).toMatchObject({ state: 'EXECUTING', executions: [{ state: 'RUNNING' }] });
  }
  const log = stack.log.join('');
  for (const held of [mine, other]) expect(log).not.toContain(tokenOf(held));
}

describe('the job function refuses', () => {
  const cases: readonly (readonly [string, string, () => Record<string, string>])[] = [
    [':notify without a token', 'notify', () => ({})],
    [':notify with another scheme', 'notify', () => ({ authorization: `Basic ${tokenOf(mine)}` })],
    [':notify with nonsense', 'notify', () => bearer('nonsense')],
    [':notify with the token of another execution', 'notify', () => bearer(tokenOf(other))],
    [':notify with a token that was altered', 'notify', () => bearer(`${tokenOf(mine).slice(0, -2)}xx`)],
    [':activate with a token for notifications', 'activate', () => bearer(tokenOf(mine))],
    [':activate with nonsense', 'activate', () => bearer('nonsense')],
    [':finish with a token for notifications', 'finish', () => bearer(tokenOf(mine))],
    [':finish without a token', 'finish', () => ({})],
  ];
  const bodies: Record<string, string> = {
    notify: FINISHED,
    activate: JSON.stringify({ executionToken: 'x'.repeat(43) }),
    finish: '{"data": {"forged": true}}',
  };
  test.each(cases)('%s', async (_, verb, headers) => {
    const answer = await send(`${urlOf(mine)}:${verb}`, { method: 'POST', headers: headers(), body: bodies[verb]! });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    expect(answer.body.error.message).not.toBe('');
    await expectUnchanged();
  });

  test(':notify with more than 320 KiB or malformed JSON', async () => {
    expect((await notify(mine, FINISHED.padEnd(320 * 1024 + 1))).status).toBe(413);
    expect((await notify(mine, '{"state":')).status).toBe(400);
    await expectUnchanged();
  });
});

describe('a push to the notify function is acknowledged and changes nothing when', () => {
  const data = Buffer.from(FINISHED).toString('base64');
  const of = (held: Held, token: string) =>
    push({ data, attributes: { execution_id: `${held.quest}|1|1`, auth_token: token } });
  const cases: readonly (readonly [string, () => string, string])[] = [
    ['it is not JSON', () => 'x', 'malformed'],
    ['it is a list', () => '[]', 'malformed'],
    ['it has no message', () => '{}', 'malformed'],
    ['its data is not base64', () => push({ data: '***' }), 'malformed'],
    ['its attributes are not text', () => push({ data, attributes: { auth_token: 5 } }), 'malformed'],
    ['it has no token', () => push({ data, attributes: { execution_id: `${mine.quest}|1|1` } }), 'forged'],
    ['its token is nonsense', () => of(mine, 'a.b'), 'forged'],
    ['its token is of another execution', () => of(mine, tokenOf(other)), 'forged'],
    ['its token was altered', () => of(mine, `${tokenOf(mine).slice(0, -2)}xx`), 'forged'],
    ['its token is signed by nobody', () => of(mine, `${tokenOf(mine).split('.')[0]}.`), 'forged'],
  ];
  test.each(cases)('%s', async (_, body, reason) => {
    const answer = await send<{ outcome: string }>(`${stack.urls.notify}/`, { method: 'POST', body: body() });
    expect(answer).toEqual({ status: 200, body: { outcome: `dropped: ${reason}` } });
    expect(stack.log.join('')).toContain('a notification was dropped');
    await expectUnchanged();
  });

  test('its data is no status: then the service is asked, and what was running goes on', async () => {
    const body = push({ data: Buffer.from('hello').toString('base64'), attributes: { auth_token: tokenOf(mine) } });
    expect((await send(`${stack.urls.notify}/`, { method: 'POST', body })).status).toBe(200);
    await expectUnchanged();
  });
});

test('the right token ends its execution and no other; a repeat is accepted and changes nothing', async () => {
  const tell = (data: object) => notify(mine, JSON.stringify({ state: 'finished', result: { data } }));
  expect((await tell({ first: true })).status).toBe(202);
  expect(await stack.api.wait(mine.quest)).toMatchObject({ state: 'FINISHED', result: { data: { first: true } } });
  expect((await tell({ second: true })).status).toBeLessThan(500);
  expect((await stack.api.get(mine.quest)).result).toEqual({ data: { first: true } });
  expect(await stack.api.get(other.quest)).toMatchObject({ state: 'EXECUTING' });
});
