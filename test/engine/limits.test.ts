import { describe, expect, test } from 'vitest';
import { ConflictError, TransientError } from '../../shared/core/errors.ts';
import { isLive } from '../../shared/core/execution.ts';
import { type AttemptId, attemptId, type ExecutionId, parseExecutionId } from '../../shared/core/ids.ts';
import { finished, pending, running, type TaskStatus } from '../../shared/core/result.ts';
import { slotId } from '../../shared/core/slot.ts';
import { MINUTE_MS, SECOND_MS } from '../support/decide.ts';
import { createTestEngine, executionOf, resultOf, type TestEngineOptions } from '../support/engine.ts';

const HOUR_MS = 60 * MINUTE_MS;
const DONE = finished({ data: {} });

/** A distributor with limits; its jobs go on until the test says otherwise. */
function limited(config: object, options: TestEngineOptions = {}) {
  const statuses = new Map<string, TaskStatus>();
  const started: string[] = [];
  const world = createTestEngine({
    distributors: { echo: { type: 'fake', config } },
    ...options,
    script: {
      async run({ executionId }) {
        started.push(executionId);
        statuses.set(executionId, statuses.get(executionId) ?? running());
        return { token: `job-of-${executionId}` };
      },
      getStatus: async ({ executionId }) => statuses.get(executionId) ?? pending(),
      handleNotification: async ({ executionId }) => statuses.get(executionId),
      cancel: async ({ executionId }) => void statuses.set(executionId, DONE),
      ...options.script,
    },
  });

  /** Different quests, one after the other, a second apart. */
  async function submitMany(count: number, desc: object = {}): Promise<AttemptId[]> {
    const ids: AttemptId[] = [];
    for (let n = 0; n < count; n++) {
      ids.push(await world.submit({ parameters: { n }, ...desc }));
      await world.settle();
      world.clock.advance(SECOND_MS);
    }
    return ids;
  }

  async function finish(id: AttemptId, status: TaskStatus = DONE): Promise<void> {
    statuses.set(executionOf(id), status);
    await world.notify(executionOf(id));
    await world.settle();
  }

  return { ...world, statuses, started, submitMany, finish, world };
}

function attemptOf(id: ExecutionId): AttemptId {
  const { quest, attempt } = parseExecutionId(id);
  return attemptId(quest, attempt);
}

const statesOf = async ({ world }: ReturnType<typeof limited>, ids: readonly AttemptId[]) =>
  Promise.all(ids.map(async id => (await world.attempt(id)).state));

