import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { startTimeOf } from '../../shared/adapters/exec/identity.ts';
import { serve } from '../support/http-server.ts';
import { send, shell, sim, startTestStack, temporaryFolder, type TestStack, web } from '../support/stack.ts';

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
});
afterAll(() => stack.close());

test('a command gets the parameters on stdin and its JSON output is the result', async () => {
  const quest = await stack.api.submit(shell('cat', { parameters: { greet: 'wörld' } }));
  const attempt = await stack.api.wait(quest);
  expect(attempt).toMatchObject({ quest, attempt: 1, state: 'FINISHED', result: { data: { greet: 'wörld' } } });
  const [execution] = attempt.executions;
  expect(execution).toMatchObject({ execution: 1, state: 'FINISHED', distributor: { name: 'shell', type: 'exec' } });
  expect(readFileSync(new URL(execution!.distributor.infoUrl!), 'utf8')).toContain('wörld');
});

test('the same quest is not run twice, in whatever order its keys come', async () => {
  const folder = temporaryFolder();
  const script = 'echo ran >> runs; echo "{}"';
  const quest = await stack.api.submit(shell(script, { cwd: folder, parameters: { a: 1, b: 2 } }));
  await stack.api.wait(quest);
  expect(await stack.api.submit(shell(script, { cwd: folder, parameters: { b: 2, a: 1 } }))).toBe(quest);
  await stack.api.wait(quest);
  expect(readFileSync(join(folder, 'runs'), 'utf8')).toBe('ran\n');
  await stack.api.submit(shell(script, { cwd: folder, parameters: { a: 1, b: 2 } }), [1, 2]);
  await stack.api.wait(quest, 2);
  expect(readFileSync(join(folder, 'runs'), 'utf8')).toBe('ran\nran\n');
});

test('an attempt can be asked for by the id of a known quest', async () => {
  const quest = await stack.api.submit(shell('echo "{\\"n\\": $ATTEMPT}"'));
  const body = JSON.stringify({ rawAttempts: { [quest]: [3] } });
  const { status } = await send(`${stack.urls.api}/v1/graph:ensure`, { method: 'POST', body });
  expect(status).toBe(200);
  expect(await stack.api.wait(quest, 3)).toMatchObject({ result: { data: { n: 3 } } });
});

test('a quest, an attempt and an execution can be read back', async () => {
  const quest = await stack.api.submit(shell('echo text', { parameters: { read: 'back' } }));
  await stack.api.wait(quest);
  const url = `${stack.urls.api}/v1/quests/${quest}`;
  expect((await send<{ desc: object }>(url)).body.desc).toMatchObject({
    distributorConfigName: 'shell',
    parameters: { read: 'back' },
  });
  expect(await stack.api.get(quest)).toMatchObject({ result: { data: { stdoutTail: 'text\n' } } });
  expect((await send(`${url}/attempts/1/executions/1`)).body).toMatchObject({ quest, execution: 1, state: 'FINISHED' });
});

test('waiting answers at its time-out with the attempt as it is, and at once when it ends', async () => {
  const folder = temporaryFolder();
  const quest = await stack.api.submit(shell('until [ -e go ]; do sleep 0.05; done', { cwd: folder }));
  const url = `${stack.urls.api}/v1/quests/${quest}/attempts/1:wait?timeout=0.1s`;
  expect(await send(url)).toMatchObject({ status: 200, body: { quest } });
  const over = stack.api.wait(quest);
  await stack.api.wait(await stack.api.submit(shell(`touch '${folder}/go'`)));
  expect(await over).toMatchObject({ state: 'FINISHED' });
});

test('failures are retried within their budget and then stand', async () => {
  const meta = { retry: { failed: 2 }, backoff: { initial: '0.05s' } };
  const flaky = await stack.api.submit(shell('[ "$EXECUTION" = 3 ] || { echo no >&2; exit 4; }', { meta }));
  const hopeless = await stack.api.submit(shell('echo "run $EXECUTION" >&2; exit 5', { meta }));
  const attempt = await stack.api.wait(flaky);
  expect(attempt.state).toBe('FINISHED');
  expect(attempt.executions.map(({ state }) => state)).toEqual(['ABNORMAL_FINISHED', 'ABNORMAL_FINISHED', 'FINISHED']);
  expect((await stack.api.wait(hopeless)).result).toEqual({
    abnormalFinish: { status: 'FAILED', reason: expect.stringContaining('exit status 5: run 3') },
  });
});

