import { beforeEach, describe, expect, test } from 'vitest';
import type { ExecutionId } from '../../shared/core/ids.ts';
import { running } from '../../shared/core/result.ts';
import type { Keyring } from '../../shared/core/tokens.ts';
import { KEYRING } from '../support/engine.ts';
import { ACTIVATION_TOKENS, ANOTHER_KEY, AUTH_TOKENS, REWRITTEN, type Seen } from './forgeries.ts';
import { FINISHED, FORGED, type Held, hold, RESULT } from './held.ts';

let held: Held;
let seen: Seen;

beforeEach(async () => {
  held = await hold('RUNNING');
  const auth = await held.authTokenOf(held.target);
  const [content = '', signature = ''] = auth.split('.');
  seen = {
    auth,
    content,
    signature,
    claims: JSON.parse(Buffer.from(content, 'base64url').toString()) as Seen['claims'],
    activation: await held.activationTokenOf(held.target),
    nonce: (await held.rig.execution(held.target))!.auth.nonce,
  };
});

/** Runs attempts that must all be refused, and makes sure that they left nothing. */
async function expectNothingDone(attempts: () => Promise<void>): Promise<void> {
  const before = held.rig.stored();
  await attempts();
  expect(held.rig.stored()).toEqual(before);
  expect(held.rig.messages).toEqual([]);
}

describe('nobody is believed by a forged auth token:', () => {
  test.each(Object.entries(AUTH_TOKENS))('%s', async (_, forge) => {
    const token = forge(seen);
    expect(token).not.toBe(seen.auth);
    await expectNothingDone(async () => {
      expect(await held.rig.job('notify', held.target, { token, body: FINISHED })).toMatchObject({ status: 401 });
      for (const name of ['auth_token', 'pubsub_key']) {
        const attributes = { execution_id: held.target, [name]: token };
        expect((await held.rig.push({ data: FINISHED, attributes })).body).toEqual({ outcome: 'dropped: forged' });
        const alone = { [name]: token };
        expect((await held.rig.push({ data: FINISHED, attributes: alone })).body).toEqual({
          outcome: 'dropped: forged',
        });
      }
    });
  });

  test.each(['\u00a0', '\u200b', '\0', '\n', ' ', '\ufeff'])(
    'followed by %j, which no header could hold',
    async space => {
      await expectNothingDone(async () => {
        for (const auth_token of [seen.auth + space, space + seen.auth]) {
          const answer = await held.rig.push({ data: FINISHED, attributes: { auth_token } });
          expect(answer.body).toEqual({ outcome: 'dropped: forged' });
        }
      });
    },
  );

  test('a good one under a second name does not help a bad one', async () => {
    await expectNothingDone(async () => {
      for (const auth_token of ['', 'forged', `${seen.content}.`]) {
        const attributes = { execution_id: held.target, auth_token, pubsub_key: seen.auth };
        expect((await held.rig.push({ data: FINISHED, attributes })).body).toEqual({ outcome: 'dropped: forged' });
      }
    });
  });
});

describe('nobody is believed on the own topic of a distributor:', () => {
  const OWN = '/distributors/main';
  // Whoever may publish there names any execution, and says what he likes.
  const about = (attributes: Record<string, string>) => ({ data: FINISHED, attributes });

  beforeEach(() => {
    held.executor.script.executionOf = ({ attributes }) => attributes.job as ExecutionId;
    held.executor.script.getStatus = async () => running();
  });

  test('a message ends nothing, with whatever token it comes', async () => {
    for (const token of [{}, { auth_token: seen.auth }, { pubsub_key: seen.auth }, { auth_token: 'forged' }])
      await held.rig.push(about({ job: held.target, execution_id: held.target, ...token }), OWN);
    await held.rig.settle();
    expect(await held.rig.execution(held.target)).toMatchObject({ state: 'RUNNING' });
    expect(held.executor.argsOf('getStatus')).toHaveLength(1);
    expect(held.executor.argsOf('handleNotification')).not.toContainEqual(
      expect.objectContaining({ executionId: held.target }),
    );
    expect(JSON.stringify(held.rig.stored())).not.toMatch(/forged/);
  });

  test('the execution of another distributor is not even asked about', async () => {
    await expectNothingDone(async () => {
      const answer = await held.rig.push(about({ job: held.executions["another distributor's"] }), OWN);
      expect(answer.body).toEqual({ outcome: 'dropped: another distributor' });
      expect((await held.rig.push(about({ job: held.target }), '/distributors/second')).body).toEqual(answer.body);
    });
  });

  test('tokens in it are not stored while the message is kept', async () => {
    held = await hold('STARTING');
    held.executor.script.executionOf = ({ attributes }) => attributes.job as ExecutionId;
    const auth_token = await held.authTokenOf(held.target);
    const answer = await held.rig.push(about({ job: held.target, auth_token, pubsub_key: auth_token }), OWN);
    expect(answer.body).toEqual({ outcome: 'kept' });
    expect(JSON.stringify(held.rig.stored())).not.toContain(auth_token);
  });
});

