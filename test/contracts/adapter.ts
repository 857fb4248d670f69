import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { type Distributor, TokenRequired } from '../../shared/adapters/contract.ts';
import { InvalidArgument, isTransient } from '../../shared/core/errors.ts';
import type { ExecutionId } from '../../shared/core/ids.ts';
import type { QuestDesc } from '../../shared/core/quest.ts';
import { normalizeStatus, type TaskStatus } from '../../shared/core/result.ts';
import { createDriver, describeTask, type FakeServices, questOf } from '../support/drive.ts';

/** One distributor with an executor behind it, made anew for every test. */
export interface AdapterFixture {
  distributor: Distributor;
  services: FakeServices;
  /** Accepted by `validate`; its job goes on until `finishJob`. */
  goodQuest: Partial<QuestDesc>;
  badQuests: readonly { quest: Partial<QuestDesc>; field: string }[];
  /** Base of the job function, for jobs that call back. */
  jobUrl?: string;
  /** How many jobs the executor was given so far. */
  jobs: () => number | Promise<number>;
  /** Lets the job of this execution come to its good end. */
  finishJob: (id: ExecutionId) => Promise<void>;
  close?: () => Promise<void>;
}

const STRANGE_TOKENS = [
  '',
  ' ',
  'x',
  '\0',
  '%',
  '%zz',
  '\ud800',
  '../..',
  'a|b',
  '{}',
  'https://[',
  'x'.repeat(20_000),
];

const STRANGE_DATA = [
  '',
  'no JSON',
  'null',
  '17',
  '"finished"',
  '[]',
  '{}',
  '{"state":"finished"}',
  '{"state":"gone"}',
  '{"state":"finished","result":{"data":[]}}',
  '{"state":"finished","result":{"abnormalFinish":{"status":"BORED","reason":1}}}',
  '\ud800',
  '['.repeat(100_000),
  `{"x":"${'x'.repeat(300_000)}"}`,
];

