import { describe, expect, test } from 'vitest';
import { type Distributor, type RunOutcome, TokenRequired } from '../../shared/adapters/contract.ts';
import { InvalidArgument, TransientError } from '../../shared/core/errors.ts';
import { abnormal, finished, running } from '../../shared/core/result.ts';
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../support/decide.ts';
import { createTestEngine, executionOf, fakeExecutor, start } from '../support/engine.ts';

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

  test('that answers a malformed status has a malformed result', async () => {
    const run = async () => ({ token: 'job-1', status: { state: 'paused' } }) as unknown as RunOutcome;
    const world = createTestEngine({ script: { run } });
    const id = await world.submit();
    await world.settle();
    expect(await world.attempt(id)).toMatchObject({ result: { abnormalFinish: { status: 'RESULT_MALFORMED' } } });
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
      timeoutsMs: { start: HOUR_MS, run: 24 * HOUR_MS, stop: 5 * MINUTE_MS },
      poll: { intervalMs: 10 * MINUTE_MS },
    });
  });
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

describe('tasks that an adapter enqueues within run', () => {
  function withTask() {
    const world = createTestEngine();
    world.executor.script.run = async task => {
      const { executionId } = task;
      await world.executor.services().enqueueTask({ executionId, payload: { step: 1 } });
      expect(world.tasks.filter(({ path }) => path.startsWith('distributor/'))).toEqual([]);
      return start(task);
    };
    world.executor.script.handleTaskQueueTask = async () => [];
    return world;
  }

  test('are enqueued after its token is recorded, and pin type and config', async () => {
    const world = withTask();
    const id = await world.submit();
    await world.deliver(world.tasks.shift());
    expect(await world.execution(id)).toMatchObject({ launch: { state: 'launched' } });
    expect(world.tasks).toMatchObject([
      {
        path: 'distributor/echo',
        body: { type: 'fake', config: {}, payload: { step: 1 }, executionId: executionOf(id) },
      },
    ]);
  });

  test('are enqueued later when the process died right after the token was recorded', async () => {
    const world = withTask();
    const id = await world.submit();
    // The second commit is the record of the token; nothing happens after it.
    world.store.onCommit(apply => apply());
    world.store.onCommit(async apply => {
      await apply();
      return NEVER;
    });
    void world.deliver(world.tasks.shift());
    await expect.poll(async () => (await world.execution(id)).launch.state).toBe('launched');
    world.restart();
    await world.elapse(MINUTE_MS);
    expect(world.executor.calls.at(-1)).toMatchObject({
      operation: 'handleTaskQueueTask',
      args: [{ payload: { step: 1 } }],
    });
    await world.elapse(5 * MINUTE_MS);
    expect(world.executor.calls.filter(({ operation }) => operation === 'handleTaskQueueTask')).toHaveLength(1);
  });

  test('are recorded as they were when they were enqueued, however odd', async () => {
    const world = withTask();
    world.executor.script.run = async task => {
      const payload = { step: 1, none: undefined as never };
      await world.executor.services().enqueueTask({ executionId: task.executionId, payload, delayMs: 0.5 });
      payload.step = 2;
      return start(task);
    };
    const id = await world.submit();
    await world.deliver(world.tasks.shift());
    expect(await world.execution(id)).toMatchObject({
      launch: { outbox: { tasks: [{ payload: { step: 1 }, delayMs: 1 }] } },
    });
    expect(world.tasks).toMatchObject([{ at: world.clock.now() + 1, body: { payload: { step: 1 } } }]);
  });

  test('are not enqueued when the execution has ended meanwhile', async () => {
    const world = withTask();
    const { run } = world.executor.script;
    world.executor.script.run = async task => {
      await world.engine.cancelAttempt(id, 'unwanted');
      return run!(task);
    };
    world.executor.script.cancel = async () => {};
    const id = await world.submit();
    await world.deliver(world.tasks.shift());
    expect(world.tasks.filter(({ path }) => path.startsWith('distributor/'))).toEqual([]);
  });
});

