import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RunOutcome } from '../../shared/adapters/contract.ts';
import { ConflictError, TransientError } from '../../shared/core/errors.ts';
import { finished, running, type TaskStatus } from '../../shared/core/result.ts';
import { MINUTE_MS, SECOND_MS } from '../support/decide.ts';
import { createTestEngine, executionOf } from '../support/engine.ts';

/** A small generator of numbers in [0, 1), the same for the same seed (mulberry32). */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const ATTEMPTS = 8;
const STORM_STEPS = 200;

/** A world in which anything fails: tasks are lost, doubled and late, commits fail or their answers are lost, … */
async function weather(seed: number) {
  const next = chance(seed);
  const happens = (probability: number) => next() < probability;
  const jobs = new Map<string, { token: string; status: TaskStatus }>();
  let stormy = true;
  const maybeFail = () => {
    if (stormy && happens(0.3)) throw new TransientError('bad weather');
  };
  const world = createTestEngine({
    script: {
      async run({ executionId }): Promise<RunOutcome> {
        maybeFail();
        const job = jobs.get(executionId) ?? { token: `job-of-${executionId}`, status: running() };
        jobs.set(executionId, job);
        await world.executor.services().enqueueTask({ executionId, payload: {} });
        maybeFail();
        return { token: job.token, pollAfterMs: MINUTE_MS };
      },
      async getStatus({ executionId }) {
        maybeFail();
        return jobs.get(executionId)!.status;
      },
      async handleTaskQueueTask({ executionId }) {
        maybeFail();
        if (executionId === undefined) return [];
        jobs.get(executionId)!.status = finished({ data: { by: executionId } });
        return [{ executionId, data: 'done', attributes: {} }];
      },
      async handleNotification({ executionId }) {
        maybeFail();
        return jobs.get(executionId)?.status;
      },
    },
  });
  const { tasks, messages, store, clock } = world;

  const lost = new TransientError('bad weather');
  function disturbCommit() {
    if (happens(0.2)) store.onCommit(apply => (stormy ? Promise.reject(new ConflictError('bad weather')) : apply()));
    if (happens(0.1)) store.onCommit(apply => (stormy ? Promise.reject(lost) : apply()));
    if (happens(0.2)) store.onCommit(apply => apply().then(made => (stormy ? Promise.reject(lost) : made)));
  }

  async function step() {
    disturbCommit();
    if (happens(0.1)) clock.advance(Math.floor(next() * 30) * SECOND_MS);
    if (happens(0.05)) await world.engine.sweep();
    const message = happens(0.3) ? messages.splice(Math.floor(next() * messages.length), 1)[0] : undefined;
    if (message) await world.engine.receiveMessage(message).catch(() => messages.push(message));
    const task = tasks.splice(Math.floor(next() * tasks.length), 1)[0];
    // An adapter's task is durable; a wake-up may be lost, since the sweep makes up for it.
    if (task === undefined || (happens(0.3) && !task.path.startsWith('distributor/'))) return;
    const deliveries = happens(0.3) ? [task, task] : [task];
    const outcomes = await Promise.allSettled(deliveries.map(delivery => world.deliver(delivery)));
    if (outcomes.every(({ status }) => status === 'rejected')) tasks.push(task);
  }

  const ids = [];
  for (let n = 0; n < ATTEMPTS; n++) ids.push(await world.submit({ parameters: { n, seed } }));
  for (let i = 0; i < STORM_STEPS; i++) await step();
  stormy = false;
  for (let minutes = 0; minutes < 20; minutes++) await world.elapse(MINUTE_MS);
  return { world, ids, jobs };
}

test('after any storm every attempt has its one job’s result, and nothing is owed', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), async seed => {
      const { world, ids, jobs } = await weather(seed);
      for (const id of ids) {
        expect(await world.attempt(id)).toMatchObject({
          state: 'FINISHED',
          executions: 1,
          result: { data: { by: executionOf(id) } },
        });
      }
      expect([...jobs.keys()].toSorted()).toEqual(ids.map(id => executionOf(id)).toSorted());
      expect(world.store.wakeTimes()).toEqual({});
    }),
    { numRuns: 25 },
  );
});
