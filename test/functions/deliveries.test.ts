import { describe, expect, test } from 'vitest';
import type { Distributor } from '../../shared/adapters/contract.ts';
import { TransientError } from '../../shared/core/errors.ts';
import type { ExecutionId } from '../../shared/core/ids.ts';
import type { TaskStatus } from '../../shared/core/result.ts';
import { errorOf, SERVED_BY, setUp } from './harness.ts';

const FINISHED = JSON.stringify({ state: 'finished', result: { data: { answer: 42 } } });
const MALFORMED = { status: 200, json: { outcome: 'dropped: malformed' } };
const MALFORMED_BODIES = ['', 'not JSON', '[]', '{}', 'null', '"text"', '{"message": null}', '{"id": 1}'];
const QUEST = 'q'.repeat(43);

describe.each(SERVED_BY)('notify, served by %s', servedBy => {
  test('a push ends the execution that it is about, once', async () => {
    const { launch, push, stateOf } = await setUp(servedBy);
    const { attempt, execution_id, auth_token } = await launch();
    const message = { data: FINISHED, attributes: { execution_id, auth_token } };
    expect(await push(message)).toMatchObject({ status: 200, json: { outcome: 'finished' } });
    expect(await push(message)).toMatchObject({ status: 200, json: { outcome: 'ended already' } });
    expect(await stateOf(attempt)).toBe('FINISHED');
  });

  test('the key may also be called pubsub_key, and need not be accompanied by the id', async () => {
    const { launch, push, stateOf } = await setUp(servedBy);
    const { attempt, auth_token } = await launch();
    await push({ data: FINISHED, attributes: { pubsub_key: auth_token } });
    expect(await stateOf(attempt)).toBe('FINISHED');
  });

  test('the adapter sees the other attributes, never the key', async () => {
    const seen: object[] = [];
    const script: Partial<Distributor> = {
      async handleNotification(notification) {
        seen.push(notification);
        return undefined;
      },
    };
    const { launch, push } = await setUp(servedBy, { script });
    const { execution_id, auth_token } = await launch();
    await push({ data: 'any', attributes: { execution_id, auth_token, colour: 'red' } });
    expect(seen).toEqual([{ executionId: execution_id, data: 'any', attributes: { colour: 'red' } }]);
  });

  test.each(MALFORMED_BODIES)('a malformed push is acknowledged and logged: %j', async body => {
    const { call, log } = await setUp(servedBy);
    expect(await call('notify', 'POST /', { body })).toMatchObject(MALFORMED);
    expect(log.lines).toMatchObject([{ severity: 'warn', fields: { reason: 'malformed' } }]);
  });

  test('a push with attributes and no data is acknowledged', async () => {
    const { launch, push, stateOf } = await setUp(servedBy);
    const { attempt, execution_id, auth_token } = await launch();
    expect(await push({ attributes: { execution_id, auth_token } })).toMatchObject({
      status: 200,
      json: { outcome: 'nothing of interest' },
    });
    expect(await stateOf(attempt)).toBe('EXECUTING');
  });

  test('a forged push is acknowledged, counted and logged, and changes nothing', async () => {
    const { launch, push, stateOf, log } = await setUp(servedBy);
    const { attempt, execution_id, auth_token } = await launch({ n: 1 });
    const other = await launch({ n: 2 });
    const forgeries = [
      undefined,
      { execution_id },
      { execution_id, auth_token: 'x.y' },
      { execution_id, auth_token: `${auth_token}x` },
      { execution_id, auth_token: other.auth_token },
    ];
    for (const attributes of forgeries) {
      const answer = await push({ data: FINISHED, ...(attributes && { attributes }) });
      expect(answer).toMatchObject({ status: 200, json: { outcome: 'dropped: forged' } });
    }
    expect(await stateOf(attempt)).toBe('EXECUTING');
    expect(log.lines.map(({ fields }) => fields.count)).toEqual([1, 2, 3, 4, 5]);
    expect(JSON.stringify(log.lines)).not.toContain(auth_token);
  });

  test('what may succeed later is not acknowledged', async () => {
    const { launch, push, outage } = await setUp(servedBy, {
      script: { handleNotification: () => Promise.reject(new TransientError('the executor is away')) },
    });
    const { execution_id, auth_token } = await launch();
    const message = { data: FINISHED, attributes: { execution_id, auth_token } };
    expect(await push(message)).toMatchObject(errorOf(503, 'UNAVAILABLE', 'try again'));
    outage.error = new TransientError('the store is away');
    expect(await push(message)).toMatchObject(errorOf(503, 'UNAVAILABLE', 'try again'));
  });
});