describe('a distributors file that changed', () => {
  const script = { run: start, getStatus: async () => running(), handleNotification: async () => DONE };
  const FILE = { echo: { type: 'fake', config: { site: 'old' } } };

  test('does not change the distributor that an execution was created with', async () => {
    const world = createTestEngine({ script, distributors: FILE });
    const id = await world.submit();
    await world.settle();
    world.restart({ distributors: { echo: { type: 'fake', config: { site: 'new' } } } });
    await world.elapse(10 * MINUTE_MS);
    expect(world.executor.calls.at(-1)).toMatchObject({ operation: 'getStatus', config: { site: 'old' } });
    world.restart({ distributors: {} });
    await world.notify(executionOf(id), {});
    expect(world.executor.calls.at(-1)).toMatchObject({ operation: 'handleNotification', config: { site: 'old' } });
    expect(await world.attempt(id)).toMatchObject({ state: 'FINISHED' });
  });

  test('is met by the next execution', async () => {
    const world = createTestEngine({ script, distributors: FILE });
    const id = await world.submit({ meta: { retry: { failed: 1 } } });
    await world.settle();
    world.executor.script.handleNotification = async () => finished(abnormal('FAILED', 'exit code 1'));
    world.restart({ distributors: { echo: { type: 'fake', config: { site: 'new' } } } });
    await world.notify(executionOf(id), {});
    await world.settle();
    expect(world.executor.calls.at(-1)).toMatchObject({ operation: 'run', config: { site: 'new' } });
  });

  test.each<[string, Record<string, unknown>, string]>([
    ['lacks the name', {}, 'distributorConfigName: unknown distributor "echo"'],
    ['gives it a type that refuses the quest', { echo: { type: 'picky' } }, 'parameters: not here'],
  ])('and %s ends an attempt that was accepted before as REJECTED', async (_, distributors, reason) => {
    const world = createTestEngine({ script });
    const id = await world.submit();
    const picky = fakeExecutor({}, 'picky');
    picky.script.validate = () => {
      throw new InvalidArgument('parameters', 'not here');
    };
    world.restart({ executors: [world.executor, picky], distributors });
    await world.settle();
    expect(await world.attempt(id)).toMatchObject({ result: abnormal('REJECTED', reason), executions: 1 });
    expect(await world.execution(id)).toMatchObject({ result: abnormal('REJECTED', reason) });
    expect(world.store.wakeTimes()).toEqual({});
  });

  test('and a type that is not deployed any more ends a running execution as REJECTED at the next poll', async () => {
    const world = createTestEngine({ script });
    const id = await world.submit();
    await world.settle();
    world.restart({ executors: [fakeExecutor({}, 'another')], distributors: {} });
    await world.elapse(10 * MINUTE_MS);
    expect(await world.attempt(id)).toMatchObject({
      result: abnormal('REJECTED', 'distributor type "fake" is not deployed'),
    });
    // Its job may be alive: it is stopped when the type is back.
    const cancelled: unknown[] = [];
    world.executor.script.cancel = async handle => void cancelled.push(handle);
    world.executor.script.getStatus = async () => DONE;
    world.restart();
    await world.elapse(10 * MINUTE_MS);
    await world.elapse(10 * MINUTE_MS);
    expect(cancelled).toEqual([{ executionId: executionOf(id), token: 'job-1' }]);
    expect(world.store.wakeTimes()).toEqual({});
  });
});

describe('an adapter that throws what is not an Error, at once,', () => {
  const thrower = (): never => {
    throw 'broken'; // oxlint-disable-line no-throw-literal
  };
  const operations: Record<string, Partial<Distributor>> = {
    getStatus: { getStatus: thrower, cancel: async () => {} },
    cancel: { cancel: thrower, getStatus: async () => finished(abnormal('CANCELLED', 'gone')) },
    handleNotification: { handleNotification: thrower, getStatus: async () => DONE },
    handleTaskQueueTask: { handleTaskQueueTask: thrower, getStatus: async () => DONE },
  };

  test('in getStatus: the job is MISSING', async () => {
    const world = createTestEngine({ script: { run: start, ...operations.getStatus } });
    const id = await world.submit();
    await world.settle();
    await world.elapse(10 * MINUTE_MS);
    expect(await world.attempt(id)).toMatchObject({
      result: abnormal('MISSING', 'the executor does not know it: broken'),
    });
  });

  test('in cancel: it is called again, with backoff', async () => {
    const world = createTestEngine({ script: { run: start, ...operations.cancel } });
    const id = await world.submit();
    await world.settle();
    await world.engine.cancelAttempt(id, 'unwanted');
    await world.settle();
    for (let i = 0; i < 3; i++) await world.elapse(MINUTE_MS);
    expect(world.executor.calls.filter(({ operation }) => operation === 'cancel').length).toBeGreaterThan(2);
  });

  test('in handleNotification: the executor is asked', async () => {
    const world = createTestEngine({ script: { run: start, ...operations.handleNotification } });
    const id = await world.submit();
    await world.settle();
    expect(await world.notify(executionOf(id))).toBe('unreadable: polls instead');
    await world.settle();
    expect(await world.attempt(id)).toMatchObject({ state: 'FINISHED' });
  });

  test('in handleTaskQueueTask: the task is acknowledged, and the executor asked', async () => {
    const world = createTestEngine({ script: { run: start, ...operations.handleTaskQueueTask } });
    const id = await world.submit();
    await world.settle();
    await world.executor.services().enqueueTask({ executionId: executionOf(id), payload: {} });
    await world.settle();
    expect(await world.attempt(id)).toMatchObject({ state: 'FINISHED' });
  });

  test('in infoUrl: the execution is shown without', async () => {
    const world = createTestEngine({ script: { run: start, infoUrl: thrower } });
    const id = await world.submit();
    await world.settle();
    expect((await world.engine.getAttempt(id)).executions).toMatchObject([{ infoUrl: undefined }]);
  });

  test('in validate: the quest is refused with what it said', async () => {
    const world = createTestEngine({ script: { validate: thrower } });
    await expect(world.submit()).rejects.toThrow('quests[0].desc: refused by "echo": broken');
  });
});
