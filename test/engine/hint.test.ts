import { describe, expect, test } from 'vitest';
import type { Distributor, RunOutcome } from '../../shared/adapters/contract.ts';
import { executionName, executionOfName } from '../../shared/adapters/execution-name.ts';
import { TransientError } from '../../shared/core/errors.ts';
import type { UnwantedJob } from '../../shared/core/execution.ts';
import { type ExecutionId, executionId, questId } from '../../shared/core/ids.ts';
import type { TopicMessage } from '../../shared/core/ports.ts';
import { finished, pending, running, type TaskStatus } from '../../shared/core/result.ts';
import { authToken } from '../../shared/core/tokens.ts';
import { HOUR_MS, SECOND_MS } from '../support/decide.ts';
import { createTestEngine, executionOf, KEYRING, start } from '../support/engine.ts';

const DONE = finished({ data: { answer: 42 } });
const FORGED = finished({ data: { forged: true } });
const UNKNOWN = executionId(questId('A'.repeat(43)), 1, 1);
const SPACING_MS = 30 * SECOND_MS;

/** What a service would publish about the job of an execution, whatever it says of its state. */
function about(id: ExecutionId, data: unknown = FORGED, attributes = {}): TopicMessage {
  return { data: JSON.stringify(data), attributes: { job: executionName(id), ...attributes } };
}

/** An executor that publishes to a topic, and its job that goes on until `status` says otherwise. */
function world(script: Partial<Distributor> = {}, distributors = {}) {
  const executor: { status: TaskStatus } = { status: running() };
  const engine = createTestEngine({
    script: {
      run: async task => ({ ...(await start(task)), pollAfterMs: HOUR_MS }),
      getStatus: async () => executor.status,
      executionOf: ({ attributes }) => executionOfName(attributes.job ?? ''),
      ...script,
    },
    distributors: {
      echo: { type: 'fake', config: { topic: 'builds' } },
      other: { type: 'fake', config: { topic: 'projects/their-project/topics/batch' } },
      twin: { type: 'fake', config: { topic: 'builds', site: 'second' } },
      nickname: { alias: 'echo' },
      ...distributors,
    },
  });
  return { ...engine, executor: { ...engine.executor, job: executor } };
}

async function launched(script: Partial<Distributor> = {}) {
  const all = world(script);
  const id = await all.submit();
  await all.settle();
  const polls = () => all.executor.argsOf('getStatus').length;
  return { ...all, id, e: executionOf(id), polls, hint: all.engine.receiveHint };
}

const warnings = ({ log }: Pick<ReturnType<typeof world>, 'log'>) =>
  log.lines.filter(({ severity }) => severity !== 'info').map(({ fields }) => fields.reason);

