import { describe, expect, test } from 'vitest';
import { isLive } from '../../shared/core/execution.ts';
import { FINISHED, FORGED, hold, type Held, RESULT } from './held.ts';

const HOUR_MS = 60 * 60_000;
const RUNNING = JSON.stringify({ state: 'running' });

async function expectUnchangedBy(held: Held, replay: () => Promise<unknown>): Promise<void> {
  const before = held.rig.stored();
  await replay();
  expect(held.rig.stored()).toEqual(before);
}

const pushed = async ({ rig, authTokenOf }: Held, id: Held['target'], data: string) =>
  (await rig.push({ data, attributes: { execution_id: id, auth_token: await authTokenOf(id) } })).body.outcome;

describe('a call that was overheard and is made again', () => {
  test('gives an answer to who activated, and nothing to who would like to have', async () => {
    const held = await hold('RUNNING');
    const { rig, target, activate, activationTokenOf } = held;
    await expectUnchangedBy(held, async () => {
      await activate(target);
      const options = { token: await activationTokenOf(target), body: { executionToken: 'o'.repeat(43) } };
      expect(await rig.job('activate', target, options)).toMatchObject({ status: 409 });
    });
  });

  test('finishes no second time, and not the next execution', async () => {
    const held = await hold('STOPPING');
    const { rig, target, finish, report, executionTokenOf } = held;
    await expectUnchangedBy(held, () => finish(target));
    await report(target);
    await expectUnchangedBy(held, async () => {
      await finish(target);
      const options = { token: executionTokenOf(target), body: FORGED };
      expect(await rig.job('finish', target, options)).toMatchObject({ status: 401 });
    });
    expect(await rig.execution(target)).toMatchObject({ state: 'FINISHED', halt: expect.any(Object) });
  });

  test.each([FINISHED, RUNNING, 'not JSON', '{}'])('reports no second end: %j', async data => {
    const held = await hold('FINISHED');
    await expectUnchangedBy(held, async () => {
      for (let i = 0; i < 3; i++) expect(await pushed(held, held.target, data)).toBe('ended already');
    });
  });

  test('keeps no second late outcome', async () => {
    const held = await hold('ABNORMAL_FINISHED');
    expect(await pushed(held, held.target, FINISHED)).toBe('finished');
    await expectUnchangedBy(held, () => pushed(held, held.target, FINISHED));
    const other = JSON.stringify({ state: 'finished', result: RESULT });
    await expectUnchangedBy(held, () => pushed(held, held.target, other));
    expect(await held.rig.execution(held.target)).toMatchObject({ lateOutcome: FORGED });
  });

  test('of the execution before says nothing of the one that is running', async () => {
    const held = await hold('RUNNING');
    const before = held.executions["another execution's"];
    await expectUnchangedBy(held, async () => {
      for (const data of [FINISHED, RUNNING]) expect(await pushed(held, before, data)).toBe('ended already');
    });
  });
});

describe('an auth token', () => {
  test.each(['FINISHED', 'ABNORMAL_FINISHED'] as const)(
    'of an execution that is %s is heard for 48 h, by either way, and then no more',
    async state => {
      const held = await hold(state);
      const { rig, target, authTokenOf } = held;
      const execution = (await rig.execution(target))!;
      if (isLive(execution)) expect.fail('it has not ended');
      rig.clock.advance(execution.endedAt + 48 * HOUR_MS - rig.clock.now());
      expect(await pushed(held, target, RUNNING)).not.toBe('dropped: too late');
      rig.clock.advance(1);
      await expectUnchangedBy(held, async () => {
        expect(await pushed(held, target, FINISHED)).toBe('dropped: too late');
        const token = await authTokenOf(target);
        expect(await rig.job('notify', target, { token, body: FINISHED })).toMatchObject({ status: 202 });
        const [message] = rig.messages.splice(0);
        expect((await rig.push(message!)).body.outcome).toBe('dropped: too late');
      });
    },
  );

  test('of an execution that goes on does not expire', async () => {
    const held = await hold('RUNNING');
    held.rig.clock.advance(365 * 24 * HOUR_MS);
    expect(await pushed(held, held.target, FINISHED)).toBe('finished');
  });
});

test('an execution token is over with its execution, whoever ended it', async () => {
  for (const end of ['cancel', 'report', 'deadline'] as const) {
    const held = await hold('RUNNING');
    const { rig, target, executionTokenOf, report } = held;
    const [quest] = target.split('|');
    if (end === 'cancel') await rig.call('api', `POST /v1/quests/${quest}/attempts/1:cancel`);
    if (end === 'report') await report(target);
    if (end === 'deadline') {
      held.executor.script = {
        ...held.executor.script,
        getStatus: async () => ({ state: 'running' }),
        cancel: async () => {},
      };
      await rig.elapse(25 * HOUR_MS);
    }
    expect(await rig.execution(target), end).toMatchObject({ state: 'ABNORMAL_FINISHED' });
    await expectUnchangedBy(held, async () => {
      const options = { token: executionTokenOf(target), body: RESULT };
      expect(await rig.job('finish', target, options)).toMatchObject({ status: 401 });
    });
  }
});