test('a command that overruns its time is TIMED_OUT and gone with all that it started', async () => {
  const folder = temporaryFolder();
  const script = 'sleep 600 & echo "$$ $!" > pids; wait';
  const quest = await stack.api.submit(shell(script, { cwd: folder, meta: { timeouts: { run: '0.5s' } } }));
  expect(await stack.api.wait(quest)).toMatchObject({ result: { abnormalFinish: { status: 'TIMED_OUT' } } });
  await expectGone(join(folder, 'pids'));
});

test('a cancelled command is CANCELLED and gone, even if it ignores TERM', async () => {
  const folder = temporaryFolder();
  const script = `trap '' TERM; sleep 600 & echo "$$ $!" > pids; while :; do wait; sleep 1; done`;
  const quest = await stack.api.submit(shell(script, { cwd: folder }));
  await vi.waitFor(() => expect(existsSync(join(folder, 'pids'))).toBe(true), { timeout: 10_000 });
  const url = `${stack.urls.api}/v1/quests/${quest}/attempts/1:cancel`;
  expect((await send(url, { method: 'POST', body: '{"reason": "not needed"}' })).status).toBe(200);
  expect((await stack.api.wait(quest)).result).toEqual({
    abnormalFinish: { status: 'CANCELLED', reason: 'not needed' },
  });
  await expectGone(join(folder, 'pids'));
  expect((await send(url, { method: 'POST', body: '{}' })).status).toBe(200);
  expect((await stack.api.get(quest)).result).toMatchObject({ abnormalFinish: { reason: 'not needed' } });
});

async function expectGone(pidsFile: string): Promise<void> {
  const pids = readFileSync(pidsFile, 'utf8').trim().split(' ').map(Number);
  expect(pids).toHaveLength(2);
  await vi.waitFor(async () => expect(await Promise.all(pids.map(startTimeOf))).toEqual([undefined, undefined]), {
    timeout: 10_000,
  });
}

test('the answer of a service is the result; its refusal is FAILED', async () => {
  const service = await serve(({ path, body }) =>
    path === '/good' ? { body: { echo: JSON.parse(body) as object } } : { status: 422, body: 'no such thing' },
  );
  const good = await stack.api.submit(web(`${service.url}/good`, { n: 1 }));
  const bad = await stack.api.submit(web(`${service.url}/bad`, { n: 1 }));
  expect(await stack.api.wait(good)).toMatchObject({ result: { data: { echo: { n: 1 } } } });
  expect(await stack.api.wait(bad)).toMatchObject({
    result: { abnormalFinish: { status: 'FAILED', reason: expect.stringContaining('422: no such thing') } },
  });
  expect(service.requests.map(({ headers }) => headers['idempotency-key'])).toEqual(
    expect.arrayContaining([`${good}|1|1`, `${bad}|1|1`]),
  );
});

test('a service may answer by a notification, even before it has accepted', async () => {
  const service = await serve(async ({ path, headers }) => {
    const tell = () =>
      send(headers['x-notify-url']!, {
        method: 'POST',
        headers: { authorization: `Bearer ${headers['x-auth-token']}` },
        body: JSON.stringify({ state: 'finished', result: { data: { path } } }),
      });
    if (path === '/early') expect((await tell()).status).toBe(202);
    else setImmediate(() => void tell());
    return { status: 202, body: { token: 'mine' } };
  });
  const quests = await stack.api.submitAll([web(`${service.url}/early`), web(`${service.url}/late`)]);
  const attempts = await Promise.all(quests.map(quest => stack.api.wait(quest)));
  expect(attempts.map(({ result }) => result)).toEqual([{ data: { path: '/early' } }, { data: { path: '/late' } }]);
});

test('a simulated job activates, stalls, finishes and leaves its state', async () => {
  const stages = [{ stall: { delay: '0.2s' } }, { failure: { chance: 0 } }];
  const good = await stack.api.submit(sim({ stages, returnStage: { retval: 5 } }));
  const bad = await stack.api.submit(sim({ stages: [{ failure: { chance: 1 } }] }));
  expect(await stack.api.wait(good)).toMatchObject({
    state: 'FINISHED',
    result: { data: { success: true, value: '5' } },
  });
  expect(await stack.api.wait(bad)).toMatchObject({ state: 'FINISHED', result: { data: { success: false } } });
});

