import { describe, expect, test } from 'vitest';
import { errorOf, SERVED_BY, type ServedBy, setUp } from './harness.ts';

const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
const INTERACTIVE = { meta: { mode: 'interactive' } };
const TOKEN = 't'.repeat(43);
const UNKNOWN = 'x'.repeat(43);

/** A job that runs, a quest that it depends on and one that it does not; both are finished. */
async function walking(servedBy: ServedBy) {
  const stack = await setUp(servedBy);
  const { call, launch, push } = stack;
  const finished: Record<string, string> = {};
  for (const name of ['mine', 'theirs']) {
    const { quest, execution_id, auth_token } = await launch({ name });
    const data = JSON.stringify({ state: 'finished', result: { data: { of: name } } });
    await push({ data, attributes: { execution_id, auth_token } });
    finished[name] = quest;
  }
  const { mine, theirs } = finished as { mine: string; theirs: string };
  const { quest: top, execution, task } = await launch({ name: 'top' }, INTERACTIVE);
  const { activationToken } = task.executionAuth;
  await call('job', `POST ${execution}:activate`, { token: activationToken, body: { executionToken: TOKEN } });
  const asked = await call('job', `POST ${execution}:ensureGraphData`, {
    token: TOKEN,
    body: { rawAttempts: { [mine]: [1] } },
  });
  expect(asked).toMatchObject({ status: 200, json: { shouldHalt: false } });
  const walk = (body: object) => call('api', 'POST /v1/graph:walk', { body });
  const walkAsJob = (body: object, token = TOKEN) => call('job', `POST ${execution}:walkGraph`, { token, body });
  return { ...stack, top, mine, theirs, walk, walkAsJob };
}