describe('nobody activates with a forged token:', () => {
  test.each(Object.entries(ACTIVATION_TOKENS))('%s', async (_, forge) => {
    held = await hold('SCHEDULING');
    const activation = await held.activationTokenOf(held.target);
    const { nonce } = (await held.rig.execution(held.target))!.auth;
    const token = forge({ ...seen, activation, nonce });
    expect(token).not.toBe(activation);
    await expectNothingDone(async () => {
      const body = { executionToken: 'o'.repeat(43) };
      expect(await held.rig.job('activate', held.target, { token, body })).toMatchObject({ status: 401 });
    });
    await held.activate(held.target);
  });
});

describe('nobody finishes with a token that is nearly the right one:', () => {
  test.each(Object.entries(REWRITTEN))('%s', async (_, rewrite) => {
    const token = rewrite(held.executionTokenOf(held.target));
    await expectNothingDone(async () => {
      expect(await held.rig.job('finish', held.target, { token, body: FORGED })).toMatchObject({ status: 401 });
    });
  });

  test('what is stored of it', async () => {
    const { tokenHash } = (await held.rig.execution(held.target)) as { tokenHash?: string };
    expect(tokenHash).toMatch(/^[\w-]{43}$/);
    await expectNothingDone(async () => {
      expect(await held.rig.job('finish', held.target, { token: tokenHash, body: FORGED })).toMatchObject({
        status: 401,
      });
    });
  });
});

describe('keys rotate', () => {
  const NEXT = { 'key-2': Buffer.alloc(32, 2) };
  const rotated: Keyring = { current: 'key-2', keys: { ...KEYRING.keys, ...NEXT } };
  const retired: Keyring = { current: 'key-2', keys: NEXT };
  const replaced: Keyring = { current: 'key-1', keys: { 'key-1': ANOTHER_KEY } };

  test('and what the old key has signed stays good while it is kept', async () => {
    held = await hold('SCHEDULING');
    held.rig.restart(rotated);
    await held.activate(held.target);
    await held.finish(held.target);
    await held.report(held.target);
    expect(await held.rig.execution(held.target)).toMatchObject({ state: 'FINISHED' });
  });

  test.each([
    ['is retired', retired],
    ['is another one under its id', replaced],
    ['and all others are gone', { current: 'key-1', keys: {} }],
  ])('and nothing that the old key has signed is good once it %s', async (_, keyring) => {
    held = await hold('SCHEDULING');
    const { rig, target } = held;
    const [activation, auth] = [await held.activationTokenOf(target), await held.authTokenOf(target)];
    rig.restart(keyring);
    await expectNothingDone(async () => {
      const body = { executionToken: held.executionTokenOf(target) };
      expect(await rig.job('activate', target, { token: activation, body })).toMatchObject({ status: 401 });
      expect(await rig.job('notify', target, { token: auth, body: FINISHED })).toMatchObject({ status: 401 });
      const attributes = { execution_id: target, auth_token: auth };
      expect((await rig.push({ data: FINISHED, attributes })).body).toEqual({ outcome: 'dropped: forged' });
    });
  });

  test('and an execution token needs no key', async () => {
    held.rig.restart(retired);
    await held.finish(held.target);
    expect(await held.rig.execution(held.target)).toMatchObject({ state: 'STOPPING', finish: RESULT });
  });
});
