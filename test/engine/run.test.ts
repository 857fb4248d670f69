import { describe, expect, test } from 'vitest';
import { type RunOutcome, TokenRequired } from '../../shared/adapters/contract.ts';
import { InvalidArgument, TransientError } from '../../shared/core/errors.ts';
import { abnormal, finished } from '../../shared/core/result.ts';
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../support/decide.ts';
import { createTestEngine, executionOf, start } from '../support/engine.ts';

const NEVER = new Promise<never>(() => {});
const DONE = finished({ data: { answer: 42 } });

describe('run', () => {
  test('is called again with identical bytes after its answer was lost, by another process', async () => {
    const world = createTestEngine({ script: { run: () => NEVER } });
    const id = await world.submit();
    void world.deliver(world.tasks.shift());
    await expect.poll(() => world.executor.argsOf('run')).toHaveLength(1);
    world.executor.script.run = start;
    world.restart();
    await world.elapse(30 * SECOND_MS);
    expect(world.executor.argsOf('run')).toHaveLength(1);
    await world.elapse(31 * SECOND_MS);
    const [first, second] = world.executor.argsOf('run');
    expect(JSON.stringify(second)).toBe(JSON.stringify(first));
    expect(await world.execution(id)).toMatchObject({ launch: { state: 'launched', token: 'job-1' } });
  });

  test('describes the execution, and where and as who to answer', async () => {
    const world = createTestEngine();
    let topic: object = {};
    world.executor.script.run = async task => {
      topic = task.prepareTopic();
      return start(task);
    };
    const id = await world.submit({ parameters: { text: 'hello' } });
    await world.settle();
    const url = `https://job.test/v1/quests/${id.split('|')[0]}/attempts/1/executions/1`;
    expect(world.executor.argsOf('run')[0]).toMatchObject({
      executionId: executionOf(id),
      executionUrl: url,
      executionAuth: { executionId: executionOf(id), activationToken: expect.stringMatching(/^[\w-]{43}$/) },
      quest: { distributorConfigName: 'echo', parameters: { text: 'hello' } },
    });
    expect(topic).toEqual({
      topic: 'projects/test/topics/notifications',
      attributes: { execution_id: executionOf(id), auth_token: expect.stringContaining('.') },
      notifyUrl: `${url}:notify`,
    });
  });

  test('may do to its copy of the quest whatever it likes', async () => {
    const world = createTestEngine({
      script: {
        run: async task => {
          task.quest.parameters.text = 'changed';
          throw new TransientError('once more');
        },
      },
    });
    await world.submit({ parameters: { text: 'hello' } });
    await world.settle();
    world.executor.script.run = start;
    await world.elapse(5 * SECOND_MS);
    expect(world.executor.argsOf('run')).toMatchObject([
      { quest: { parameters: { text: 'hello' } } },
      { quest: { parameters: { text: 'hello' } } },
    ]);
  });

  test('is retried while its error is transient, and the deadline ends that', async () => {
    const run = async () => {
      throw new TransientError('no quota');
    };
    const world = createTestEngine({ script: { run, cancel: async () => {} } });
    const id = await world.submit({ meta: { timeouts: { start: '60s' } } });
    await world.settle();
    await world.elapse(SECOND_MS);
    await world.elapse(2 * SECOND_MS);
    expect(world.executor.argsOf('run')).toHaveLength(3);
    await world.elapse(MINUTE_MS);
    expect(await world.attempt(id)).toMatchObject({ result: { abnormalFinish: { status: 'EXPIRED' } } });
    expect(world.executor.argsOf('cancel')).toEqual([{ executionId: executionOf(id) }]);
    expect(world.store.wakeTimes()).toEqual({});
  });

  test('that hangs is given up after its time, and tried again', async () => {
    const world = createTestEngine({ script: { run: () => NEVER } });
    const id = await world.submit();
    const delivery = world.deliver(world.tasks.shift());
    await expect.poll(() => world.executor.argsOf('run')).toHaveLength(1);
    world.clock.advance(MINUTE_MS);
    await delivery;
    world.executor.script.run = start;
    await world.elapse(SECOND_MS);
    expect(await world.execution(id)).toMatchObject({ launch: { state: 'launched', token: 'job-1' } });
  });

  test.each<[string, unknown, string]>([
    ['an Error', new Error('refused'), 'refused'],
    ['InvalidArgument', new InvalidArgument('parameters.url', 'is not allowed'), 'parameters.url: is not allowed'],
    ['text', 'nope', 'nope'],
    ['undefined', undefined, 'undefined'],
    ['null', null, 'null'],
    ['an object', { status: 404 }, '{"status":404}'],
  ])('that throws %s ends the execution as REJECTED with the message', async (_, thrown, reason) => {
    const run = () => {
      throw thrown;
    };
    const world = createTestEngine({ script: { run } });
    const id = await world.submit({ meta: { retry: { failed: 3 } } });
    await world.settle();
    expect(await world.attempt(id)).toMatchObject({ state: 'ABNORMAL_FINISHED', result: abnormal('REJECTED', reason) });
    expect(world.store.wakeTimes()).toEqual({});
  });

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['no token', {}],
    ['an empty token', { token: '' }],
    ['a token that is no text', { token: 5 }],
    ['a token that is too long', { token: 'x'.repeat(1501) }],
  ])('that answers %s ends the execution; a job that it may have started is stopped', async (_, answer) => {
    const world = createTestEngine({ script: { run: async () => answer as RunOutcome, cancel: async () => {} } });
    const id = await world.submit();
    await world.settle();
    expect(await world.attempt(id)).toMatchObject({ result: { abnormalFinish: { status: 'REJECTED' } } });
    expect(world.executor.argsOf('cancel')).toEqual([{ executionId: executionOf(id) }]);
  });

  test('that answers no status at all has begun its job, and polls find out about it', async () => {
    const run = async () => ({ token: 'job-1', status: { state: 'paused' } }) as unknown as RunOutcome;
    const world = createTestEngine({ script: { run } });
    const id = await world.submit();
    await world.settle();
    expect((await world.attempt(id)).state).toBe('EXECUTING');
    expect(await world.execution(id)).toMatchObject({ launch: { token: 'job-1' } });
  });

  test('that answers durations of zero, or no durations at all, replaces nothing', async () => {
    const run = async () => ({
      token: 'job-1',
      timeToStartMs: 0,
      timeToRunMs: -1,
      timeToStopMs: Infinity,
      pollAfterMs: 0,
    });
    const world = createTestEngine({ script: { run } });
    const id = await world.submit();
    await world.settle();
    expect(await world.execution(id)).toMatchObject({
      launch: { state: 'launched' },
      timeoutsMs: { start: HOUR_MS, run: 24 * HOUR_MS, stop: 5 * MINUTE_MS },
      poll: { intervalMs: 10 * MINUTE_MS },
    });
  });
});

