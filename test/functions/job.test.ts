import { describe, expect, test } from 'vitest';
import { errorOf, SERVED_BY, type ServedBy, setUp } from './harness.ts';

const INTERACTIVE = { meta: { mode: 'interactive' } };
const MINE = 'm'.repeat(43);
const OTHER = 'o'.repeat(43);
const RESULT = { data: { answer: 42 }, expiration: '2030-01-01T00:00:00Z' };
const FINISHED = JSON.stringify({ state: 'finished', result: { data: { kept: 1 } } });

const unauthenticated = (message: unknown = expect.any(String)) => errorOf(401, 'UNAUTHENTICATED', message);

async function activated(servedBy: ServedBy) {
  const stack = await setUp(servedBy);
  const job = await stack.launch({}, INTERACTIVE);
  const { activationToken } = job.task.executionAuth;
  const target = `POST ${job.execution}:activate`;
  const activate = (token: string, executionToken: string) =>
    stack.call('job', target, { token, body: { executionToken } });
  const finish = (token: string, body: object = RESULT) =>
    stack.call('job', `POST ${job.execution}:finish`, { token, body });
  expect(await activate(activationToken, MINE)).toMatchObject({ status: 200, json: {} });
  return { ...stack, job, activate, activationToken, finish };
}

describe.each(SERVED_BY)('job, served by %s', servedBy => {
  test('a job activates, finishes its attempt, and is over when its executor says so', async () => {
    const { job, finish, push, call, stateOf } = await activated(servedBy);
    expect(await call('api', `GET ${job.execution}`)).toMatchObject({ json: { state: 'RUNNING' } });
    expect(await finish(MINE)).toMatchObject({ status: 200, json: {} });
    expect(await call('api', `GET ${job.execution}`)).toMatchObject({ json: { state: 'STOPPING' } });
    const { execution_id, auth_token } = job;
    await push({ data: FINISHED, attributes: { execution_id, auth_token } });
    expect(await stateOf(job.attempt)).toBe('FINISHED');
    expect(await call('api', `GET ${job.attempt}`)).toMatchObject({
      json: { result: RESULT, executions: [{ state: 'FINISHED', result: { data: { kept: 1 } } }] },
    });
  });

  test('exactly one caller activates; a repeat by the winner succeeds', async () => {
    const { activate, activationToken } = await activated(servedBy);
    expect((await activate(activationToken, MINE)).status).toBe(200);
    expect((await activate(activationToken, OTHER)).status).toBeGreaterThanOrEqual(400);
  });

  test('the call that halted an execution gets the same answer again, any other is refused', async () => {
    const { finish } = await activated(servedBy);
    expect((await finish(MINE)).status).toBe(200);
    expect((await finish(MINE)).status).toBe(200);
    expect((await finish(MINE, { data: { answer: 43 } })).status).toBe(401);
    expect((await finish(OTHER)).status).toBe(401);
  });

  test('nobody finishes without the execution token', async () => {
    const { finish, call, job, activationToken } = await activated(servedBy);
    for (const token of [OTHER, activationToken, job.auth_token, MINE.slice(1)]) {
      expect(await finish(token), token).toMatchObject(unauthenticated());
    }
    expect(await call('job', `POST ${job.execution}:finish`, { body: RESULT })).toMatchObject(
      unauthenticated('the header "Authorization: Bearer <token>" is missing'),
    );
    expect(await call('api', `GET ${job.execution}`)).toMatchObject({ json: { state: 'RUNNING' } });
  });

  test('a token is worth nothing for another execution', async () => {
    const { launch, call } = await setUp(servedBy);
    const [mine, other] = [await launch({ n: 1 }, INTERACTIVE), await launch({ n: 2 }, INTERACTIVE)];
    const { activationToken } = mine.task.executionAuth;
    expect(
      await call('job', `POST ${other.execution}:activate`, { token: activationToken, body: { executionToken: MINE } }),
    ).toMatchObject(unauthenticated());
    await call('job', `POST ${mine.execution}:activate`, { token: activationToken, body: { executionToken: MINE } });
    expect(await call('job', `POST ${other.execution}:finish`, { token: MINE, body: RESULT })).toMatchObject(
      unauthenticated(),
    );
    expect(await call('job', `POST ${other.execution}:notify`, { token: mine.auth_token, body: {} })).toMatchObject(
      unauthenticated(),
    );
  });

  test.each([
    ['activate', { executionToken: MINE }],
    ['finish', RESULT],
  ])('%s says of an unknown execution what it says of a wrong token', async (verb, body) => {
    const { launch, call } = await setUp(servedBy);
    const { execution } = await launch({}, INTERACTIVE);
    const unknown = `/v1/quests/${'x'.repeat(43)}/attempts/1/executions/1`;
    const [wrong, missing] = [
      await call('job', `POST ${execution}:${verb}`, { token: OTHER, body }),
      await call('job', `POST ${unknown}:${verb}`, { token: OTHER, body }),
    ];
    expect(wrong).toMatchObject(unauthenticated());
    expect(missing.text).toBe(wrong.text);
  });

  test.each<[verb: string, message: string, body: object]>([
    ['activate', 'executionToken: must be at least 32 random bytes', { executionToken: 'short' }],
    ['activate', 'executionToken: must be at least 32 random bytes', { executionToken: ' '.repeat(43) }],
    ['activate', 'executionToken: ', {}],
    ['activate', 'unknown field "more"', { executionToken: MINE, more: 1 }],
    ['finish', 'data: must be a JSON object', {}],
    ['finish', 'data: must be a JSON object', { data: [] }],
    ['finish', 'data: is 262152 bytes', { data: { a: 'x'.repeat(256 * 1024) } }],
    ['finish', 'expiration: ', { data: {}, expiration: 'tomorrow' }],
    ['finish', 'unknown field "state"', { data: {}, state: 'x' }],
  ])('%s refuses what it cannot use: %s', async (verb, message, body) => {
    const { launch, call } = await setUp(servedBy);
    const { execution, task } = await launch({}, INTERACTIVE);
    const { activationToken } = task.executionAuth;
    expect(await call('job', `POST ${execution}:${verb}`, { token: activationToken, body })).toMatchObject(
      errorOf(400, 'INVALID_ARGUMENT', expect.stringContaining(message)),
    );
  });

  test('a notification is published as it came, signed by its bearer', async () => {
    const { launch, call, messages } = await setUp(servedBy);
    const { execution, execution_id, auth_token } = await launch();
    const body = '{"any":  ["JSON", 1]}';
    expect(await call('job', `POST ${execution}:notify`, { token: auth_token, body })).toMatchObject({
      status: 202,
      json: {},
    });
    expect(messages).toEqual([{ data: body, attributes: { execution_id, auth_token } }]);
  });

  test('a notification may have 320 KiB and no more', async () => {
    const { launch, call, messages } = await setUp(servedBy);
    const { execution, auth_token: token } = await launch();
    const target = `POST ${execution}:notify`;
    const size = 320 * 1024;
    expect((await call('job', target, { token, body: '{}'.padEnd(size) })).status).toBe(202);
    const tooLarge = errorOf(413, 'PAYLOAD_TOO_LARGE', `body: larger than ${size} bytes`);
    expect(await call('job', target, { token, body: '{}'.padEnd(size + 1) })).toMatchObject(tooLarge);
    expect(await call('job', target, { token, body: '{}'.padEnd(size + 1), chunked: true })).toMatchObject(tooLarge);
    expect(messages).toHaveLength(1);
  });

  test('nothing is published for who cannot prove a right', async () => {
    const { launch, call, messages } = await setUp(servedBy);
    const { execution, auth_token, task } = await launch();
    const [content, signature] = auth_token.split('.') as [string, string];
    const forged = `${content}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
    const claims = JSON.parse(Buffer.from(content, 'base64url').toString()) as unknown[];
    const altered = `${Buffer.from(JSON.stringify([...claims, 1])).toString('base64url')}.${signature}`;
    for (const token of [undefined, 'x', content, forged, altered, task.executionAuth.activationToken]) {
      const options = token === undefined ? { body: {} } : { body: {}, token };
      expect(await call('job', `POST ${execution}:notify`, options), token).toMatchObject(unauthenticated());
    }
    expect(messages).toEqual([]);
  });

  test('no token is ever logged', async () => {
    const { launch, call, log } = await setUp(servedBy);
    const { execution, auth_token, task } = await launch({}, INTERACTIVE);
    const { activationToken } = task.executionAuth;
    await call('job', `POST ${execution}:activate`, { token: activationToken, body: { executionToken: MINE } });
    await call('job', `POST ${execution}:finish`, { token: OTHER, body: RESULT });
    await call('job', `POST ${execution}:notify`, { token: `${auth_token}x`, body: {} });
    const lines = JSON.stringify(log.lines);
    for (const secret of [activationToken, auth_token, MINE, OTHER]) expect(lines).not.toContain(secret);
  });
});
