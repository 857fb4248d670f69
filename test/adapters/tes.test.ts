import { describe, expect, test } from 'vitest';
import type { Handle } from '../../shared/adapters/contract.ts';
import { isCredentialError, isTransient, messageOf, TransientError } from '../../shared/core/errors.ts';
import { executionName } from '../../shared/adapters/execution-name.ts';
import { describeTask, questOf } from '../support/drive.ts';
import { createTesAdapter, GOOD_TASK, type Quirks, serveTes, TES_SECRET } from '../support/fakes/tes.ts';
import { manualClock } from '../support/services.ts';

const quest = questOf({ distributorParameters: GOOD_TASK });
const START = /^POST .*\/tasks$/;
const LIST = /^GET .*\/tasks\?/;
const FOREIGN = { executors: [{ image: 'x', command: ['x'] }] };

async function setUp({
  quirks,
  config,
  overrides,
}: {
  quirks?: Quirks;
  config?: object;
  overrides?: Parameters<typeof createTesAdapter>[2];
} = {}) {
  const service = await serveTes(quirks);
  const { distributor } = createTesAdapter(service, config, overrides);
  const describeExecution = (execution = 1) => describeTask(quest, { execution });
  return {
    service,
    distributor,
    describeExecution,
    async start(execution = 1): Promise<Required<Handle>> {
      const { executionId } = describeExecution(execution);
      return { executionId, token: (await distributor.run(describeExecution(execution))).token };
    },
    /** The execution's task as an earlier start would have left it. */
    leave(execution = 1, part: Partial<(typeof service.tasks)[number]> = {}) {
      const name = executionName(describeExecution(execution).executionId);
      return service.add({ document: { ...FOREIGN, name, tags: { distributor_execution: name } }, ...part });
    },
    sent: (pattern: RegExp) => service.requests.filter(({ method, path }) => pattern.test(`${method} ${path}`)),
  };
}

const failureOf = (call: Promise<unknown> | undefined): Promise<unknown> =>
  Promise.resolve(call).then(
    answer => expect.fail(`answered ${JSON.stringify(answer)}`),
    (error: unknown) => error,
  );