/** What every adapter promises, whatever its executor. */
export function adapterContract(name: string, createFixture: () => Promise<AdapterFixture>): void {
  async function setUp() {
    const fixture = await createFixture();
    if (fixture.close) onTestFinished(fixture.close);
    const quest = questOf(fixture.goodQuest);
    const describeExecution = (execution: number) =>
      describeTask(quest, { execution, ...(fixture.jobUrl !== undefined && { jobUrl: fixture.jobUrl }) });
    const driver = createDriver(fixture.distributor, fixture.services);

    async function start(execution = 1) {
      const task = describeExecution(execution);
      const { token } = await driver.run(task);
      await driver.settle();
      return { task, handle: { executionId: task.executionId, token } };
    }

    /** Waits until the executor says how the job ended. */
    async function ended(handle: { executionId: ExecutionId; token: string }): Promise<TaskStatus> {
      return vi.waitFor(
        async () => {
          await driver.settle();
          const status = await fixture.distributor.getStatus(handle, quest);
          expect(status.state).toBe('finished');
          return status;
        },
        { timeout: 20_000, interval: 20 },
      );
    }

    return { ...fixture, quest, describeExecution, driver, start, ended };
  }

  describe(`the ${name} adapter keeps the contract`, () => {
    test('run twice with the same execution id gives the same token and one job', async () => {
      const { driver, describeExecution, jobs, finishJob, ended } = await setUp();
      const task = describeExecution(1);
      const first = await driver.run(task);
      const second = await driver.run(describeExecution(1));
      await driver.settle();
      expect(second.token).toBe(first.token);
      await vi.waitFor(async () => expect(await jobs()).toBe(1), { timeout: 10_000 });
      await finishJob(task.executionId);
      await ended({ executionId: task.executionId, token: first.token });
      expect(await jobs()).toBe(1);
    });

    test('two executions have two tokens and two jobs', async () => {
      const { start, jobs } = await setUp();
      const [first, second] = [await start(1), await start(2)];
      expect(second.handle.token).not.toBe(first.handle.token);
      await vi.waitFor(async () => expect(await jobs()).toBe(2), { timeout: 10_000 });
    });

    test('a task of its own that is delivered twice at the same time does not start a second job', async () => {
      const { driver, describeExecution, jobs } = await setUp();
      await driver.run(describeExecution(1));
      await driver.settle({ twice: true });
      await vi.waitFor(async () => expect(await jobs()).toBe(1), { timeout: 10_000 });
    });

    test('a task of its own that comes when the execution has ended starts nothing', async () => {
      const { distributor, services, describeExecution, jobs } = await setUp();
      const { executionId } = describeExecution(1);
      await distributor.run(describeExecution(1));
      const begunByRun = await jobs();
      for (const { payload } of [...services.tasks.splice(0), { payload: {} }, { payload: { strange: [1] } }])
        await distributor.handleTaskQueueTask({ executionId, payload, retryCount: 3 });
      expect(await jobs()).toBe(begunByRun);
    });

    test('a job that runs is pending or running', async () => {
      const { distributor, start, quest } = await setUp();
      const { handle } = await start();
      const status = await distributor.getStatus(handle, quest);
      expect(['pending', 'running']).toContain(status.state);
      expect(normalizeStatus(status)).toEqual(status);
    });

    test('a job that came to its good end is finished with a result that is stored unchanged', async () => {
      const { driver, start, finishJob, ended } = await setUp();
      const { handle } = await start();
      await finishJob(handle.executionId);
      const status = await ended(handle);
      expect(status).toMatchObject({ result: { data: expect.any(Object) } });
      expect(normalizeStatus(status)).toEqual(status);
      const notified = driver.statusOf(handle.executionId);
      if (notified?.state === 'finished') expect(notified).toEqual(status);
    });

    test('its end is told again to whoever asks again', async () => {
      const { distributor, start, finishJob, ended, quest } = await setUp();
      const { handle } = await start();
      await finishJob(handle.executionId);
      const status = await ended(handle);
      expect(await distributor.getStatus(handle, quest)).toEqual(status);
    });

    test('a token that nobody knows is a final error', async () => {
      const { distributor, describeExecution, quest } = await setUp();
      const { executionId } = describeExecution(1);
      const error: unknown = await distributor.getStatus({ executionId, token: 'nobody-knows-it' }, quest).then(
        status => expect.fail(`answered ${JSON.stringify(status)}`),
        (thrown: unknown) => thrown,
      );
      expect(isTransient(error)).toBe(false);
    });

    test('a cancelled job comes to an end, and cancelling it again succeeds', async () => {
      const { distributor, driver, start, quest } = await setUp();
      const { handle } = await start();
      await distributor.cancel(handle, quest);
      await distributor.cancel(handle, quest);
      await vi.waitFor(
        async () => {
          await driver.settle();
          // Gone without a trace is an end, too.
          const status = await distributor.getStatus(handle, quest).catch((error: unknown) => {
            if (isTransient(error)) throw error;
          });
          if (status) expect(status.state).toBe('finished');
        },
        { timeout: 20_000, interval: 20 },
      );
      await distributor.cancel(handle, quest);
    });

    test('cancelling a job that has finished succeeds and does not change its end', async () => {
      const { distributor, start, finishJob, ended, quest } = await setUp();
      const { handle } = await start();
      await finishJob(handle.executionId);
      const status = await ended(handle);
      await distributor.cancel(handle, quest);
      expect(await distributor.getStatus(handle, quest)).toEqual(status);
    });

    test('cancelling what never was succeeds', async () => {
      const { distributor, describeExecution, quest } = await setUp();
      const { executionId } = describeExecution(7);
      await distributor.cancel({ executionId, token: 'nobody-knows-it' }, quest);
      await distributor.cancel({ executionId }, quest).catch((error: unknown) => {
        // The one error that says: not without a token.
        if (!(error instanceof TokenRequired)) throw error;
      });
    });

    test('infoUrl answers for any string, always the same', async () => {
      const { distributor, start } = await setUp();
      const { handle } = await start();
      for (const token of [handle.token, ...STRANGE_TOKENS]) {
        const url = distributor.infoUrl(token);
        expect(['string', 'undefined']).toContain(typeof url);
        expect(distributor.infoUrl(token)).toBe(url);
      }
    });

    test('strange notifications are survived and never invent a good end', async () => {
      const { distributor, start, quest } = await setUp();
      const { handle } = await start();
      for (const data of STRANGE_DATA) {
        const notification = { executionId: handle.executionId, data, attributes: {} };
        const status = await distributor.handleNotification(notification, quest).catch(() => undefined);
        if (status) expect(normalizeStatus(status)).toEqual(status);
        expect(status).not.toMatchObject({ result: { data: expect.anything() } });
      }
    });

    test('a notification that comes twice says the same twice', async () => {
      const { distributor, driver, start, finishJob, ended, quest } = await setUp();
      const { handle } = await start();
      await finishJob(handle.executionId);
      await ended(handle);
      for (const notification of driver.notifications) {
        const status = await distributor.handleNotification(notification, quest);
        expect(await distributor.handleNotification(notification, quest)).toEqual(status);
      }
    });

    test('validate accepts a good quest', async () => {
      const { distributor, quest } = await setUp();
      distributor.validate(quest);
    });

    test('validate names the field of a bad quest', async () => {
      const { distributor, badQuests } = await setUp();
      expect(badQuests.length).toBeGreaterThan(0);
      for (const { quest, field } of badQuests) {
        const thrown = catchError(() => distributor.validate(questOf(quest)));
        expect(thrown, `${field} of ${JSON.stringify(quest)}`).toBeInstanceOf(InvalidArgument);
        expect((thrown as InvalidArgument).field).toBe(field);
      }
    });
  });
}

function catchError(call: () => void): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return undefined;
}