describe.each(SERVED_BY)('walking, served by %s', servedBy => {
  test('shows a client the graph', async () => {
    const { walk, top, mine } = await walking(servedBy);
    const attempt = { attempt: 1, distributor: 'main', createTime: TIME, updateTime: TIME, numExecutions: 1 };
    const body = { query: { attempts: { [top]: [1, 2] } } };
    expect(await walk(body)).toMatchObject({ status: 200 });
    expect((await walk(body)).json).toEqual({
      graph: {
        quests: {
          [top]: {
            attempts: {
              1: { ...attempt, quest: top, state: 'EXECUTING', dependencies: { [mine]: [1] } },
              2: { doesNotExist: true, dependencies: {} },
            },
          },
          [mine]: {
            attempts: {
              1: { ...attempt, quest: mine, state: 'FINISHED', result: { data: { of: 'mine' } }, dependencies: {} },
            },
          },
        },
      },
    });
  });

  test('shows descriptions, executions and dependents where they are wanted', async () => {
    const { walk, top, mine } = await walking(servedBy);
    const include = { quest: true, attempt: false, executions: 1, dependencies: false };
    const body = { query: { attempts: { [mine]: [1] } }, direction: 'backwards', include, limit: { maxDepth: 0 } };
    expect((await walk(body)).json).toEqual({
      graph: {
        quests: {
          [mine]: {
            desc: { distributorConfigName: 'main', parameters: { name: 'mine' }, distributorParameters: {}, meta: {} },
            attempts: {
              1: {
                executions: [
                  {
                    quest: mine,
                    attempt: 1,
                    execution: 1,
                    state: 'FINISHED',
                    createTime: TIME,
                    updateTime: TIME,
                    distributor: {
                      name: 'main',
                      type: 'scripted',
                      version: expect.any(String),
                      token: `job of ${mine}|1|1`,
                      infoUrl: expect.stringContaining('https://executor.example/'),
                    },
                    result: { data: { of: 'mine' } },
                  },
                ],
                dependents: { [top]: [1] },
              },
            },
          },
        },
      },
    });
  });

  test('says what it leaves out, and where it goes on', async () => {
    const { walk, mine, theirs } = await walking(servedBy);
    const query = { attempts: { [mine]: [1], [theirs]: [1, 10, 9] } };
    const attemptOf = async (more: object) => {
      const { json } = await walk({ query: { attempts: { [mine]: [1] } }, ...more });
      return (json as { graph: { quests: Record<string, { attempts: { 1: object } }> } }).graph.quests[mine]!;
    };
    const withheld = await attemptOf({ limit: { maxDataSize: 1 }, include: { quest: true, executions: 1 } });
    expect(withheld).toMatchObject({
      descWithheld: 'dataSizeLimit',
      attempts: { 1: { resultWithheld: 'dataSizeLimit', executions: [{ resultWithheld: 'dataSizeLimit' }] } },
    });
    expect(JSON.stringify(withheld)).not.toMatch(/"(desc|result|data)"/);
    expect(await attemptOf({ include: { result: false } })).toMatchObject({
      attempts: { 1: { resultWithheld: 'notLoaded' } },
    });

    const first = (await walk({ query, pageSize: 3 })).json as { nextPageToken: string };
    expect(first).toMatchObject({ hadMore: true, nextPageToken: expect.any(String) });
    const last = await walk({ query, pageSize: 3, pageToken: first.nextPageToken });
    expect(last.json).not.toHaveProperty('hadMore');
    expect(last.json).not.toHaveProperty('nextPageToken');
    expect(await walk({ query, pageToken: `${first.nextPageToken}x` })).toMatchObject(
      errorOf(400, 'INVALID_ARGUMENT', 'pageToken: is not one that this walk gave'),
    );
  });

  test('shows a job all states, and results of what it depends on only', async () => {
    const { walkAsJob, top, mine, theirs } = await walking(servedBy);
    const answer = await walkAsJob({ query: { search: { distributor: 'main' } }, include: { executions: 1 } });
    const { quests } = (answer.json as { graph: { quests: Record<string, { attempts: { 1: object } }> } }).graph;
    expect(quests[top]!.attempts[1]).toMatchObject({ state: 'EXECUTING', dependencies: { [mine]: [1] } });
    expect(quests[mine]!.attempts[1]).toMatchObject({
      result: { data: { of: 'mine' } },
      executions: [{ result: { data: { of: 'mine' } }, distributor: { token: `job of ${mine}|1|1` } }],
    });
    const foreign = quests[theirs]!.attempts[1];
    expect(foreign).toMatchObject({
      state: 'FINISHED',
      resultWithheld: 'notAuthorized',
      executions: [{ state: 'FINISHED', resultWithheld: 'notAuthorized', distributor: { name: 'main' } }],
    });
    expect(JSON.stringify(foreign)).not.toMatch(/"(result|token|infoUrl)"/);
    expect(answer.text).not.toContain(TOKEN);
  });

  test('takes the token of the execution that is named, and no other', async () => {
    const { call, walkAsJob, top } = await walking(servedBy);
    const body = { query: { attempts: { [top]: [1] } } };
    expect((await walkAsJob(body)).status).toBe(200);
    const refused = await walkAsJob(body, 'o'.repeat(43));
    expect(refused).toMatchObject(errorOf(401, 'UNAUTHENTICATED', expect.any(String)));
    const unknown = `/v1/quests/${UNKNOWN}/attempts/1/executions/1`;
    const missing = await call('job', `POST ${unknown}:walkGraph`, { token: TOKEN, body });
    expect(missing.text).toBe(refused.text);
    expect(await walkAsJob({ query: {} })).toMatchObject(
      errorOf(400, 'INVALID_ARGUMENT', 'query: needs attempts, ranges or a search'),
    );
  });

  test.each<[string, object]>([
    ['limit.maxDepth: ', { limit: { maxDepth: -2 } }],
    ['query.attempts.short: ', { query: { attempts: { short: [1] } } }],
    ['direction: ', { direction: 'sideways' }],
    ['unknown field "depth"', { depth: 1 }],
  ])('refuses what it cannot use: %s', async (message, more) => {
    const { call } = await setUp(servedBy);
    const body = { query: { attempts: { [UNKNOWN]: [1] } }, ...more };
    expect(await call('api', 'POST /v1/graph:walk', { body })).toMatchObject(
      errorOf(400, 'INVALID_ARGUMENT', expect.stringContaining(message)),
    );
  });
});