describe('a start', () => {
  test('is not sent a second time by itself when its connection breaks', async () => {
    const { distributor, service, describeExecution, sent } = await setUp();
    service.fail(START, 'lost');
    // The search has left an open connection behind, which the start then finds reset.
    expect(isTransient(await failureOf(distributor.run(describeExecution())))).toBe(true);
    expect(sent(START)).toHaveLength(1);
    expect(service.tasks).toHaveLength(1);
  });

  test.each<[string, Quirks]>([
    ['a server with every filter', {}],
    ['one that does not know tags', { unknown: ['tag_key', 'tag_value', 'state'] }],
    ['one that refuses to be asked about tags', { unknown: ['tag_key', 'tag_value', 'state'], strict: true }],
    ['one that ignores every filter', { unknown: ['name_prefix', 'tag_key', 'tag_value', 'state'] }],
  ])('finds its task again among 600 others, on %s', async (_, quirks) => {
    const { distributor, service, describeExecution, leave } = await setUp({ quirks });
    for (let i = 0; i < 300; i++) service.add({ document: { ...FOREIGN, name: `other-${i}` } });
    const { id } = leave();
    for (let i = 0; i < 300; i++) service.add({ document: FOREIGN });
    expect((await distributor.run(describeExecution())).token).toBe(id);
    expect(service.tasks).toHaveLength(601);
  });

  test.each<[string, Quirks]>([
    ['a server that ignores filters', { unknown: ['name_prefix', 'tag_key', 'tag_value', 'state'] }],
    ['a server that filters', {}],
  ])('does not take the task of another for its own, on %s', async (_, quirks) => {
    const { distributor, service, describeExecution, leave } = await setUp({ quirks });
    leave(2);
    // A name of which ours is only the beginning.
    const name = `${executionName(describeExecution(1).executionId)}0`;
    service.add({ document: { ...FOREIGN, name } });
    await distributor.run(describeExecution(1));
    expect(service.tasks).toHaveLength(3);
    expect(service.taskOf(describeExecution(1).executionId).id).toBe(service.tasks[2]?.id);
  });

  test('that finds two tasks takes the oldest and cancels the other', async () => {
    const { distributor, service, describeExecution, leave } = await setUp();
    const young = leave(1, { creation_time: '2026-11-24T02:00:00+01:00', state: 'RUNNING' });
    const old = leave(1, { creation_time: '2026-11-24T00:30:00.123456789Z', state: 'RUNNING' });
    expect((await distributor.run(describeExecution())).token).toBe(old.id);
    expect((await distributor.run(describeExecution())).token).toBe(old.id);
    expect([young.state, old.state]).toEqual(['CANCELED', 'RUNNING']);
    expect(service.tasks).toHaveLength(2);
  });

  test('takes a task that has ended meanwhile as it is', async () => {
    const { distributor, describeExecution, leave } = await setUp();
    const { id } = leave(1, { state: 'COMPLETE' });
    expect((await distributor.run(describeExecution())).token).toBe(id);
  });

  test.each([400, 404])('whose search is answered %i creates nothing, and tries again', async status => {
    const { distributor, service, describeExecution } = await setUp();
    service.fail(LIST, { status, body: 'no' }, { status, body: 'no' });
    const error = await failureOf(distributor.run(describeExecution()));
    expect(isTransient(error)).toBe(true);
    expect(messageOf(error)).toMatch(`answered ${status}: no`);
    expect(service.tasks).toEqual([]);
  });

  test('takes an error inside of a success for no empty list', async () => {
    const { distributor, service, describeExecution } = await setUp();
    service.fail(LIST, { body: { error: 'the database is away' } });
    const error = await failureOf(distributor.run(describeExecution()));
    expect(isTransient(error)).toBe(true);
    expect(messageOf(error)).toContain('the database is away');
    expect(service.tasks).toEqual([]);
  });

  test('takes an empty answer for an empty list: proto3 JSON leaves it out', async () => {
    const { start, service } = await setUp({ quirks: { omitsZeros: true } });
    await start();
    expect(service.tasks).toHaveLength(1);
  });

  test('that searched for too long creates nothing: the engine has given it up', async () => {
    const clock = manualClock();
    const { distributor, service, describeExecution } = await setUp({
      overrides: { clock, secret: () => (clock.advance(31_000), TES_SECRET) },
    });
    const error = await failureOf(distributor.run(describeExecution()));
    expect(isTransient(error)).toBe(true);
    expect(messageOf(error)).toContain('too slowly');
    expect(service.tasks).toEqual([]);
  });

  test('does not follow a list without end', async () => {
    const { distributor, service, describeExecution, sent } = await setUp();
    const page = { body: { tasks: [], next_page_token: 'again' } };
    service.fail(LIST, ...Array.from({ length: 200 }, () => page));
    expect(isTransient(await failureOf(distributor.run(describeExecution())))).toBe(true);
    expect(sent(LIST)).toHaveLength(101);
    expect(service.tasks).toEqual([]);
  });

  test('that the server refuses is refused with what it says', async () => {
    const { distributor, service, describeExecution } = await setUp();
    service.fail(START, { status: 400, body: { error: 'invalid resources: at most 64 cores' } });
    const error = await failureOf(distributor.run(describeExecution()));
    expect(isTransient(error)).toBe(false);
    expect(messageOf(error)).toContain('invalid resources: at most 64 cores');
  });

  test.each(['', '..', 'a b', 'ü', 'x'.repeat(2000)])('answered with the id %j may be tried again', async id => {
    const { distributor, service, describeExecution } = await setUp();
    service.fail(START, { body: { id } });
    expect(isTransient(await failureOf(distributor.run(describeExecution())))).toBe(true);
  });
});