describe.each(SERVED_BY)('notify for the own topic of a distributor, served by %s', servedBy => {
  const OWN = '/distributors/main';
  /** A service that says which of our jobs it means. */
  const script: Partial<Distributor> = {
    executionOf: ({ attributes }) => attributes.job as ExecutionId,
    getStatus: async () => JSON.parse(FINISHED) as TaskStatus,
  };

  test('a push has the executor asked, which ends the execution', async () => {
    const { launch, push, deliver, stateOf, tasks } = await setUp(servedBy, { script });
    const { attempt, execution_id } = await launch();
    const message = { data: '{"forged": true}', attributes: { job: execution_id } };
    for (const outcome of ['asks the executor', 'a poll is near'])
      expect(await push(message, OWN)).toMatchObject({ status: 200, json: { outcome } });
    expect(await stateOf(attempt)).toBe('EXECUTING');
    expect(tasks).toMatchObject([{ path: 'poll' }]);
    await deliver();
    expect(await push(message, OWN)).toMatchObject({ status: 200, json: { outcome: 'ended already' } });
    expect(await stateOf(attempt)).toBe('FINISHED');
  });

  test.each([
    ['/distributors/main', 'nothing of interest'],
    ['/distributors/m%61in', 'nothing of interest'],
    ['/distributors/nickname', 'nothing of interest'],
    ['/distributors/unheard-of', 'dropped: unknown distributor'],
    ['/distributors/%2E%2E', 'dropped: unknown distributor'],
  ])('what is about none of our jobs is acknowledged at %s', async (path, outcome) => {
    const { push } = await setUp(servedBy, { script });
    for (const attributes of [undefined, {}, { job: 'another' }])
      expect(await push({ data: 'any', ...(attributes && { attributes }) }, path)).toMatchObject({
        status: 200,
        json: { outcome },
      });
  });

  test.each(MALFORMED_BODIES)('a malformed push is acknowledged and logged: %j', async body => {
    const { call, log } = await setUp(servedBy, { script });
    expect(await call('notify', `POST ${OWN}`, { body })).toMatchObject(MALFORMED);
    expect(log.lines).toMatchObject([{ severity: 'warn', fields: { reason: 'malformed' } }]);
  });

  test.each(['/distributors', '/distributors/', '/distributors/main/more', '/distributors/main:verb'])(
    'nothing is at %s',
    async path => {
      const { push } = await setUp(servedBy, { script });
      expect((await push({ data: 'any' }, path)).status).toBe(404);
    },
  );

  test('what may succeed later is not acknowledged', async () => {
    const { launch, push, outage } = await setUp(servedBy, { script });
    const { execution_id } = await launch();
    outage.error = new TransientError('the store is away');
    expect(await push({ attributes: { job: execution_id } }, OWN)).toMatchObject(
      errorOf(503, 'UNAVAILABLE', 'try again'),
    );
  });
});

