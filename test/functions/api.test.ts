import { describe, expect, test } from 'vitest';
import type { Distributor } from '../../shared/adapters/contract.ts';
import { InvalidArgument, TransientError } from '../../shared/core/errors.ts';
import { errorOf, SERVED_BY, setUp } from './harness.ts';

const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
const UNKNOWN = 'x'.repeat(43);
const FINISHED = JSON.stringify({ state: 'finished', result: { data: { answer: 42 } } });

const cancelled = (reason: string) => ({
  status: 200,
  json: { state: 'ABNORMAL_FINISHED', result: { abnormalFinish: { status: 'CANCELLED', reason } } },
});
const cancelOf = (quest: string) => `POST /v1/quests/${quest}/attempts/1:cancel`;

const requestOf = (desc: object, more: object = {}) => ({
  quests: [{ desc: { distributorConfigName: 'main', ...desc }, ...more }],
});

describe.each(SERVED_BY)('api, served by %s', servedBy => {
  test('ensuring answers ids and the graph, and the same again for the same quest', async () => {
    const { call, tasks } = await setUp(servedBy);
    const body = {
      quests: [
        { desc: { distributorConfigName: 'main', parameters: { a: 1 } }, attempts: [1, 2] },
        { desc: { distributorConfigName: 'nickname' } },
      ],
    };
    const first = await call('api', 'POST /v1/graph:ensure', { body });
    const [one, two] = (first.json as { questIds: [string, string] }).questIds;
    const attempt = { state: 'SCHEDULING', createTime: TIME, updateTime: TIME };
    expect(first).toMatchObject({ status: 200, headers: { 'content-type': 'application/json' } });
    expect(first.json).toEqual({
      questIds: [one, two],
      accepted: true,
      graph: {
        quests: {
          [one]: {
            attempts: {
              1: { ...attempt, quest: one, attempt: 1, distributor: 'main' },
              2: { ...attempt, quest: one, attempt: 2, distributor: 'main' },
            },
          },
          [two]: { attempts: { 1: { ...attempt, quest: two, attempt: 1, distributor: 'nickname' } } },
        },
      },
    });
    expect((await call('api', 'POST /v1/graph:ensure', { body })).json).toEqual(first.json);
    expect(tasks.map(({ path }) => path)).toEqual(['run', 'run', 'run']);
  });

  test('a known quest can be asked for by its id', async () => {
    const { call, ensure } = await setUp(servedBy);
    const quest = await ensure();
    const { json } = await call('api', 'POST /v1/graph:ensure', { body: { rawAttempts: { [quest]: [3] } } });
    expect(json).toMatchObject({ questIds: [], graph: { quests: { [quest]: { attempts: { 3: { attempt: 3 } } } } } });
  });

  test('quest, attempt and execution are shown, with the address of the job and nothing secret', async () => {
    const { call, launch } = await setUp(servedBy);
    const { quest, attempt, execution, task } = await launch({ a: 1 }, { meta: { retry: { failed: 0 } } });
    const desc = { distributorConfigName: 'main', parameters: { a: 1 }, distributorParameters: {}, meta: {} };
    expect((await call('api', `GET /v1/quests/${quest}`)).json).toEqual({ id: quest, desc, createTime: TIME });
    const token = `job of ${quest}|1|1`;
    const shown = {
      quest,
      attempt: 1,
      execution: 1,
      state: 'RUNNING',
      createTime: TIME,
      updateTime: TIME,
      distributor: {
        name: 'main',
        type: 'scripted',
        version: expect.any(String),
        token,
        infoUrl: `https://executor.example/${encodeURIComponent(token)}`,
      },
    };
    expect((await call('api', `GET ${execution}`)).json).toEqual(shown);
    const { json, text } = await call('api', `GET ${attempt}`);
    expect(json).toEqual({
      quest,
      attempt: 1,
      state: 'EXECUTING',
      distributor: 'main',
      createTime: TIME,
      updateTime: TIME,
      executions: [shown],
    });
    expect(text).not.toContain(task.executionAuth.activationToken);
  });

  test('waiting answers when the attempt ends', async () => {
    const { call, launch, push } = await setUp(servedBy);
    const { attempt, execution_id, auth_token } = await launch();
    const waiting = call('api', `GET ${attempt}:wait?timeout=30s`);
    await push({ data: FINISHED, attributes: { execution_id, auth_token } });
    expect(await waiting).toMatchObject({
      status: 200,
      json: { state: 'FINISHED', result: { data: { answer: 42 } }, executions: [{ state: 'FINISHED' }] },
    });
  });

  test('waiting answers at the time-out with what there is', async () => {
    const { call, ensure } = await setUp(servedBy);
    const quest = await ensure();
    expect(await call('api', `GET /v1/quests/${quest}/attempts/1:wait?timeout=0.01s`)).toMatchObject({
      status: 200,
      json: { state: 'SCHEDULING', executions: [] },
    });
  });

  test('a cancelled attempt says who wanted it so, and stays cancelled', async () => {
    const { call, ensure } = await setUp(servedBy);
    const [one, two] = [await ensure({ n: 1 }), await ensure({ n: 2 })];
    expect(await call('api', cancelOf(one), { body: { reason: 'obsolete' } })).toMatchObject(cancelled('obsolete'));
    expect(await call('api', cancelOf(one), { body: { reason: 'again' } })).toMatchObject(cancelled('obsolete'));
    expect(await call('api', cancelOf(two))).toMatchObject(cancelled('cancelled by a client'));
  });

  test('attempts are listed by state and distributor, page by page', async () => {
    const { call, ensure, deliver } = await setUp(servedBy);
    const quests = [];
    for (let n = 0; n < 5; n++) quests.push(await ensure({ n }));
    await ensure({}, { distributorConfigName: 'nickname' });
    await deliver();
    const seen: string[] = [];
    let pageToken = '';
    do {
      const { json } = await call(
        'api',
        `GET /v1/attempts?distributor=main&pageSize=2&pageToken=${pageToken}`.replace(/&pageToken=$/, ''),
      );
      const page = json as { attempts: { quest: string }[]; nextPageToken?: string };
      seen.push(...page.attempts.map(({ quest }) => quest));
      pageToken = page.nextPageToken ?? '';
    } while (pageToken !== '');
    expect(seen).toEqual(quests.toSorted());
    expect(await call('api', 'GET /v1/attempts?state=EXECUTING')).toMatchObject({
      json: { attempts: [{ quest: quests[0], state: 'EXECUTING' }] },
    });
  });

  test('distributors are listed with what their aliases mean', async () => {
    const { call } = await setUp(servedBy);
    const main = { type: 'scripted', version: expect.any(String), modes: ['unattended', 'interactive'] };
    expect((await call('api', 'GET /v1/distributors')).json).toEqual({
      distributors: [
        { name: 'main', ...main },
        { name: 'nickname', ...main, aliasOf: 'main' },
      ],
    });
  });

  test.each([
    ['GET /v1/quests/short', 'quest: must be a quest id'],
    [`GET /v1/quests/${UNKNOWN}/attempts/0`, 'attempt: must be a whole number'],
    [`GET /v1/quests/${UNKNOWN}/attempts/-1`, 'attempt: must be a whole number'],
    [`GET /v1/quests/${UNKNOWN}/attempts/1e3`, 'attempt: must be a whole number'],
    [`GET /v1/quests/${UNKNOWN}/attempts/1/executions/99999999999`, 'execution: must be a whole number'],
    [`GET /v1/quests/${UNKNOWN}/attempts/1:wait?timeout=soon`, 'timeout: '],
    [`GET /v1/quests/${UNKNOWN}/attempts/1:wait?timeout=-1s`, 'timeout: '],
    ['GET /v1/attempts?state=DONE', 'state: '],
    ['GET /v1/attempts?pageSize=0', 'pageSize: '],
    ['GET /v1/attempts?pageSize=101', 'pageSize: '],
    ['GET /v1/attempts?pageToken=abc', 'pageToken: is not one that this list gave'],
    ['GET /v1/attempts?colour=red', 'unknown field "colour"'],
  ])('%s is refused: %s', async (target, message) => {
    const { call } = await setUp(servedBy);
    expect(await call('api', target)).toMatchObject(errorOf(400, 'INVALID_ARGUMENT', expect.stringContaining(message)));
  });

  test.each<[string, unknown, string]>([
    ['an array', [], 'body: must be a JSON object'],
    ['an unknown field', { quest: [] }, 'unknown field "quest"'],
    ['no quests', {}, 'quests: at least one'],
    [
      'an unknown distributor',
      requestOf({ distributorConfigName: 'nobody' }),
      'quests[0].desc.distributorConfigName: unknown distributor "nobody"',
    ],
    [
      'parameters that are no object',
      requestOf({ parameters: [1] }),
      'quests[0].desc.parameters: must be a JSON object',
    ],
    [
      'parameters over 256 KiB',
      requestOf({ parameters: { a: 'x'.repeat(256 * 1024) } }),
      'quests[0].desc.parameters: is 262152 bytes',
    ],
    ['a negative duration', requestOf({ meta: { timeouts: { run: '-5s' } } }), 'quests[0].desc.meta.timeouts.run: '],
    [
      'a duration without a unit',
      requestOf({ meta: { timeouts: { start: '90' } } }),
      'quests[0].desc.meta.timeouts.start: ',
    ],
    ['an unlimited stop', requestOf({ meta: { timeouts: { stop: '0s' } } }), 'quests[0].desc.meta.timeouts.stop: '],
    ['an unknown mode', requestOf({ meta: { mode: 'fast' } }), 'quests[0].desc.meta.mode: '],
    ['attempt 0', requestOf({}, { attempts: [0] }), 'quests[0].attempts[0]: '],
    ['no attempts', requestOf({}, { attempts: [] }), 'quests[0].attempts: '],
    [
      '10,001 attempts',
      requestOf({}, { attempts: Array.from({ length: 10_001 }, (_, i) => i + 1) }),
      'quests: 10001 attempts',
    ],
    ['a raw attempt of no quest id', { rawAttempts: { nonsense: [1] } }, 'rawAttempts.nonsense: '],
  ])('ensuring %s is refused, and nothing is stored', async (_, body, message) => {
    const { call, tasks } = await setUp(servedBy);
    expect(await call('api', 'POST /v1/graph:ensure', { body })).toMatchObject(
      errorOf(400, 'INVALID_ARGUMENT', expect.stringContaining(message)),
    );
    expect((await call('api', 'GET /v1/attempts')).json).toEqual({ attempts: [] });
    expect(tasks).toEqual([]);
  });

  test('one bad quest keeps all others from being stored', async () => {
    const { call } = await setUp(servedBy);
    const quests = [{ desc: { distributorConfigName: 'main' } }, { desc: { distributorConfigName: 'nobody' } }];
    const { json } = await call('api', 'POST /v1/graph:ensure', { body: { quests } });
    expect(json).toMatchObject({ error: { details: [{ field: 'quests[1].desc.distributorConfigName' }] } });
    expect((await call('api', 'GET /v1/attempts')).json).toEqual({ attempts: [] });
  });

  test.each([
    `GET /v1/quests/${UNKNOWN}`,
    `GET /v1/quests/${UNKNOWN}/attempts/1`,
    `GET /v1/quests/${UNKNOWN}/attempts/1/executions/1`,
    `GET /v1/quests/${UNKNOWN}/attempts/1:wait`,
    `POST /v1/quests/${UNKNOWN}/attempts/1:cancel`,
  ])('%s is not found', async target => {
    const { call } = await setUp(servedBy);
    expect(await call('api', target)).toMatchObject(errorOf(404, 'NOT_FOUND', expect.stringContaining(UNKNOWN)));
  });

  test('a path that is no URL encoding is refused', async () => {
    const { call } = await setUp(servedBy);
    const answer = await call('api', 'GET /v1/quests/%E0%A4%A');
    expect(answer.status).toBe(400);
    // The framework's router looks at the path first and answers in its own way.
    if (servedBy === 'functions-framework') return;
    expect(answer).toMatchObject(errorOf(400, 'INVALID_ARGUMENT', 'path: is not a valid URL encoding'));
  });

  test('an adapter that refuses the parameters names the field', async () => {
    const script: Partial<Distributor> = {
      validate() {
        throw new InvalidArgument('parameters.colour', 'must be a colour');
      },
    };
    const { call } = await setUp(servedBy, { script });
    expect(await call('api', 'POST /v1/graph:ensure', { body: requestOf({}) })).toMatchObject(
      errorOf(400, 'INVALID_ARGUMENT', 'quests[0].desc.parameters.colour: must be a colour'),
    );
  });

  test('an outage asks to try again, and a bug shows nothing of itself', async () => {
    const { call, outage, log } = await setUp(servedBy);
    outage.error = new TransientError('connection to 10.0.0.1 lost');
    expect(await call('api', `GET /v1/quests/${UNKNOWN}`)).toMatchObject(errorOf(503, 'UNAVAILABLE', 'try again'));
    outage.error = new Error('the password is wrong');
    expect(await call('api', `GET /v1/quests/${UNKNOWN}`)).toMatchObject(errorOf(500, 'INTERNAL', 'internal error'));
    expect(log.lines.at(-1)).toMatchObject({ severity: 'error', fields: { error: 'the password is wrong' } });
  });
});