describe('a cancel', () => {
  const ends = ['COMPLETE', 'EXECUTOR_ERROR', 'SYSTEM_ERROR', 'CANCELED', 'PREEMPTED'];
  const answers = [200, 400, 409, 500] as const;

  test.each(answers.flatMap(cancelEnded => ends.map(state => [cancelEnded, state] as const)))(
    'that is answered %i since the task is %s succeeds',
    async (cancelEnded, state) => {
      const { distributor, start, service } = await setUp({ quirks: { cancelEnded } });
      const handle = await start();
      service.taskOf(handle.executionId).state = state;
      await distributor.cancel(handle, quest);
      expect(service.taskOf(handle.executionId).state).toBe(state);
    },
  );

  test.each([400, 403, 404, 500])('that is answered %i though the task runs fails with that answer', async status => {
    const { distributor, start, service } = await setUp();
    const handle = await start();
    service.fail(/:cancel$/, { status, body: { error: 'not now' } });
    expect(messageOf(await failureOf(distributor.cancel(handle, quest)))).toMatch(`answered ${status}`);
  });

  test('of a task that is only going away says that it runs', async () => {
    const { distributor, start, service } = await setUp({ quirks: { cancelsSlowly: true } });
    const handle = await start();
    await distributor.cancel(handle, quest);
    expect(await distributor.getStatus(handle, quest)).toEqual({ state: 'running' });
    service.taskOf(handle.executionId).state = 'CANCELED';
    expect(await distributor.getStatus(handle, quest)).toMatchObject({
      result: { abnormalFinish: { status: 'CANCELLED' } },
    });
  });

  test('without a token cancels all that was started for the execution, and nothing else', async () => {
    const { distributor, leave } = await setUp({ quirks: { unknown: ['name_prefix', 'tag_key', 'tag_value'] } });
    const [one, two, other] = [leave(1), leave(1), leave(2)];
    await distributor.cancel({ executionId: describeTask(quest).executionId }, quest);
    expect([one.state, two.state, other.state]).toEqual(['CANCELED', 'CANCELED', 'QUEUED']);
  });
});

describe('a status', () => {
  test('of a task that the server has forgotten is a final error', async () => {
    const { distributor, start, service } = await setUp();
    const handle = await start();
    service.tasks.length = 0;
    expect(isTransient(await failureOf(distributor.getStatus(handle, quest)))).toBe(false);
  });

  test.each(['', '.', '..', 'a b', 'a\nb', 'ü', '\ud800', 'x'.repeat(2000)])(
    'of %j, which is no id, is a final error without a call',
    async token => {
      const { distributor, describeExecution, service } = await setUp();
      const { executionId } = describeExecution();
      expect(isTransient(await failureOf(distributor.getStatus({ executionId, token }, quest)))).toBe(false);
      await distributor.cancel({ executionId, token }, quest);
      expect(service.requests).toEqual([]);
    },
  );

  test.each(['../../service-info', 'a/b', 'a?view=FULL', '%2e%2e', 'a:cancel'])(
    'of %j asks for a task and nothing else',
    async token => {
      const { distributor, describeExecution, service } = await setUp();
      await failureOf(distributor.getStatus({ executionId: describeExecution().executionId, token }, quest));
      expect(service.requests.map(({ path }) => path)).toEqual([
        `/ga4gh/tes/v1/tasks/${encodeURIComponent(token)}?view=MINIMAL`,
      ]);
    },
  );

  const megabytes = 'x'.repeat(5 * 1024 * 1024);

  test('of a failure with megabytes of logs does without them', async () => {
    const { distributor, start, service } = await setUp();
    const handle = await start();
    const task = service.taskOf(handle.executionId);
    Object.assign(task, { state: 'EXECUTOR_ERROR', logs: [{ logs: [{ exit_code: 3, stdout: megabytes }] }] });
    expect(await distributor.getStatus(handle, quest)).toMatchObject({
      result: { abnormalFinish: { status: 'FAILED', reason: expect.stringMatching(/executor 1 exited with code 3$/) } },
    });
  });

  test.each([
    ['COMPLETE', { data: { outputs: [] } }],
    ['SYSTEM_ERROR', { abnormalFinish: { status: 'CRASHED' } }],
  ])('of a %s task that is too large to be read is what its state says', async (state, result) => {
    const { distributor, start, service } = await setUp();
    const handle = await start();
    Object.assign(service.taskOf(handle.executionId), { state, logs: [{ metadata: { megabytes } }] });
    expect(await distributor.getStatus(handle, quest)).toMatchObject({ result });
  });
});

