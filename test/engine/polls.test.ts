import { describe, expect, test } from 'vitest';
import { TransientError } from '../../shared/core/errors.ts';
import type { AttemptId } from '../../shared/core/ids.ts';
import { finished, pending, running, type TaskStatus } from '../../shared/core/result.ts';
import { MINUTE_MS } from '../support/decide.ts';
import { createTestEngine, executionOf, MAX_STATUSES, resultOf } from '../support/engine.ts';

const HOUR_MS = 60 * MINUTE_MS;
const DONE = finished({ data: { n: 1 } });

/** Executions of a distributor whose executor can be asked about many at once. */
async function grouped(count: number) {
  const statuses = new Map<string, TaskStatus | Error>();
  const world = createTestEngine({
    script: {
      run: async ({ executionId }) => ({ token: `job-of-${executionId}`, status: running() }),
      getStatuses: async handles => handles.map(({ executionId }) => statuses.get(executionId) ?? running()),
      getStatus: async ({ executionId }) => {
        const status = statuses.get(executionId) ?? running();
        if (status instanceof Error) throw status;
        return status;
      },
      cancel: async () => {},
    },
  });
  const ids: AttemptId[] = [];
  for (let n = 0; n < count; n++) ids.push(await world.submit({ parameters: { n } }));
  await world.settle();
  const batches = () => world.executor.argsOf('getStatuses') as { executionId: string; token: string }[][];
  const states = () => Promise.all(ids.map(async id => (await world.attempt(id)).state));
  return { ...world, world, ids, statuses, batches, states };
}