test('an execution that outlived an earlier life of its attempt keeps its number, and blocks nobody', async () => {
  const world = createTestEngine({ script: { run: start } });
  const id = await world.submit();
  await world.settle();
  const old = await world.execution(id);
  world.store.remove('attempt', id);
  await world.submit();
  await world.settle();
  // Six conflicts are not many writers: from the second try on the number is known to be taken.
  expect(await world.execution(id)).toEqual(old);
  expect(await world.execution(id, 2)).toMatchObject({ state: 'SCHEDULING', launch: { state: 'launched' } });
  expect(await world.attempt(id)).toMatchObject({ state: 'EXECUTING', executions: 2 });
});

describe('a token that comes after the attempt was cancelled', () => {
  test.each(['while run was under way', 'after its claim had lapsed'])('%s has its job stopped', async when => {
    const answer = Promise.withResolvers<RunOutcome>();
    const world = createTestEngine({
      script: { run: () => answer.promise, cancel: async () => {}, getStatus: async () => DONE },
    });
    const id = await world.submit();
    const delivery = world.deliver(world.tasks.shift());
    await expect.poll(() => world.executor.argsOf('run')).toHaveLength(1);
    await world.engine.cancelAttempt(id, 'unwanted');
    if (when === 'after its claim had lapsed') {
      world.executor.script.cancel = async ({ token }) => {
        if (token === undefined) throw new TokenRequired('needs the token');
      };
      world.executor.script.run = start;
    } else {
      answer.resolve({ token: 'job-1' });
      await delivery;
    }
    await world.elapse(2 * MINUTE_MS);
    await world.elapse(2 * MINUTE_MS);
    expect(world.executor.argsOf('cancel').at(-1)).toEqual({ executionId: executionOf(id), token: 'job-1' });
    expect(await world.execution(id)).toMatchObject({
      launch: { token: 'job-1' },
      result: abnormal('CANCELLED', 'unwanted'),
    });
    expect(world.store.wakeTimes()).toEqual({});
  });
});