describe('maxInFlight', () => {
  test('no more are started than there may be, and the rest waits without being an execution', async () => {
    const system = limited({ maxInFlight: 2 });
    const ids = await system.submitMany(5);
    expect(system.started).toEqual([executionOf(ids[0]!), executionOf(ids[1]!)]);
    expect(await statesOf(system, ids)).toEqual(['EXECUTING', 'EXECUTING', 'SCHEDULING', 'SCHEDULING', 'SCHEDULING']);
    expect((await system.attempt(ids[2]!)).executions).toBe(0);
  });

  test('those that wait are started in order of arrival, one for each job that ends', async () => {
    const system = limited({ maxInFlight: 2 });
    const ids = await system.submitMany(6);
    await system.finish(ids[1]!);
    await system.finish(ids[0]!);
    await system.finish(ids[2]!);
    expect(system.started).toEqual(ids.slice(0, 5).map(id => executionOf(id)));
    for (const id of ids.slice(3)) await system.finish(id);
    expect(await statesOf(system, ids)).toEqual(ids.map(() => 'FINISHED'));
    expect(system.store.wakeTimes()).toEqual({});
  });

  test('one that comes when a slot is free does not overtake those that wait', async () => {
    const system = limited({ maxInFlight: 1 });
    const [first, second] = await system.submitMany(2);
    // The slot is freed, and nobody is told yet.
    system.statuses.set(executionOf(first!), DONE);
    await system.notify(executionOf(first!));
    const held = system.tasks.splice(0);
    const third = await system.submit({ parameters: { n: 3 } });
    await system.settle();
    system.tasks.push(...held);
    await system.settle();
    expect(system.started).toEqual([executionOf(first!), executionOf(second!)]);
    await system.finish(second!);
    expect(system.started.at(-1)).toBe(executionOf(third));
  });

  test('a job that was timed out keeps its slot until it is known to be gone', async () => {
    const system = limited(
      { maxInFlight: 1, timeouts: { run: '60s' } },
      { script: { cancel: () => Promise.reject(new TransientError('busy')) } },
    );
    const [first, second] = await system.submitMany(2);
    await system.finish(first!, running());
    await system.elapse(2 * MINUTE_MS);
    await system.elapse(2 * MINUTE_MS);
    expect(resultOf(await system.attempt(first!))).toMatchObject({ abnormalFinish: { status: 'TIMED_OUT' } });
    expect(system.started).toEqual([executionOf(first!)]);
    // It is not told; it is asked, after a cancel that worked.
    system.executor.script.cancel = async () => {};
    system.statuses.set(executionOf(first!), DONE);
    for (let i = 0; i < 10; i++) await system.elapse(10 * MINUTE_MS);
    expect(system.started).toEqual([executionOf(first!), executionOf(second!)]);
  });

  test('a job that cannot be stopped gives its slot back when it is given up on', async () => {
    const system = limited(
      { maxInFlight: 1 },
      { script: { cancel: () => Promise.reject(new TransientError('busy')) } },
    );
    const [first, second] = await system.submitMany(2);
    await system.engine.cancelAttempt(first!, 'not wanted');
    for (let i = 0; i < 7 * 24 + 2; i++) await system.elapse(HOUR_MS);
    expect((await system.execution(first!)).unwanted).toMatchObject([{ abandoned: true }]);
    expect(system.started).toEqual([executionOf(first!), executionOf(second!)]);
  });

  test('a start that is refused, or a quest that is not valid any more, holds no slot', async () => {
    const system = limited({ maxInFlight: 1 }, { script: { run: () => Promise.reject(new Error('no such image')) } });
    const ids = await system.submitMany(4);
    expect(await statesOf(system, ids)).toEqual(ids.map(() => 'ABNORMAL_FINISHED'));
    system.restart({ distributors: {} });
    const id = await system.submit({ parameters: { n: 9 } }).catch(() => undefined);
    expect(id).toBeUndefined();
  });

  test('a retry stands at the end of the line', async () => {
    const system = limited({ maxInFlight: 1 });
    const [first, second] = await system.submitMany(2, { meta: { retry: { failed: 1 }, backoff: { initial: '1s' } } });
    await system.finish(first!, finished({ abnormalFinish: { status: 'FAILED', reason: 'no' } }));
    await system.elapse(MINUTE_MS);
    expect(system.started).toEqual([executionOf(first!), executionOf(second!)]);
    await system.finish(second!);
    expect(system.started.at(-1)).toBe(executionOf(first!, 2));
  });

  test('one that waits can be cancelled, and leaves the line', async () => {
    const system = limited({ maxInFlight: 1 });
    const [first, second, third] = await system.submitMany(3);
    await system.engine.cancelAttempt(second!, 'not wanted');
    await system.finish(first!);
    expect(system.started).toEqual([executionOf(first!), executionOf(third!)]);
  });

  test('waiting for a slot is no part of the time to start', async () => {
    const system = limited({ maxInFlight: 1, timeouts: { start: '60s', run: '0s' } });
    const [first, second] = await system.submitMany(2);
    for (let i = 0; i < 5; i++) await system.elapse(HOUR_MS);
    await system.finish(first!);
    expect((await system.attempt(second!)).state).toBe('EXECUTING');
    expect(isLive(await system.execution(second!))).toBe(true);
  });

  test('aliases of one distributor share its slots', async () => {
    const system = limited(
      {},
      { distributors: { echo: { type: 'fake', config: { maxInFlight: 1 } }, other: { alias: 'echo' } } },
    );
    const first = await system.submit({ distributorConfigName: 'other' });
    await system.settle();
    const second = await system.submit();
    await system.settle();
    expect(system.started).toEqual([executionOf(first)]);
    await system.finish(first);
    expect(system.started).toEqual([executionOf(first), executionOf(second)]);
  });

  test('one whose name stands for another distributor by now is started there, and both keep their slots', async () => {
    const file = (target: string) => ({
      echo: { type: 'fake', config: { maxInFlight: 1 } },
      other: { type: 'fake', config: { maxInFlight: 1 } },
      named: { alias: target },
    });
    const system = limited({}, { distributors: file('echo') });
    const [first] = await system.submitMany(1);
    const [second] = await system.submitMany(1, { distributorConfigName: 'named' });
    const [third] = await system.submitMany(1, { parameters: { n: 3 } });
    system.restart({ distributors: file('other') });
    await system.finish(first!);
    expect(new Set(system.started)).toEqual(new Set([first!, second!, third!].map(id => executionOf(id))));
    for (const id of [second!, third!]) await system.finish(id);
    for (const name of ['echo', 'other'])
      expect((await system.store.get('slot', slotId(name, 'job', 1)))?.doc.holder).toBeUndefined();
    expect(system.store.wakeTimes()).toEqual({});
  });

  test('a higher limit holds from the next start on, a lower one as jobs end, and none at all lets everybody go', async () => {
    const system = limited({ maxInFlight: 2 });
    const ids = await system.submitMany(8);
    const limit = (maxInFlight?: number) =>
      system.restart({
        distributors: { echo: { type: 'fake', config: maxInFlight === undefined ? {} : { maxInFlight } } },
      });
    limit(3);
    await system.elapse(2 * HOUR_MS);
    expect(system.started).toHaveLength(3);
    limit(1);
    await system.finish(ids[1]!);
    await system.finish(ids[2]!);
    await system.elapse(2 * HOUR_MS);
    expect(system.started).toHaveLength(3);
    await system.finish(ids[0]!);
    expect(system.started).toHaveLength(4);
    limit();
    await system.elapse(2 * HOUR_MS);
    expect(system.started).toHaveLength(8);
  });

  test('one in line that cannot be read or started does not hold up those behind it', async () => {
    const system = limited({ maxInFlight: 1 });
    const ids = await system.submitMany(4);
    system.store.corrupt('attempt', ids[1]!);
    const { quest } = await system.attempt(ids[2]!);
    system.store.remove('quest', quest);
    system.restart();
    await system.finish(ids[0]!);
    expect(system.started).toEqual([executionOf(ids[0]!), executionOf(ids[3]!)]);
    expect(system.log.lines.filter(({ message }) => message.includes('cannot be started'))).toHaveLength(1);
  });
});