describe('a hint', () => {
  test('has the executor asked at once, whose word is all that counts', async () => {
    const { id, e, hint, executor, settle, attempt, execution } = await launched();
    executor.job.status = DONE;
    expect(await hint('echo', about(e))).toBe('asks the executor');
    await settle();
    expect(await attempt(id)).toMatchObject({ state: 'FINISHED', result: { data: { answer: 42 } } });
    expect(JSON.stringify(await execution(id))).not.toContain('forged');
    expect(executor.argsOf('handleNotification')).toEqual([]);
  });

  test('is read by the distributor that an alias stands for', async () => {
    const { e, hint } = await launched();
    expect(await hint('nickname', about(e))).toBe('asks the executor');
  });

  test('reaches the adapter without tokens, which prove nothing here', async () => {
    const seen: TopicMessage[] = [];
    const { e, hint } = await launched({ executionOf: message => (seen.push(message), undefined) });
    await hint('echo', about(e, {}, { auth_token: 'secret', pubsub_key: 'secret', execution_id: e }));
    expect(seen).toEqual([{ data: '{}', attributes: { job: executionName(e), execution_id: e } }]);
  });

  const throwing = (thrown: unknown) => ({
    executionOf: () => {
      throw thrown;
    },
  });
  const answering = (answer: unknown) => ({ executionOf: () => answer as ExecutionId });

  test.each<[string, Partial<Distributor>]>([
    ['of a job that is not ours', { executionOf: () => undefined }],
    ['of an execution that does not exist', answering(UNKNOWN)],
    ['that the adapter stumbles over', throwing(new Error('unexpected token "secret"'))],
    ['that the adapter calls transient', throwing(new TransientError('later'))],
    ['over which the adapter throws nothing', throwing(undefined)],
    ['that the adapter answers with an attempt', answering(`${'A'.repeat(43)}|1`)],
    ['that the adapter answers with a number', answering(7)],
    ['that the adapter answers with null', answering(null)],
    ['that the adapter answers with an object', answering({ toString: () => UNKNOWN })],
  ])('%s is acknowledged, and no reason for a warning', async (_, script) => {
    const all = await launched(script);
    const before = await all.execution(all.id);
    expect(await all.hint('echo', about(all.e))).toBe('nothing of interest');
    expect(await all.execution(all.id)).toEqual(before);
    expect(warnings(all)).toEqual([]);
    expect(JSON.stringify(all.log.lines)).not.toContain('secret');
  });

  test('of a distributor that is not in the file (any more) is dropped', async () => {
    const all = await launched();
    for (const name of ['gone', '', 'constructor', '__proto__'])
      expect(await all.hint(name, about(all.e))).toBe('dropped: unknown distributor');
    expect(all.log.lines.at(-1)).toMatchObject({ severity: 'warn', fields: { count: 4 } });
    expect(all.polls()).toBe(0);
  });

  test('of a type that reads no messages is nothing of interest', async () => {
    const all = world();
    delete all.executor.script.executionOf;
    const e = executionOf(await all.submit());
    expect(await all.engine.receiveHint('echo', about(e))).toBe('nothing of interest');
  });

  test('that names the execution of another distributor is dropped', async () => {
    const all = await launched();
    const before = await all.execution(all.id);
    expect(await all.hint('other', about(all.e))).toBe('dropped: another distributor');
    expect(await all.execution(all.id)).toEqual(before);
    expect(warnings(all)).toEqual(['another distributor']);
  });

  test('that names the execution of one that shares the topic is that one’s business', async () => {
    const all = await launched();
    expect(await all.hint('twin', about(all.e))).toBe('nothing of interest');
    expect(warnings(all)).toEqual([]);
  });

  test('of a document that cannot be read is dropped', async () => {
    const all = await launched();
    all.store.corrupt('execution', all.e);
    expect(await all.hint('echo', about(all.e))).toBe('dropped: unreadable document');
  });
});

describe('hints', () => {
  test('that come twice and late change nothing', async () => {
    const { id, e, hint, executor, settle, execution, polls } = await launched();
    executor.job.status = DONE;
    expect(await hint('echo', about(e))).toBe('asks the executor');
    expect(await hint('echo', about(e))).toBe('a poll is near');
    await settle();
    const ended = await execution(id);
    expect(await hint('echo', about(e))).toBe('ended already');
    expect(await hint('echo', about(e, running()))).toBe('ended already');
    await settle();
    expect(await execution(id)).toEqual(ended);
    expect(polls()).toBe(1);
  });

  test('that come out of order lead to what the executor says last', async () => {
    const { id, e, hint, executor, settle, elapse, attempt, execution } = await launched({
      run: async task => ({ ...(await start(task)), status: pending() }),
    });
    executor.job.status = running();
    await hint('echo', about(e, DONE));
    await settle();
    expect(await execution(id)).toMatchObject({ state: 'RUNNING' });
    executor.job.status = DONE;
    expect(await hint('echo', about(e, running()))).toBe('asks the executor');
    await elapse(SPACING_MS);
    expect(await attempt(id)).toMatchObject({ state: 'FINISHED', result: { data: { answer: 42 } } });
  });

  test('by the thousand cost at most one poll in 30 s', async () => {
    const { id, e, hint, settle, elapse, polls, execution } = await launched();
    const { revision } = await execution(id);
    await Promise.all(Array.from({ length: 500 }, () => hint('echo', about(e))));
    await settle();
    for (let i = 0; i < 500; i++) {
      await hint('echo', about(e));
      await settle();
    }
    expect(polls()).toBe(1);
    // Two hints that are followed, and a poll: its claim and its record.
    expect((await execution(id)).revision - revision).toBe(4);
    await elapse(SPACING_MS);
    expect(polls()).toBe(2);
    await elapse(SPACING_MS);
    expect(polls()).toBe(2);
  });
});

