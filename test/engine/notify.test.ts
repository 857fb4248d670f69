import { describe, expect, test } from 'vitest';
import type { RunOutcome } from '../../shared/adapters/contract.ts';
import { TransientError } from '../../shared/core/errors.ts';
import { executionId, questId } from '../../shared/core/ids.ts';
import { finished, running, type TaskStatus } from '../../shared/core/result.ts';
import { authToken } from '../../shared/core/tokens.ts';
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../support/decide.ts';
import { createTestEngine, executionOf, KEYRING, start } from '../support/engine.ts';

const DONE = finished({ data: { answer: 42 } });
const SCRIPT = {
  run: start,
  handleNotification: async ({ data }: { data: string }) => JSON.parse(data) as TaskStatus,
};

async function launched(script: Parameters<typeof createTestEngine>[0] = { script: SCRIPT }) {
  const world = createTestEngine(script);
  const id = await world.submit();
  await world.settle();
  return { ...world, id, e: executionOf(id) };
}

describe('a notification', () => {
  test('reaches its adapter without the auth token, under either name', async () => {
    const { e, executor, notify, engine } = await launched();
    await notify(e, running(), { from: 'executor' });
    const { auth_token = '' } = executor.calls[0]!.args[0] as { prepareTopic?: never } as { auth_token?: string };
    expect(auth_token).toBe('');
    const token = authToken(KEYRING, { execution: e, distributor: 'echo' }, { issuedAt: 0, keyId: 'key-1' });
    await engine.receiveMessage({ data: JSON.stringify(running()), attributes: { pubsub_key: token } });
    expect(executor.argsOf('handleNotification')).toEqual([
      { executionId: e, data: '{"state":"running"}', attributes: { from: 'executor' } },
      { executionId: e, data: '{"state":"running"}', attributes: {} },
    ]);
  });

  const forKey = (execution: string, distributor: string, keyring = KEYRING) =>
    authToken(keyring, { execution: execution as never, distributor }, { issuedAt: 0, keyId: 'key-1' });
  const unknown = executionId(questId('A'.repeat(43)), 1, 1);
  const foreignKeys = { current: 'key-1', keys: { 'key-1': Buffer.alloc(32, 9) } };

  test.each<[string, (e: string) => Record<string, string>, string]>([
    ['without a token', () => ({}), 'forged'],
    ['with a token that is none', () => ({ auth_token: 'x.y' }), 'forged'],
    ['signed by another', e => ({ auth_token: forKey(e, 'echo', foreignKeys) }), 'forged'],
    ['for another execution than it names', e => ({ execution_id: e, auth_token: forKey(unknown, 'echo') }), 'forged'],
    ['of an execution that does not exist', () => ({ auth_token: forKey(unknown, 'echo') }), 'unknown execution'],
    ['of another distributor', e => ({ auth_token: forKey(e, 'other') }), 'another distributor'],
  ])('%s is acknowledged, counted and logged, and changes nothing', async (_, attributesFor, reason) => {
    const { id, e, engine, log, execution, executor } = await launched();
    const before = await execution(id);
    const message = { data: JSON.stringify(DONE), attributes: attributesFor(e) };
    expect(await engine.receiveMessage(message)).toBe(`dropped: ${reason}`);
    expect(await engine.receiveMessage(message)).toBe(`dropped: ${reason}`);
    expect(log.lines.filter(({ severity }) => severity === 'warn').map(({ fields }) => fields)).toMatchObject([
      { reason, count: 1 },
      { reason, count: 2 },
    ]);
    expect(JSON.stringify(log.lines)).not.toContain(message.attributes.auth_token ?? 'answer');
    expect(await execution(id)).toEqual(before);
    expect(executor.calls).toHaveLength(1);
  });

  test('speaks for its execution until 48 h after that has ended', async () => {
    const script = { ...SCRIPT, cancel: async () => Promise.reject(new Error('down')) };
    const { id, e, engine, clock, notify, execution } = await launched({ script });
    await engine.cancelAttempt(id, 'unwanted');
    clock.advance(48 * HOUR_MS);
    expect(await notify(e, running())).toBe('execution is ABNORMAL_FINISHED');
    clock.advance(1);
    expect(await notify(e, DONE)).toBe('dropped: too late');
    expect(await execution(id)).not.toHaveProperty('lateOutcome');
  });

  test('of an outcome that comes too late is kept as evidence', async () => {
    const { id, e, engine, notify, execution, store } = await launched();
    await engine.cancelAttempt(id, 'unwanted');
    expect(await notify(e, DONE)).toBe('finished');
    expect(await execution(id)).toMatchObject({ lateOutcome: DONE.state === 'finished' && DONE.result });
    expect(store.wakeTimes()).toEqual({});
  });

  test('of nothing of interest is acknowledged', async () => {
    const { e, notify } = await launched({ script: { ...SCRIPT, handleNotification: async () => undefined } });
    expect(await notify(e)).toBe('nothing of interest');
  });

  test('with a malformed result is a malformed result', async () => {
    const { id, e, notify, attempt } = await launched();
    await notify(e, { state: 'finished', result: { data: [] } });
    expect(await attempt(id)).toMatchObject({ result: { abnormalFinish: { status: 'RESULT_MALFORMED' } } });
  });

  test.each([new TransientError('busy'), { code: 'ECONNRESET' }, { status: 503 }])(
    'whose adapter fails for the moment (%j) comes again',
    async error => {
      const handleNotification = async () => Promise.reject(error);
      const { e, notify } = await launched({ script: { ...SCRIPT, handleNotification } });
      await expect(notify(e)).rejects.toBe(error);
    },
  );

  test('whose adapter fails for good becomes a poll at once, at most one in 30 s', async () => {
    let asked = 0;
    const script = {
      run: start,
      handleNotification: async () => Promise.reject(new Error('unreadable')),
      getStatus: async () => (asked++, running()),
    };
    const { e, notify, settle, elapse } = await launched({ script });
    for (let i = 0; i < 5; i++) {
      expect(await notify(e)).toBe('unreadable: polls instead');
      await settle();
    }
    expect(asked).toBe(1);
    await elapse(30 * SECOND_MS);
    expect(asked).toBe(2);
  });
});