describe('the page of a task', () => {
  test('is the task in the API, or what the config says', async () => {
    const { distributor } = createTesAdapter({ endpoint: 'https://tes.test/ga4gh/tes/v1' });
    expect(distributor.infoUrl('a/b$&')).toBe('https://tes.test/ga4gh/tes/v1/tasks/a%2Fb%24%26?view=FULL');
    expect(distributor.infoUrl('..')).toBeUndefined();
    const taskPage = 'https://funnel.test/tasks/{id}';
    const { distributor: own } = createTesAdapter({ endpoint: 'https://tes.test' }, { taskPage });
    expect(own.infoUrl('d4hb7k2s')).toBe('https://funnel.test/tasks/d4hb7k2s');
  });
});

describe('the credentials', () => {
  test('are read at each call, as they are but for space around them', async () => {
    let n = 0;
    const { start, service } = await setUp({ overrides: { secret: () => ` Basic c2VjcmV0LW51bWJlci0${++n}\n` } });
    await start();
    const sent = service.requests.map(({ headers }) => headers['authorization']);
    expect(sent).toEqual(['Basic c2VjcmV0LW51bWJlci01', 'Basic c2VjcmV0LW51bWJlci02']);
  });

  test.each<[string, () => string]>([
    [
      'missing',
      () => {
        throw new Error('the secret env:TES_TOKEN is not set in the environment');
      },
    ],
    ['empty', () => ' '],
    ['no header', () => 'Bearer a\r\nx-admin: 1'],
  ])('that are %s say nothing of the jobs', async (_, secret) => {
    const { distributor, describeExecution, service } = await setUp({ overrides: { secret } });
    const { executionId } = describeExecution();
    for (const call of [
      distributor.run(describeExecution()),
      distributor.getStatus({ executionId, token: 'd4hb7k2s' }, quest),
      distributor.cancel({ executionId, token: 'd4hb7k2s' }, quest),
      distributor.getStatuses?.(Array.from({ length: 9 }, () => ({ executionId, token: 'd4hb7k2s' }))),
    ]) {
      const error = await failureOf(call);
      expect(isCredentialError(error)).toBe(true);
      expect(messageOf(error)).toContain('env:TES_TOKEN');
    }
    expect(service.requests).toEqual([]);
  });

  test('do not come back in what a task says of itself', async () => {
    const { distributor, start, service } = await setUp();
    const handle = await start();
    const stderr = `curl: sent ${TES_SECRET}`;
    Object.assign(service.taskOf(handle.executionId), {
      state: 'EXECUTOR_ERROR',
      logs: [{ logs: [{ exit_code: 1, stderr }] }],
    });
    const status = await distributor.getStatus(handle, quest);
    expect(JSON.stringify(status)).toContain('sent [secret]');
  });
});

test('a refusal without credentials is one for patience, not for an end', async () => {
  const { distributor, service, describeExecution } = await setUp({ config: { authorization: undefined } });
  service.fail(LIST, { status: 401, body: 'who are you?' });
  const error = await failureOf(distributor.run(describeExecution()));
  expect(isCredentialError(error)).toBe(true);
  expect(error).not.toBeInstanceOf(TransientError);
});