describe('polls that fall due together', () => {
  test('are one call for as many as the executor takes at once', async () => {
    const { world, ids, batches } = await grouped(7);
    await world.elapse(11 * MINUTE_MS);
    expect(batches().map(batch => batch.length)).toEqual([MAX_STATUSES, MAX_STATUSES, 1]);
    expect(
      new Set(
        batches()
          .flat()
          .map(({ executionId }) => executionId),
      ),
    ).toEqual(new Set(ids.map(id => executionOf(id))));
    expect(world.executor.argsOf('getStatus')).toEqual([]);
  });

  test('each goes its own way afterwards', async () => {
    const { world, ids, statuses, states } = await grouped(5);
    statuses.set(executionOf(ids[0]!), DONE);
    statuses.set(executionOf(ids[1]!), finished({ abnormalFinish: { status: 'FAILED', reason: 'no' } }));
    statuses.set(executionOf(ids[2]!), new Error('never heard of it'));
    statuses.set(executionOf(ids[3]!), new TransientError('busy'));
    await world.elapse(11 * MINUTE_MS);
    expect(await states()).toEqual(['FINISHED', 'ABNORMAL_FINISHED', 'ABNORMAL_FINISHED', 'EXECUTING', 'EXECUTING']);
    expect(resultOf(await world.attempt(ids[2]!))).toMatchObject({ abnormalFinish: { status: 'MISSING' } });
    // The interval has doubled for those that had nothing new.
    await world.elapse(11 * MINUTE_MS);
    expect(world.executor.argsOf('getStatuses')).toHaveLength(2);
    statuses.set(executionOf(ids[3]!), DONE);
    await world.elapse(11 * MINUTE_MS);
    expect((await states()).at(3)).toBe('FINISHED');
  });

  test('have no task of their own: the sweep finds them', async () => {
    const { world, tasks } = await grouped(3);
    expect(tasks).toEqual([]);
    world.clock.advance(11 * MINUTE_MS);
    await world.engine.sweep();
    expect(tasks.map(({ path }) => path)).toEqual(['polls']);
    // A slow queue is not filled twice with the same.
    await world.engine.sweep();
    expect(tasks).toHaveLength(1);
  });

  test('a task that comes twice asks once', async () => {
    const { world, tasks, batches } = await grouped(3);
    world.clock.advance(11 * MINUTE_MS);
    await world.engine.sweep();
    await Promise.all([world.deliver(tasks[0]), world.deliver(tasks[0])]);
    await world.deliver(tasks[0]);
    expect(batches().flat()).toHaveLength(3);
  });

  test('whoever made them dies: they are due again', async () => {
    const { world, tasks, batches, statuses, ids, states } = await grouped(3);
    world.clock.advance(11 * MINUTE_MS);
    await world.engine.sweep();
    world.executor.script.getStatuses = () => new Promise(() => {});
    void world.deliver(tasks.shift());
    await new Promise(resolve => setTimeout(resolve, 10));
    world.restart();
    world.executor.script.getStatuses = async handles => handles.map(() => DONE);
    for (const id of ids) statuses.set(executionOf(id), DONE);
    await world.elapse(2 * MINUTE_MS);
    expect(batches().length).toBeGreaterThan(1);
    expect(await states()).toEqual(['FINISHED', 'FINISHED', 'FINISHED']);
  });

  test('one that cannot be read is put off, and concerns no other', async () => {
    const { world, ids, statuses, states } = await grouped(3);
    const broken = executionOf(ids[1]!);
    for (const id of ids) statuses.set(executionOf(id), DONE);
    world.clock.advance(11 * MINUTE_MS);
    // A store that keeps the group beside the document goes on finding it there.
    await world.engine.sweep();
    world.store.corrupt('execution', broken);
    await world.settle();
    expect(await states()).toEqual(['FINISHED', 'EXECUTING', 'FINISHED']);
    expect(world.store.wakeTimes()).toEqual({ [broken]: world.clock.now() + HOUR_MS });
  });

  test('those whose claims lapse while others are asked about are left to the next sweep', async () => {
    const { world, ids, batches } = await grouped(7);
    world.executor.script.getStatuses = async handles => {
      world.clock.advance(MINUTE_MS);
      return handles.map(() => running());
    };
    world.clock.advance(11 * MINUTE_MS);
    const executions = await Promise.all(ids.map(id => world.execution(id)));
    await world.engine.pollTogether({
      wakes: executions.map((execution, n) => ({ id: executionOf(ids[n]!), revision: execution.revision })),
    });
    expect(batches()).toHaveLength(1);
    await world.elapse(0);
    expect(batches().flat()).toHaveLength(7);
  });

  test('a call that fails for now concerns all of them, and ends none', async () => {
    const { world, states, batches } = await grouped(3);
    world.executor.script.getStatuses = () => Promise.reject(new TransientError('busy', { retryAfterMs: 2 * HOUR_MS }));
    await world.elapse(11 * MINUTE_MS);
    expect(await states()).toEqual(['EXECUTING', 'EXECUTING', 'EXECUTING']);
    // The patience that was asked for, as far as there is any.
    await world.elapse(59 * MINUTE_MS);
    expect(batches()).toHaveLength(1);
    await world.elapse(2 * MINUTE_MS);
    expect(batches()).toHaveLength(2);
  });

  test('a call that fails for good, perhaps because of one of them, is made for each alone', async () => {
    const { world, states, statuses, ids } = await grouped(3);
    world.executor.script.getStatuses = () => Promise.reject(new Error('400: bad task id'));
    statuses.set(executionOf(ids[0]!), DONE);
    statuses.set(executionOf(ids[1]!), new Error('never heard of it'));
    await world.elapse(11 * MINUTE_MS);
    expect(await states()).toEqual(['FINISHED', 'ABNORMAL_FINISHED', 'EXECUTING']);
  });

  test.each<[string, readonly unknown[]]>([
    ['too few answers', [DONE]],
    ['nonsense', [17, DONE, { state: 'bored' }]],
    ['nothing at all', []],
  ])('an adapter that gives %s ends nothing that it did not mention', async (_, answers) => {
    const { world, states } = await grouped(3);
    world.executor.script.getStatuses = async () => answers as TaskStatus[];
    await world.elapse(11 * MINUTE_MS);
    expect((await states()).filter(state => state === 'ABNORMAL_FINISHED')).toEqual([]);
    expect((await states()).filter(state => state === 'FINISHED')).toHaveLength(answers.includes(DONE) ? 1 : 0);
  });

  test('a deadline is asked about alone, and on time', async () => {
    const world = createTestEngine({
      distributors: { echo: { type: 'fake', config: { timeouts: { run: '60s' } } } },
      script: {
        run: async () => ({ token: 'job', status: running() }),
        getStatus: async () => running(),
        getStatuses: async handles => handles.map(() => pending()),
        cancel: async () => {},
      },
    });
    const id = await world.submit();
    await world.settle();
    world.clock.advance(MINUTE_MS);
    await world.settle();
    expect(resultOf(await world.attempt(id))).toMatchObject({ abnormalFinish: { status: 'TIMED_OUT' } });
  });
});

