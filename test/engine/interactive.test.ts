import { describe, expect, test } from 'vitest';
import type { TaskDescription } from '../../shared/adapters/contract.ts';
import { abnormal, finished, running, type TaskStatus } from '../../shared/core/result.ts';
import { MINUTE_MS, SECOND_MS } from '../support/decide.ts';
import { answerOf, createTestEngine, executionOf, start } from '../support/engine.ts';

const INTERACTIVE = { meta: { mode: 'interactive' } };
const [MINE, OTHER] = ['m'.repeat(43), 'o'.repeat(43)];
const SCRIPT = {
  run: start,
  handleNotification: async ({ data }: { data: string }) => JSON.parse(data) as TaskStatus,
};

async function launched(script = SCRIPT) {
  const world = createTestEngine({ script });
  const id = await world.submit(INTERACTIVE);
  await world.settle();
  const task = world.executor.calls[0]!.args[0] as TaskDescription;
  const { activationToken } = task.executionAuth;
  return {
    ...world,
    id,
    e: executionOf(id),
    activationToken,
    activate: (executionToken = MINE) => world.engine.activate(executionOf(id), { activationToken, executionToken }),
    finish: (data: object, executionToken = MINE) =>
      world.engine.finish(executionOf(id), { executionToken, data: { data: data as never } }),
  };
}

describe('an interactive job', () => {
  test('activates, finishes its attempt, and its executor reports the persistent state', async () => {
    const { id, e, activate, finish, notify, attempt, execution, store } = await launched();
    await notify(e, running());
    expect(await execution(id)).toMatchObject({ state: 'SCHEDULING' });
    await activate();
    expect(await execution(id)).toMatchObject({ state: 'RUNNING' });
    await finish({ answer: 42 });
    expect(await execution(id)).toMatchObject({ state: 'STOPPING' });
    expect(await attempt(id)).toMatchObject({ state: 'EXECUTING' });
    await notify(e, finished({ data: { stage: 3 } }));
    expect(await attempt(id)).toMatchObject({ state: 'FINISHED', result: { data: { answer: 42 } } });
    expect(await execution(id)).toMatchObject({ state: 'FINISHED', result: { data: { stage: 3 } } });
    expect(store.wakeTimes()).toEqual({});
  });

  test('that never says it stopped is asked four times, and its result stands', async () => {
    let asked = 0;
    const script = { ...SCRIPT, getStatus: async () => (asked++, running()), cancel: async () => {} };
    const { id, activate, finish, attempt, execution, elapse } = await launched(script);
    await activate();
    await finish({ answer: 42 });
    await elapse(5 * MINUTE_MS);
    for (let i = 0; i < 2; i++) await elapse(31 * SECOND_MS);
    expect(asked).toBe(3);
    expect(await attempt(id)).toMatchObject({ state: 'EXECUTING' });
    await elapse(31 * SECOND_MS);
    expect(await execution(id)).toMatchObject({ result: { abnormalFinish: { status: 'EXPIRED' } } });
    expect(await attempt(id)).toMatchObject({ state: 'FINISHED', result: { data: { answer: 42 } } });
  });

  test('whose executor reports success before it finished its attempt has FAILED', async () => {
    const { id, e, activate, notify, attempt } = await launched();
    await activate();
    await notify(e, finished({ data: {} }));
    const reason = 'distributor finished execution while it was RUNNING';
    expect(await attempt(id)).toMatchObject({ result: abnormal('FAILED', reason) });
  });

  test('may activate and finish inside its own start request, before its token is known', async () => {
    const world = createTestEngine();
    world.executor.script.run = async task => {
      const { executionId, executionAuth } = task;
      await world.engine.activate(executionId, { ...executionAuth, executionToken: MINE });
      await world.engine.finish(executionId, { executionToken: MINE, data: { data: { early: true } } });
      return { token: 'job-1', status: finished({ data: {} }) };
    };
    const id = await world.submit(INTERACTIVE);
    await world.settle();
    expect(await world.attempt(id)).toMatchObject({ state: 'FINISHED', result: { data: { early: true } } });
    expect(world.store.wakeTimes()).toEqual({});
  });
});