/** A job that calls back, and also tries what it may not. The statuses that it got are what it leaves. */
const INTERACTIVE = `
  const { EXECUTION_URL, ACTIVATION_TOKEN } = process.env;
  const statuses = [];
  const call = async (verb, token, body) => {
    const headers = { 'content-type': 'application/json', authorization: 'Bearer ' + token };
    const { status } = await fetch(EXECUTION_URL + ':' + verb, { method: 'POST', headers, body: JSON.stringify(body) });
    statuses.push(verb + ' ' + status);
  };
  const mine = 'm'.repeat(43);
  await call('finish', mine, { data: { early: true } });
  await call('activate', 'x' + ACTIVATION_TOKEN, { executionToken: mine });
  await call('activate', ACTIVATION_TOKEN, { executionToken: mine });
  await call('activate', ACTIVATION_TOKEN, { executionToken: mine });
  await call('activate', ACTIVATION_TOKEN, { executionToken: 'o'.repeat(43) });
  await call('finish', 'o'.repeat(43), { data: { forged: true } });
  await call('finish', mine, { data: 'text' });
  await call('finish', mine, { data: { good: true } });
  await call('finish', mine, { data: { good: true } });
  await call('finish', mine, { data: { other: true } });
  console.log(JSON.stringify({ statuses }));
`;

test('an interactive command activates and finishes by its own tokens, and nobody else does', async () => {
  const quest = await stack.api.submit({
    distributorConfigName: 'shell',
    distributorParameters: { command: ['node', '--input-type=module', '-e', INTERACTIVE] },
    meta: { mode: 'interactive' },
  });
  const { state, result, executions } = await stack.api.wait(quest);
  expect({ state, result }).toEqual({ state: 'FINISHED', result: { data: { good: true } } });
  expect(executions[0]!.result).toEqual({
    data: {
      statuses: [
        'finish 401',
        'activate 401',
        'activate 200',
        'activate 200',
        'activate 409',
        'finish 401',
        'finish 400',
        'finish 200',
        'finish 200',
        'finish 401',
      ],
    },
  });
});

test('an alias runs what it stands for', async () => {
  const quest = await stack.api.submit({ ...shell('echo "{}"'), distributorConfigName: 'default' });
  expect((await stack.api.wait(quest)).executions[0]).toMatchObject({ distributor: { name: 'shell', type: 'exec' } });
});

test('the distributors are listed with type, version and modes, and no config', async () => {
  const { body } = await send<{ distributors: object[] }>(`${stack.urls.api}/v1/distributors`);
  expect(body.distributors).toHaveLength(4);
  expect(body.distributors).toContainEqual({
    name: 'default',
    aliasOf: 'shell',
    type: 'exec',
    version: expect.any(String),
    modes: expect.arrayContaining(['unattended']),
  });
});

test('attempts are listed by state and distributor, page by page, each once', async () => {
  const quest = await stack.api.submit(shell('exit 9', { parameters: { listed: true } }), [1, 2, 3, 4, 5, 6, 7]);
  await Promise.all([1, 2, 3, 4, 5, 6, 7].map(attempt => stack.api.wait(quest, attempt)));
  const seen: string[] = [];
  let token: string | undefined = '';
  while (token !== undefined) {
    const query = `state=ABNORMAL_FINISHED&distributor=shell&pageSize=3${token && `&pageToken=${token}`}`;
    const page = await stack.api.list(query);
    expect(page.attempts.length).toBeLessThanOrEqual(3);
    for (const attempt of page.attempts) {
      expect(attempt.state).toBe('ABNORMAL_FINISHED');
      seen.push(`${attempt.quest}|${attempt.attempt}`);
    }
    token = page.nextPageToken;
  }
  expect(new Set(seen).size).toBe(seen.length);
  expect(seen.filter(id => id.startsWith(quest)).toSorted()).toEqual([1, 2, 3, 4, 5, 6, 7].map(n => `${quest}|${n}`));
  expect((await stack.api.list('distributor=nobody')).attempts).toEqual([]);
});