describe('nobody is forgotten', () => {
  test('a slot that cannot be read does not keep its holder from its end', async () => {
    const system = limited({ maxInFlight: 1 });
    const [first] = await system.submitMany(1);
    system.store.corrupt('slot', slotId('echo', 'job', 1));
    await system.finish(first!);
    expect((await system.attempt(first!)).state).toBe('FINISHED');
    expect(system.store.wakeTimes()).toEqual({});
    expect(system.log.lines.filter(({ message }) => message.includes('slot'))).toHaveLength(1);
  });

  test('a slot that has another holder by now is left to it', async () => {
    const system = limited({ maxInFlight: 1 });
    const [first] = await system.submitMany(1);
    const id = slotId('echo', 'job', 1);
    const { doc, version } = (await system.store.get('slot', id))!;
    const taken = { ...doc, revision: doc.revision + 1, holder: 'somebody else' };
    await system.store.commit([{ kind: 'slot', doc: taken, ifVersion: version }]);
    await system.finish(first!);
    expect((await system.attempt(first!)).state).toBe('FINISHED');
    expect((await system.store.get('slot', id))?.doc).toEqual(taken);
  });

  test('a slot is freed between the look for one and standing in line', async () => {
    const system = limited({ maxInFlight: 1 });
    const [first] = await system.submitMany(1);
    const second = await system.submit({ parameters: { n: 2 } });
    // All that becomes of the first happens just before the second stands in line.
    system.store.onCommit(async apply => {
      system.statuses.set(executionOf(first!), DONE);
      await system.notify(executionOf(first!));
      for (const task of system.tasks.splice(0)) await system.deliver(task);
      return apply();
    });
    await system.settle();
    expect(system.started).toEqual([executionOf(first!), executionOf(second)]);
  });

  test('whoever frees a slot dies right after: the sweep starts the next', async () => {
    const system = limited({ maxInFlight: 1 });
    const [first, second] = await system.submitMany(2);
    system.statuses.set(executionOf(first!), DONE);
    await system.notify(executionOf(first!));
    system.tasks.length = 0;
    system.restart();
    await system.elapse(MINUTE_MS);
    expect(system.started).toEqual([executionOf(first!), executionOf(second!)]);
  });

  test('one dies after it stood in line and before it looked: it is started within two minutes', async () => {
    const system = limited({ maxInFlight: 1 });
    const [first] = await system.submitMany(1);
    const second = await system.submit({ parameters: { n: 2 } });
    system.store.onCommit(async apply => {
      const versions = await apply();
      system.restart();
      return versions;
    });
    void system.deliver(system.tasks.shift());
    await new Promise(resolve => setTimeout(resolve, 10));
    // Nobody was in line when this slot was freed, as far as its delivery saw.
    await system.finish(first!);
    await system.elapse(2 * MINUTE_MS);
    expect(system.started).toEqual([executionOf(first!), executionOf(second)]);
  });

  test('a start whose commit was perhaps applied is neither lost nor made twice', async () => {
    for (const applied of [true, false]) {
      const system = limited({ maxInFlight: 1 });
      const [first, second] = await system.submitMany(2);
      system.statuses.set(executionOf(first!), DONE);
      await system.notify(executionOf(first!));
      system.store.onCommit(async apply => {
        if (applied) await apply();
        throw new TransientError('no answer');
      });
      const task = system.tasks.shift();
      await expect(system.deliver(task)).rejects.toThrow(TransientError);
      await system.deliver(task);
      for (let i = 0; i < 3; i++) await system.elapse(MINUTE_MS);
      expect(system.started).toEqual([executionOf(first!), executionOf(second!)]);
    }
  });

  test('a start that cannot be recorded while the next one is looked for ends no process', async () => {
    const system = limited({ maxInFlight: 2 });
    const ids = await system.submitMany(4);
    for (const id of ids.slice(0, 2)) {
      system.statuses.set(executionOf(id), DONE);
      await system.notify(executionOf(id));
    }
    system.tasks.length = 0;
    const unhandled: unknown[] = [];
    const listen = (reason: unknown) => void unhandled.push(reason);
    process.on('unhandledRejection', listen);
    // The first two looks find somebody to start; the third takes its time, and meanwhile the second start fails.
    const { listQueued } = system.store;
    let looks = 0;
    system.store.listQueued = async (...args) => {
      if (++looks > 3) await new Promise(resolve => setTimeout(resolve, 20));
      return listQueued(...args);
    };
    system.executor.script.run = async ({ executionId }) => {
      if (executionId === executionOf(ids[3]!)) system.store.onCommit(() => Promise.reject(new Error('disk full')));
      return { token: executionId };
    };
    await system.submit({ parameters: { n: 9 } });
    await expect(system.deliver(system.tasks.shift())).resolves.toBe('postponed');
    process.off('unhandledRejection', listen);
    expect(looks).toBeGreaterThan(3);
    expect(unhandled).toEqual([]);
  });

  test('the clock of whoever looks is behind that of whoever had the first one stand in line', async () => {
    const system = limited({ maxInFlight: 1 });
    const [first, second] = await system.submitMany(2);
    const { now } = system.clock;
    system.clock.now = () => now() - MINUTE_MS;
    system.restart();
    await system.finish(first!);
    expect(system.started).toEqual([executionOf(first!), executionOf(second!)]);
  });

  test('a call that never comes back holds up those behind it in its process for a while, and not for ever', async () => {
    const system = limited({ maxInFlight: 2 });
    await system.world.submit({ parameters: { n: 1 } });
    system.store.onCommit(() => new Promise(() => {}));
    void system.deliver(system.tasks.shift());
    await new Promise(setImmediate);
    const second = await system.world.submit({ parameters: { n: 2 } });
    const delivered = system.deliver(system.tasks.shift());
    await new Promise(setImmediate);
    expect(system.started).toEqual([]);
    system.clock.advance(MINUTE_MS);
    await delivered;
    expect(system.started).toEqual([executionOf(second)]);
  });

  test('a whole line whose name stands for another distributor by now fails no delivery', async () => {
    const echo = { type: 'fake', config: { maxInFlight: 1 } };
    const system = limited({}, { distributors: { echo, other: echo } });
    const ids = await system.submitMany(12, { distributorConfigName: 'other' });
    system.restart({ distributors: { echo, other: { alias: 'echo' } } });
    for (const _ of ids) await system.finish(attemptOf(system.started.at(-1) as ExecutionId));
    expect(new Set(system.started)).toEqual(new Set(ids.map(id => executionOf(id))));
  });

  test('standing in line whose commit was perhaps applied', async () => {
    const system = limited({ maxInFlight: 1 });
    const [first] = await system.submitMany(1);
    const second = await system.submit({ parameters: { n: 2 } });
    system.store.onCommit(async apply => {
      await apply();
      throw new TransientError('no answer');
    });
    await system.settle();
    await system.finish(first!);
    expect(system.started).toEqual([executionOf(first!), executionOf(second)]);
  });

  test('the same wake-up of a slot twice starts one', async () => {
    const system = limited({ maxInFlight: 1 });
    const [first, second] = await system.submitMany(3);
    system.statuses.set(executionOf(first!), DONE);
    await system.notify(executionOf(first!));
    const [task] = system.tasks.splice(0);
    await Promise.all([system.deliver(task), system.deliver(task), system.deliver(task)]);
    expect(system.started).toEqual([executionOf(first!), executionOf(second!)]);
  });

  test('many slots that are freed at once start as many, in order', async () => {
    const system = limited({ maxInFlight: 5 });
    const ids = await system.submitMany(12);
    for (const id of ids.slice(0, 5)) {
      system.statuses.set(executionOf(id), DONE);
      await system.notify(executionOf(id));
    }
    await Promise.all(system.tasks.splice(0).map(task => system.deliver(task)));
    expect(system.started).toEqual(ids.slice(0, 10).map(id => executionOf(id)));
  });

  test('others write the same documents all the time', async () => {
    const system = limited({ maxInFlight: 1 });
    const [first, second] = await system.submitMany(2);
    for (let i = 0; i < 3; i++) system.store.onCommit(() => Promise.reject(new ConflictError('somebody else')));
    await system.finish(first!);
    expect(system.started).toEqual([executionOf(first!), executionOf(second!)]);
  });
});