describe('activating', () => {
  test('is won by exactly one of many callers, and a repeat by the winner succeeds', async () => {
    const { activate } = await launched();
    const tokens = Array.from({ length: 5 }, (_, i) => String(i).repeat(43));
    const outcomes = await Promise.all(tokens.map(token => answerOf(activate(token))));
    expect(outcomes.toSorted()).toEqual(['ALREADY_EXISTS', 'ALREADY_EXISTS', 'ALREADY_EXISTS', 'ALREADY_EXISTS', 'OK']);
    expect(await answerOf(activate(tokens[outcomes.indexOf('OK')]))).toBe('OK');
  });

  test('needs the activation token of this very execution, and tells nothing without it', async () => {
    const { id, engine, e, activationToken } = await launched();
    const wrong = { activationToken: `${activationToken}x`, executionToken: MINE };
    expect(await answerOf(engine.activate(e, wrong))).toBe('UNAUTHENTICATED');
    const elsewhere = executionOf(id, 2);
    expect(await answerOf(engine.activate(elsewhere, { activationToken, executionToken: MINE }))).toBe(
      'UNAUTHENTICATED',
    );
  });

  test.each(['', 'short', 'm'.repeat(42), 'm'.repeat(513), `${'m'.repeat(42)} `, `${'m'.repeat(43)}\n`])(
    'with the execution token %j is refused, naming the field',
    async token => {
      const { activate } = await launched();
      await expect(activate(token)).rejects.toThrow(/^executionToken: /);
    },
  );

  test('an unattended execution is refused', async () => {
    const world = createTestEngine({ script: SCRIPT });
    const id = await world.submit();
    await world.settle();
    const { executionAuth } = world.executor.calls[0]!.args[0] as TaskDescription;
    const call = world.engine.activate(executionOf(id), { ...executionAuth, executionToken: MINE });
    expect(await answerOf(call)).toBe('FAILED_PRECONDITION');
  });
});

describe('finishing', () => {
  test('again with the same body gets the same answer, also after the end; with another body it is refused', async () => {
    const { e, activate, finish, notify } = await launched();
    await activate();
    await finish({ answer: 42 });
    expect(await answerOf(finish({ answer: 42 }))).toBe('OK');
    expect(await answerOf(finish({ answer: 43 }))).toBe('UNAUTHENTICATED');
    await notify(e, finished({ data: {} }));
    expect(await answerOf(finish({ answer: 42 }))).toBe('OK');
    expect(await answerOf(finish({ answer: 42 }, OTHER))).toBe('UNAUTHENTICATED');
  });

  test('before activating, and with another token, is refused', async () => {
    const { activate, finish } = await launched();
    expect(await answerOf(finish({}))).toBe('UNAUTHENTICATED');
    await activate();
    expect(await answerOf(finish({}, OTHER))).toBe('UNAUTHENTICATED');
  });

  test('two results at the same time: one is accepted', async () => {
    const { id, activate, finish, execution } = await launched();
    await activate();
    const outcomes = await Promise.all([answerOf(finish({ n: 1 })), answerOf(finish({ n: 2 }))]);
    expect(outcomes.toSorted()).toEqual(['OK', 'UNAUTHENTICATED']);
    expect(await execution(id)).toMatchObject({ finish: { data: { n: outcomes.indexOf('OK') + 1 } } });
  });

  test('with more than 256 KiB is refused, and nothing changes', async () => {
    const { id, activate, finish, execution } = await launched();
    await activate();
    await expect(finish({ a: 'x'.repeat(256 * 1024) })).rejects.toThrow(/^data: is \d+ bytes/);
    expect(await execution(id)).toMatchObject({ state: 'RUNNING' });
  });

  test('after a client cancelled is refused: the token is revoked', async () => {
    const { id, activate, finish, engine } = await launched();
    await activate();
    await engine.cancelAttempt(id, 'unwanted');
    expect(await answerOf(finish({}))).toBe('UNAUTHENTICATED');
  });
});