describe('a hint that comes before the token', () => {
  async function startingUp(script: Partial<Distributor> = {}) {
    const answer = Promise.withResolvers<RunOutcome>();
    const all = world({ run: () => answer.promise, ...script });
    const id = await all.submit();
    const delivery = all.deliver(all.tasks.shift());
    await expect.poll(() => all.executor.calls).toHaveLength(1);
    return {
      ...all,
      id,
      e: executionOf(id),
      hint: all.engine.receiveHint,
      answer: async (outcome: RunOutcome) => {
        answer.resolve(outcome);
        await delivery;
      },
    };
  }

  test('is kept without its tokens, and read by the adapter once the token is recorded', async () => {
    const asked = { handleNotification: async () => DONE };
    const { id, e, hint, answer, attempt, execution, executor } = await startingUp(asked);
    const auth_token = authToken(KEYRING, { execution: e, distributor: 'echo' }, { issuedAt: 0, keyId: 'key-1' });
    expect(await hint('echo', about(e, FORGED, { auth_token }))).toBe('kept');
    expect(await hint('echo', about(e, FORGED))).toBe('kept already');
    expect(JSON.stringify(await execution(id))).not.toContain(auth_token);
    await answer({ token: 'job-1' });
    expect(executor.argsOf('handleNotification')).toEqual([{ executionId: e, ...about(e) }]);
    expect(await attempt(id)).toMatchObject({ state: 'FINISHED', result: { data: { answer: 42 } } });
    expect(await execution(id)).not.toHaveProperty('kept');
  });

  test('is kept within the bounds of all notifications', async () => {
    const { id, e, hint, execution } = await startingUp();
    for (let i = 0; i < 5; i++) await hint('echo', about(e, i));
    expect((await execution(id)).kept).toEqual([about(e, 3), about(e, 4)]);
    await hint('echo', about(e, 'x'.repeat(400 * 1024)));
    expect((await execution(id)).kept?.at(-1)).toEqual({ data: '', attributes: {} });
  });

  test('while the token is being recorded, has the executor asked', async () => {
    const { id, e, hint, answer, execution, store, executor, elapse, attempt } = await startingUp();
    executor.job.status = DONE;
    store.onCommit(async apply => {
      await answer({ token: 'job-1', pollAfterMs: HOUR_MS });
      return apply();
    });
    expect(await hint('echo', about(e))).toBe('asks the executor');
    expect(await execution(id)).not.toHaveProperty('kept');
    await elapse(SPACING_MS);
    expect(await attempt(id)).toMatchObject({ state: 'FINISHED' });
  });
});

describe('a hint about a job that should be gone', () => {
  /** Cancelled, and resisting until what it needs next is far away. */
  async function cancelled(need: UnwantedJob['need'] = 'confirm', script: Partial<Distributor> = {}) {
    const all = await launched({ cancel: async () => {}, ...script });
    await all.engine.cancelAttempt(all.id, 'unwanted');
    await all.settle();
    const jobOf = async () => (await all.execution(all.id)).unwanted?.[0];
    for (let job = await jobOf(); job !== undefined; job = await jobOf()) {
      if (job.need === need && (job.nextAt ?? 0) > all.clock.now() + 2 * SPACING_MS) break;
      await all.elapse(SPACING_MS);
    }
    return { ...all, nextAt: async () => (await jobOf())?.nextAt ?? 0 };
  }

  test('brings the next look at it forward, and so lets it be forgotten', async () => {
    const { id, e, hint, executor, elapse, execution, nextAt, clock } = await cancelled();
    const before = await nextAt();
    expect(before).toBeGreaterThan(clock.now() + SPACING_MS);
    executor.job.status = FORGED;
    expect(await hint('echo', about(e))).toBe('asks the executor');
    expect(await nextAt()).toBeLessThanOrEqual(clock.now() + SPACING_MS);
    await elapse(SPACING_MS);
    expect(await execution(id)).not.toHaveProperty('unwanted.0');
    expect(await hint('echo', about(e))).toBe('ended already');
  });

  test('by the thousand has it looked at once in 30 s', async () => {
    const { e, hint, elapse, settle, polls } = await cancelled();
    const before = polls();
    for (let i = 0; i < 1000; i++) {
      await hint('echo', about(e));
      await settle();
    }
    await elapse(SPACING_MS - 1);
    expect(polls() - before).toBeLessThanOrEqual(1);
    await hint('echo', about(e));
    await elapse(SPACING_MS);
    expect(polls() - before).toBeLessThanOrEqual(2);
  });

  test('that could not be cancelled yet is left to the next cancel', async () => {
    const { id, e, hint, execution, polls } = await cancelled('cancel', {
      cancel: () => Promise.reject(new TransientError('down')),
    });
    const before = await execution(id);
    const looks = polls();
    expect(await hint('echo', about(e))).toBe('nothing to bring forward');
    expect(await execution(id)).toEqual(before);
    expect(polls()).toBe(looks);
  });
});
