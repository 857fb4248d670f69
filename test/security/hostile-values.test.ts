import { describe, expect, test } from 'vitest';
import type { Distributor } from '../../shared/adapters/contract.ts';
import { type Answer, errorOf, SERVED_BY, type ServedBy, setUp } from '../functions/harness.ts';

const TOKEN = 't'.repeat(43);
const DEEP = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;

/** What may stand in parameters or a result and cannot be kept: the value as written, and what is wrong with it. */
const REFUSED: readonly (readonly [what: string, value: string, problem: string])[] = [
  ['100,000 levels', DEEP, 'nested deeper than 100 levels'],
  ['100,000 levels of objects', `${'{"":'.repeat(100_000)}1${'}'.repeat(100_000)}`, 'nested deeper than 100 levels'],
  ['101 levels', `${'['.repeat(100)}${']'.repeat(100)}`, 'nested deeper than 100 levels'],
  ['a number beyond all numbers', '1e400', 'Infinity is not allowed'],
  ['one below all numbers', '-1e400', 'Infinity is not allowed'],
  ['a lone surrogate', String.raw`"\ud800"`, 'Lone surrogate is not allowed'],
  ['a lone surrogate in a key', String.raw`{"a\udfff": 1}`, 'Lone surrogate is not allowed'],
  ['surrogates in the wrong order', String.raw`"\udc00\ud800"`, 'Lone surrogate is not allowed'],
];

/** What looks dangerous and is data like any other: as written, and as it is then shown. */
const KEPT: readonly (readonly [what: string, value: string, shown: string])[] = [
  ['__proto__', '{"__proto__": {"polluted": true}}', '{"__proto__":{"polluted":true}}'],
  ['a constructor', '{"constructor": {"prototype": {}}}', '{"constructor":{"prototype":{}}}'],
  ['toJSON and then', '{"toJSON": 1, "then": 2}', '{"then":2,"toJSON":1}'],
  ['a key twice: the last one counts', '{"a": 1, "a": 2}', '{"a":2}'],
  ['__proto__ twice', '{"__proto__": 1, "__proto__": 2}', '{"__proto__":2}'],
  ['a number of many digits', '12345678901234567890', '12345678901234567000'],
  ['minus zero', '-0', '0'],
  ['a number too small to see', '1e-400', '0'],
  ['words that are no numbers', '["NaN", "Infinity"]', '["NaN","Infinity"]'],
  ['a pair of surrogates', String.raw`"\ud83d\ude00"`, '"😀"'],
  ['a zero character', String.raw`"\u0000"`, String.raw`"\u0000"`],
  ['98 levels below it', `${'['.repeat(98)}${']'.repeat(98)}`, `${'['.repeat(98)}${']'.repeat(98)}`],
];

const ensureBody = (value: string) =>
  `{"quests": [{"desc": {"distributorConfigName": "main", "parameters": {"v": ${value}}}}]}`;
const statusBody = (value: string) => `{"state": "finished", "result": {"data": {"v": ${value}}}}`;

/** An interactive execution whose job has activated. */
async function activated(servedBy: ServedBy, script: Partial<Distributor> = {}) {
  const stack = await setUp(servedBy, { script });
  const job = await stack.launch({}, { meta: { mode: 'interactive' } });
  const { activationToken: token } = job.task.executionAuth;
  await stack.call('job', `POST ${job.execution}:activate`, { token, body: { executionToken: TOKEN } });
  const finish = (value: string) =>
    stack.call('job', `POST ${job.execution}:finish`, { token: TOKEN, body: `{"data": {"v": ${value}}}` });
  return { ...stack, job, finish };
}

const refusal = (field: string, problem: string) =>
  errorOf(400, 'INVALID_ARGUMENT', expect.stringMatching(new RegExp(`^${field}.*${problem}$`)));
const questOf = ({ json }: Answer) => (json as { questIds: string[] }).questIds[0]!;