describe('a reason tells why the executor could not be asked', () => {
  test('at the end of the time to start', async () => {
    const world = createTestEngine({
      distributors: { echo: { type: 'fake', config: { timeouts: { start: '60s' } } } },
      script: {
        run: () => Promise.reject(new TransientError('POST https://x.test/jobs answered 200 with what is not JSON')),
      },
    });
    world.executor.script.cancel = async () => {};
    const id = await world.submit();
    for (let i = 0; i < 3; i++) await world.elapse(MINUTE_MS);
    expect(resultOf(await world.attempt(id))).toEqual({
      abnormalFinish: {
        status: 'EXPIRED',
        reason:
          'not started within 60 s; the last call failed: POST https://x.test/jobs answered 200 with what is not JSON',
      },
    });
  });

  test('at the end of the time to run, unless it could be asked since', async () => {
    for (const [last, reason] of [
      [new TransientError('GET answered 503'), 'still running after 3600 s; the last call failed: GET answered 503'],
      [undefined, 'still running after 3600 s'],
    ] as const) {
      let asked = 0;
      const world = createTestEngine({
        distributors: { echo: { type: 'fake', config: { timeouts: { run: '3600s' } } } },
        script: {
          run: async () => ({ token: 'job', status: running() }),
          async getStatus() {
            if (asked++ === 0) throw new TransientError('no answer');
            if (last !== undefined) throw last;
            return running();
          },
          cancel: async () => {},
        },
      });
      const id = await world.submit();
      await world.settle();
      await world.elapse(11 * MINUTE_MS);
      await world.elapse(50 * MINUTE_MS);
      expect(resultOf(await world.attempt(id))).toEqual({ abnormalFinish: { status: 'TIMED_OUT', reason } });
    }
  });

  test('a start that is refused for who makes it ends at once, and says so', async () => {
    const forbidden = Object.assign(new Error('POST answered 403: grant roles/run.invoker'), { status: 403 });
    const world = createTestEngine({ script: { run: () => Promise.reject(forbidden) } });
    const id = await world.submit();
    await world.settle();
    expect(resultOf(await world.attempt(id))).toEqual({
      abnormalFinish: { status: 'REJECTED', reason: 'POST answered 403: grant roles/run.invoker' },
    });
    expect((await world.execution(id)).unwanted).toBeUndefined();
  });

  test('after an earlier start perhaps worked, the refusal leaves a job to be stopped', async () => {
    const forbidden = Object.assign(new Error('403'), { status: 403 });
    let calls = 0;
    const world = createTestEngine({
      script: { run: () => Promise.reject(calls++ === 0 ? new TransientError('no answer') : forbidden) },
    });
    world.executor.script.cancel = async () => {};
    const id = await world.submit();
    await world.settle();
    await world.elapse(MINUTE_MS);
    expect(resultOf(await world.attempt(id))).toMatchObject({ abnormalFinish: { status: 'REJECTED' } });
    expect(world.executor.argsOf('cancel')).toHaveLength(1);
  });
});