describe.each(SERVED_BY)('tasks, served by %s', servedBy => {
  test('a run task launches once; its repeat is acknowledged as stale', async () => {
    const { ensure, tasks, deliver, launched } = await setUp(servedBy);
    await ensure();
    tasks.push(tasks[0]!);
    expect(await deliver()).toMatchObject({ status: 200, json: { outcome: 'launched' } });
    expect(await deliver()).toMatchObject({ status: 200, json: { outcome: 'attempt is EXECUTING' } });
    expect(launched).toHaveLength(1);
  });

  test.each(['run', 'poll', 'cancel', 'wake', 'distributor/main'])(
    'a malformed task is acknowledged and logged: /%s',
    async path => {
      const { call, log } = await setUp(servedBy);
      for (const body of MALFORMED_BODIES) {
        expect(await call('tasks', `POST /${path}`, { body }), body).toMatchObject(MALFORMED);
      }
      expect(log.lines).toHaveLength(MALFORMED_BODIES.length);
    },
  );

  test.each([
    [{ id: 'nonsense', revision: 1 }, 'dropped: not an id'],
    [{ id: `${QUEST}|0`, revision: 1 }, 'dropped: not an id'],
    [{ id: `${QUEST}|1|1`, revision: 1 }, 'dropped: unknown execution'],
  ])('a wake-up of what does not exist is acknowledged: %j', async (body, outcome) => {
    const { call } = await setUp(servedBy);
    expect(await call('tasks', 'POST /wake', { body })).toMatchObject({ status: 200, json: { outcome } });
  });

  test('what may succeed later is not acknowledged', async () => {
    const { ensure, deliver, tasks, outage, stateOf } = await setUp(servedBy);
    const quest = await ensure();
    tasks.push(tasks[0]!);
    outage.error = new TransientError('the store is away');
    expect(await deliver()).toMatchObject(errorOf(503, 'UNAVAILABLE', 'try again'));
    delete outage.error;
    expect(await deliver()).toMatchObject({ status: 200, json: { outcome: 'launched' } });
    expect(await stateOf(`/v1/quests/${quest}/attempts/1`)).toBe('EXECUTING');
  });

  test("an adapter's own task reaches it with its count, and what it returns is published", async () => {
    const seen: object[] = [];
    const { launch, call, messages } = await setUp(servedBy, {
      script: {
        handleTaskQueueTask: async ({ executionId, payload, retryCount, token }) => {
          seen.push({ payload, retryCount, token });
          return [{ executionId: executionId!, data: FINISHED, attributes: { colour: 'red' } }];
        },
      },
    });
    const { execution_id } = await launch();
    const body = { type: 'scripted', version: 'v', config: {}, payload: { step: 2 }, executionId: execution_id };
    const headers = { 'x-cloudtasks-taskretrycount': '3' };
    expect(await call('tasks', 'POST /distributor/main', { body, headers })).toMatchObject({
      status: 200,
      json: { outcome: 'done' },
    });
    expect(seen).toEqual([{ payload: { step: 2 }, retryCount: 3, token: `job of ${execution_id}` }]);
    expect(messages).toEqual([
      { data: FINISHED, attributes: { colour: 'red', execution_id, auth_token: expect.any(String) } },
    ]);
  });

  test.each([
    ['a transient error', 503, new TransientError('away')],
    ['a final error', 200, new Error('broken')],
    ['a value that is not an error', 200, 'a string'],
    ['nothing', 200, undefined],
  ])("%s of an adapter's task leads to %i", async (_, status, thrown) => {
    const handleTaskQueueTask = () => Promise.reject(thrown);
    const { call } = await setUp(servedBy, { script: { handleTaskQueueTask } });
    const body = { type: 'scripted', version: 'v', config: {}, payload: {} };
    expect(await call('tasks', 'POST /distributor/main', { body })).toMatchObject({ status });
  });

  test('a task of a type that is gone is acknowledged and logged', async () => {
    const { call, log } = await setUp(servedBy);
    const body = { type: 'abolished', version: 'v', config: {}, payload: {} };
    expect(await call('tasks', 'POST /distributor/main', { body })).toMatchObject({ json: { outcome: 'failed' } });
    expect(log.lines.at(-1)).toMatchObject({ severity: 'error', fields: { distributor: 'main' } });
  });
});

describe.each(SERVED_BY)('sweep, served by %s', servedBy => {
  test('what is due is found and handed to the queue', async () => {
    const { ensure, call, tasks } = await setUp(servedBy);
    const quest = await ensure();
    tasks.length = 0;
    expect(await call('sweep', 'POST /', { body: {} })).toMatchObject({
      status: 200,
      json: { due: 1, complete: true },
    });
    expect(tasks).toMatchObject([{ path: 'wake', body: { id: `${quest}|1`, revision: 1 } }]);
  });
});