describe.each(SERVED_BY)('served by %s,', servedBy => {
  test.each(REFUSED)('%s is refused in parameters', async (_, value, problem) => {
    const { call, tasks } = await setUp(servedBy);
    const answer = await call('api', 'POST /v1/graph:ensure', { body: ensureBody(value) });
    expect(answer).toMatchObject(refusal(String.raw`quests\[0\]\.desc\.parameters: `, problem));
    expect(tasks).toEqual([]);
  });

  test.each(REFUSED)('%s is refused as a result, which can still be given', async (_, value, problem) => {
    const { finish } = await activated(servedBy);
    expect(await finish(value)).toMatchObject(refusal('data: ', problem));
    expect(await finish('1')).toMatchObject({ status: 200 });
  });

  test.each(REFUSED)('%s in a report makes the result malformed', async (_, value, problem) => {
    const { launch, push, call } = await setUp(servedBy);
    const { attempt, auth_token } = await launch();
    expect(await push({ data: statusBody(value), attributes: { auth_token } })).toMatchObject({ status: 200 });
    expect(await call('api', `GET ${attempt}`)).toMatchObject({
      json: { result: { abnormalFinish: { status: 'RESULT_MALFORMED', reason: expect.stringContaining(problem) } } },
    });
  });

  test.each(KEPT)('%s is kept in parameters, and reaches the executor as it is shown', async (_, value, shown) => {
    const { call, deliver, launched } = await setUp(servedBy);
    const quest = questOf(await call('api', 'POST /v1/graph:ensure', { body: ensureBody(value) }));
    expect((await call('api', `GET /v1/quests/${quest}`)).text).toContain(`"parameters":{"v":${shown}}`);
    await deliver();
    expect(JSON.stringify(launched[0]!.quest.parameters)).toBe(`{"v":${shown}}`);
    // Equal work has an equal id, however it is written.
    expect(questOf(await call('api', 'POST /v1/graph:ensure', { body: ensureBody(shown) }))).toBe(quest);
  });

  test.each(KEPT)('%s is kept in results', async (_, value, shown) => {
    const { finish, push, call, job } = await activated(servedBy);
    expect(await finish(value)).toMatchObject({ status: 200 });
    await push({ data: statusBody(value), attributes: { auth_token: job.auth_token } });
    const { text } = await call('api', `GET ${job.attempt}`);
    expect(text.split(`"result":{"data":{"v":${shown}}}`)).toHaveLength(3);
  });

  test('a job may finish with a result that is as deep as its executor may report', async () => {
    const { finish, push, call, job } = await activated(servedBy);
    const deepest = `${'['.repeat(99)}${']'.repeat(99)}`;
    expect(await finish(deepest)).toMatchObject({ status: 200 });
    await push({ data: statusBody(deepest), attributes: { auth_token: job.auth_token } });
    expect(await call('api', `GET ${job.attempt}`)).toMatchObject({ json: { state: 'FINISHED' } });
  });

  test.each([
    ['a lone surrogate', String.raw`\ud800`],
    ['a zero character', String.raw`\u0000`],
    ['markup', '<script>'],
  ])('%s in the reason of a cancel does no harm to the attempt', async (_, reason) => {
    const { call, launch } = await setUp(servedBy);
    const { attempt } = await launch();
    expect(await call('api', `POST ${attempt}:cancel`, { body: `{"reason": "${reason}"}` })).toMatchObject({
      status: 200,
    });
    const { status, text } = await call('api', `GET ${attempt}`);
    expect(status).toBe(200);
    expect(text).toContain(`"reason":"${reason}"`);
    expect((await call('api', 'GET /v1/attempts')).status).toBe(200);
  });

  test('hostile attributes of a message reach the adapter as text, or nobody', async () => {
    const seen: object[] = [];
    const { launch, call, messages } = await setUp(servedBy, {
      script: { handleNotification: async ({ attributes }) => void seen.push(attributes) },
    });
    const { auth_token } = await launch();
    const push = (attributes: string) =>
      call('notify', 'POST /', { body: `{"message": {"attributes": ${attributes}}}` });
    await push(`{"auth_token": "${auth_token}", "__proto__": "x", "constructor": "y", "a": "1", "a": "2"}`);
    expect(seen).toEqual([{ constructor: 'y', a: '2' }]);
    for (const attributes of [`{"auth_token": "${auth_token}", "a": {}}`, `["${auth_token}"]`, `"${auth_token}"`]) {
      expect(await push(attributes)).toMatchObject({ status: 200, json: { outcome: 'dropped: malformed' } });
    }
    expect(seen).toHaveLength(1);
    expect(messages).toEqual([]);
  });

  test('hostile status messages are about nothing', async () => {
    const { launch, push, stateOf } = await setUp(servedBy);
    const { attempt, auth_token } = await launch();
    const data = [
      DEEP,
      '{"__proto__": {"state": "finished"}}',
      '{"state": "__proto__"}',
      '{"state": "constructor"}',
      '{"state": ["finished"]}',
      '{"state": NaN}',
      '\0',
    ];
    for (const text of data) {
      expect((await push({ data: text, attributes: { auth_token } })).json).toEqual({ outcome: 'nothing of interest' });
    }
    expect(await stateOf(attempt)).toBe('EXECUTING');
  });
});