describe('a notification that comes before the token', () => {
  async function startingUp(script = SCRIPT) {
    const answer = Promise.withResolvers<RunOutcome>();
    const world = createTestEngine({ script: { ...script, run: () => answer.promise } });
    const id = await world.submit();
    const delivery = world.deliver(world.tasks.shift());
    await expect.poll(() => world.executor.calls).toHaveLength(1);
    return {
      ...world,
      id,
      e: executionOf(id),
      answer: async (outcome: RunOutcome) => {
        answer.resolve(outcome);
        await delivery;
      },
    };
  }

  test('is kept, acknowledged, and read when the token is recorded', async () => {
    const { id, e, notify, answer, attempt, execution, store } = await startingUp();
    expect(await notify(e, running())).toBe('kept');
    expect(await notify(e, DONE)).toBe('kept');
    expect(await execution(id)).toMatchObject({ state: 'SCHEDULING', launch: { state: 'owed' } });
    await answer({ token: 'job-1' });
    expect(await attempt(id)).toMatchObject({ state: 'FINISHED', result: { data: { answer: 42 } } });
    expect(store.wakeTimes()).toEqual({});
  });

  test('is made up for by a poll in 30 s when reading it then fails', async () => {
    const script = {
      ...SCRIPT,
      handleNotification: async () => Promise.reject(new TransientError('busy')),
      getStatus: async () => DONE,
    };
    const { id, e, notify, answer, attempt, elapse } = await startingUp(script);
    await notify(e, DONE);
    await answer({ token: 'job-1', pollAfterMs: HOUR_MS });
    await elapse(30 * SECOND_MS);
    expect(await attempt(id)).toMatchObject({ state: 'FINISHED' });
  });

  test('is not lost when the execution ends first: it tells the late outcome once the token is known', async () => {
    const { id, e, notify, answer, execution, engine } = await startingUp({
      ...SCRIPT,
      cancel: async () => {},
    } as typeof SCRIPT);
    await notify(e, DONE);
    await engine.cancelAttempt(id, 'unwanted');
    expect(await execution(id)).toMatchObject({ state: 'ABNORMAL_FINISHED', kept: [{ data: JSON.stringify(DONE) }] });
    await answer({ token: 'job-1' });
    const late = await execution(id);
    expect(late).toMatchObject({ state: 'ABNORMAL_FINISHED', lateOutcome: { data: { answer: 42 } } });
    expect(late.kept).toBeUndefined();
  });

  test('is dropped when it is another distributor’s', async () => {
    const { e, notify } = await startingUp();
    const auth_token = authToken(KEYRING, { execution: e, distributor: 'other' }, { issuedAt: 0, keyId: 'key-1' });
    expect(await notify(e, DONE, { auth_token })).toBe('dropped: another distributor');
  });

  test('and is read while the token is being recorded, is not lost', async () => {
    const { id, e, notify, answer, attempt, store } = await startingUp();
    // The token is recorded between the look at the execution and the commit that keeps the message.
    store.onCommit(async apply => {
      await answer({ token: 'job-1' });
      return apply();
    });
    expect(await notify(e, DONE)).toBe('finished');
    expect(await attempt(id)).toMatchObject({ state: 'FINISHED' });
  });
});

describe('what an executor posts to the job function', () => {
  test('is published with its token, and ends the execution like any other', async () => {
    const { id, e, engine, messages, settle, attempt } = await launched();
    const token = authToken(KEYRING, { execution: e, distributor: 'echo' }, { issuedAt: 0, keyId: 'key-1' });
    await engine.publishNotification(e, token, JSON.stringify(DONE));
    expect(messages).toEqual([{ data: JSON.stringify(DONE), attributes: { execution_id: e, auth_token: token } }]);
    await settle();
    expect(await attempt(id)).toMatchObject({ state: 'FINISHED' });
  });

  test('needs the auth token of this execution', async () => {
    const { id, e, engine, messages } = await launched();
    const token = authToken(KEYRING, { execution: e, distributor: 'echo' }, { issuedAt: 0, keyId: 'key-1' });
    await expect(engine.publishNotification(executionOf(id, 2), token, '{}')).rejects.toThrow('auth token');
    await expect(engine.publishNotification(e, `${token}x`, '{}')).rejects.toThrow('auth token');
    expect(messages).toEqual([]);
  });
});

test('a poll every interval is what a lost notification costs', async () => {
  const { id, attempt, elapse } = await launched({ script: { ...SCRIPT, getStatus: async () => DONE } });
  await elapse(10 * MINUTE_MS);
  expect(await attempt(id)).toMatchObject({ state: 'FINISHED' });
});
