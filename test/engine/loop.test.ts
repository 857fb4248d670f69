import { describe, expect, test } from 'vitest';
import type { TaskDescription } from '../../shared/adapters/contract.ts';
import { ConflictError, TransientError } from '../../shared/core/errors.ts';
import type { AttemptId } from '../../shared/core/ids.ts';
import type { Version } from '../../shared/core/ports.ts';
import { finished, running, type TaskStatus } from '../../shared/core/result.ts';
import { MINUTE_MS, SECOND_MS } from '../support/decide.ts';
import { createTestEngine, executionOf, start, type TestEngine } from '../support/engine.ts';

type Apply = () => Promise<Version[]>;

const FAULTS: Record<string, (apply: Apply) => Promise<Version[]>> = {
  'a commit that meets a conflict': async () => Promise.reject(new ConflictError('someone else was first')),
  'a commit that fails for the moment': async () => Promise.reject(new TransientError('unavailable')),
  'a commit whose answer is lost': async apply => {
    await apply();
    throw new TransientError('the answer was lost');
  },
};

const DONE = finished({ data: { answer: 42 } });
const TOKEN = 'm'.repeat(43);

function createWorld(): TestEngine {
  return createTestEngine({
    script: {
      run: start,
      getStatus: async () => DONE,
      cancel: async () => {},
      handleNotification: async ({ data }) => JSON.parse(data) as TaskStatus,
    },
  });
}

const INTERACTIVE = { meta: { mode: 'interactive' } };

async function launched(world: TestEngine, desc: object = {}): Promise<AttemptId> {
  const id = await world.submit(desc);
  await world.settle();
  return id;
}

function activate(world: TestEngine, id: AttemptId): Promise<unknown> {
  const { executionAuth } = world.executor.argsOf('run')[0] as TaskDescription;
  return world.engine.activate(executionOf(id), { ...executionAuth, executionToken: TOKEN });
}

/** Each kind of event: what leads up to it, what it is, and where it must have led once the sweep had its time. */
const EVENTS: Record<string, (world: TestEngine, fault: () => void) => Promise<unknown>> = {
  'asking for an attempt': async (world, fault) => {
    fault();
    const id = await world.submit();
    return { id, settled: (await world.attempt(id)).revision };
  },
  launching: async (world, fault) => {
    const id = await world.submit();
    fault();
    await world.settle();
    await world.elapse(2 * MINUTE_MS);
    expect(await world.execution(id)).toMatchObject({ launch: { state: 'launched', token: 'job-1' } });
    return { runs: world.executor.argsOf('run').length > 0 };
  },
  'recording a token': async (world, fault) => {
    const id = await world.submit();
    world.store.onCommit(apply => apply());
    fault();
    await world.settle();
    expect(await world.execution(id)).toMatchObject({ launch: { state: 'launched', token: 'job-1' } });
    return world.executor.argsOf('run').length;
  },
  'a report': async (world, fault) => {
    const id = await launched(world);
    fault();
    await world.notify(executionOf(id), DONE);
    return world.attempt(id);
  },
  'a poll': async (world, fault) => {
    const id = await launched(world);
    world.clock.advance(10 * MINUTE_MS);
    await world.engine.sweep();
    fault();
    await world.settle();
    await world.elapse(2 * MINUTE_MS);
    return (await world.attempt(id)).state;
  },
  'activating and finishing': async (world, fault) => {
    const id = await launched(world, INTERACTIVE);
    fault();
    await activate(world, id);
    fault();
    await world.engine.finish(executionOf(id), { executionToken: TOKEN, data: { data: { by: 'job' } } });
    await world.notify(executionOf(id), DONE);
    return world.attempt(id);
  },
  'a notification before the token': async (world, fault) => {
    let outcome: unknown;
    world.executor.script.run = async task => {
      await world.notify(task.executionId, running());
      fault();
      outcome = await world.notify(task.executionId, DONE);
      return start(task);
    };
    const id = await launched(world);
    expect(outcome).toMatch(/^kept/);
    return (await world.attempt(id)).state;
  },
  'a notification that cannot be read': async (world, fault) => {
    world.executor.script.handleNotification = async () => Promise.reject(new Error('unreadable'));
    const id = await launched(world);
    fault();
    await world.notify(executionOf(id));
    await world.settle();
    await world.elapse(5 * SECOND_MS);
    return (await world.attempt(id)).state;
  },
  cancelling: async (world, fault) => {
    const id = await launched(world);
    fault();
    await world.engine.cancelAttempt(id, 'unwanted');
    await world.settle();
    for (let i = 0; i < 3; i++) await world.elapse(5 * SECOND_MS);
    expect(world.store.wakeTimes()).toEqual({});
    return world.attempt(id);
  },
};

describe.each(Object.entries(FAULTS))('%s makes no difference to', (_, faultyCommit) => {
  test.each(Object.entries(EVENTS))('%s', async (__, play) => {
    const world = createWorld();
    const [undisturbed, disturbed] = [
      await play(createWorld(), () => {}),
      await play(world, () => world.store.onCommit(faultyCommit)),
    ];
    const { updatedAt: _at, endedAt: _ended, ...expected } = undisturbed as Record<string, unknown>;
    if (typeof undisturbed === 'object') expect(disturbed).toMatchObject(expected);
    else expect(disturbed).toBe(undisturbed);
  });
});

test('a conflict that does not end is given back as transient, so that the delivery is repeated', async () => {
  const world = createWorld();
  for (let i = 0; i < 6; i++) world.store.onCommit(FAULTS['a commit that meets a conflict']!);
  await expect(world.submit()).rejects.toThrow(TransientError);
  await expect(world.submit()).resolves.toBeTypeOf('string');
});

test('a wake-up that cannot be enqueued is found by the sweep', async () => {
  const world = createWorld();
  const id = await world.submit();
  world.tasks.splice(0);
  await world.elapse(0);
  expect(await world.attempt(id)).toMatchObject({ state: 'EXECUTING' });
});

test('many attempts of one new quest at the same time all come to be', async () => {
  const world = createWorld();
  const desc = { distributorConfigName: 'echo' };
  const attempts = Array.from({ length: 100 }, (_, i) => i + 1);
  const ensured = await Promise.all([
    world.engine.ensureGraph({ quests: [{ desc, attempts }] }),
    world.engine.ensureGraph({ quests: [{ desc, attempts }] }),
  ]);
  expect(ensured.map(({ attempts: made }) => made.map(({ attempt: { attempt } }) => attempt))).toEqual([
    attempts,
    attempts,
  ]);
  expect(world.tasks.filter(({ path }) => path === 'run')).toHaveLength(100);
});