describe('maxStartsPerSecond', () => {
  test('no more are started in any second', async () => {
    const system = limited({ maxStartsPerSecond: 2 });
    const times: number[] = [];
    system.executor.script.run = async ({ executionId }) => {
      times.push(system.clock.now());
      return { token: executionId };
    };
    for (let n = 0; n < 7; n++) await system.submit({ parameters: { n } });
    for (let i = 0; i < 60; i++) {
      await system.settle();
      system.clock.advance(100);
    }
    expect(times).toHaveLength(7);
    for (const at of times)
      expect(times.filter(time => time > at - SECOND_MS && time <= at).length).toBeLessThanOrEqual(2);
    expect(times.at(-1)! - times[0]!).toBeLessThan(4 * SECOND_MS);
  });

  test.each([0.5, 2.5])('%d a second', async rate => {
    const system = limited({ maxStartsPerSecond: rate });
    for (let n = 0; n < 30; n++) await system.submit({ parameters: { n } });
    for (let i = 0; i < 100; i++) {
      await system.settle();
      system.clock.advance(100);
    }
    expect(Math.abs(system.started.length - rate * 10)).toBeLessThanOrEqual(Math.ceil(rate));
  });

  test('together with a limit of jobs, both hold', async () => {
    const system = limited({ maxInFlight: 2, maxStartsPerSecond: 1 });
    const ids: AttemptId[] = [];
    for (let n = 0; n < 4; n++) ids.push(await system.submit({ parameters: { n } }));
    await system.settle();
    expect(system.started).toHaveLength(1);
    system.clock.advance(SECOND_MS);
    await system.settle();
    expect(system.started).toHaveLength(2);
    for (let i = 0; i < 5; i++) {
      system.clock.advance(SECOND_MS);
      await system.settle();
    }
    expect(system.started).toHaveLength(2);
    for (const id of [...system.started]) {
      system.statuses.set(id, DONE);
      await system.notify(id as ReturnType<typeof executionOf>);
    }
    for (let i = 0; i < 5; i++) {
      await system.settle();
      system.clock.advance(SECOND_MS);
    }
    expect(system.started).toHaveLength(4);
    expect(new Set(system.started)).toEqual(new Set(ids.map(id => executionOf(id))));
  });

  test('at rest nothing is owed', async () => {
    const system = limited({ maxStartsPerSecond: 1 });
    const [id] = await system.submitMany(1);
    await system.finish(id!);
    await system.elapse(MINUTE_MS);
    expect(system.store.wakeTimes()).toEqual({});
    expect((await system.store.get('slot', slotId('echo', 'start', 1)))?.doc.holder).toBe(executionOf(id!));
  });
});
