import { describe, expect, test } from 'vitest';
import type { Handle } from '../../shared/adapters/contract.ts';
import { isCredentialError, isTransient, messageOf, TransientError } from '../../shared/core/errors.ts';
import type { QuestDesc } from '../../shared/core/quest.ts';
import { describeTask, questOf } from '../support/drive.ts';
import type { FakeService, Fault } from '../support/fake-service.ts';
import type { AdapterFixture } from './adapter.ts';

export interface RemoteFixture extends AdapterFixture {
  service: FakeService;
  /** Which calls start a job, ask for one, and cancel one, as `METHOD path`. */
  calls: { start: RegExp; status: RegExp; cancel: RegExp };
}

const HTML: Fault = { headers: { 'content-type': 'text/html' }, body: '<html><h1>Sign in</h1></html>' };
const HALF: Fault = { headers: { 'content-type': 'application/json' }, body: '{"name": "x", "sta' };
const ERROR_INSIDE: Fault = { body: { error: { code: 13, status: 'INTERNAL', message: 'something broke' } } };
const BUSY: Fault = {
  status: 429,
  headers: { 'retry-after': '7' },
  body: { error: { code: 429, message: 'slow down' } },
};
const BROKEN: Fault = { status: 503, body: 'upstream connect error' };
const FORBIDDEN: Fault = {
  status: 403,
  body: { error: { code: 403, status: 'PERMISSION_DENIED', message: 'may not do that' } },
};

/** What every adapter of a remote service promises, however its service fails. */
export function remoteAdapterContract(name: string, createFixture: () => Promise<RemoteFixture>): void {
  async function setUp() {
    const fixture = await createFixture();
    const quest: QuestDesc = questOf(fixture.goodQuest);
    const task = (execution = 1) => describeTask(quest, { execution });
    async function start(): Promise<Required<Handle>> {
      const { token } = await fixture.distributor.run(task());
      return { executionId: task().executionId, token };
    }
    return { ...fixture, quest, task, start };
  }

  const failureOf = (call: Promise<unknown>): Promise<unknown> =>
    call.then(
      answer => expect.fail(`answered ${JSON.stringify(answer)}`),
      (error: unknown) => error,
    );

  describe(`the ${name} adapter bears a service that fails:`, () => {
    test('a start whose answer is lost is found again, not repeated', async () => {
      const { distributor, service, calls, task, jobs } = await setUp();
      service.fail(calls.start, 'lost');
      // The client itself may repeat a call on a connection that was reset.
      await distributor.run(task()).catch((error: unknown) => expect(isTransient(error)).toBe(true));
      const { token } = await distributor.run(task());
      expect((await distributor.run(task())).token).toBe(token);
      expect(await jobs()).toBe(1);
    });

    test.each<[string, Fault, RegExp]>([
      ['HTML', HTML, /Sign in/],
      ['half a JSON', HALF, /JSON/],
      ['an error inside of a success', ERROR_INSIDE, /something broke/],
      ['429', BUSY, /429.*slow down/],
      ['503', BROKEN, /503.*upstream/],
      ['nothing', 'silent', /no answer/],
    ])('asked for a status it answers %s: ask again, and say why', async (_, fault, reason) => {
      const { distributor, service, calls, quest, start } = await setUp();
      const handle = await start();
      service.fail(calls.status, fault);
      const error = await failureOf(distributor.getStatus(handle, quest));
      expect(isTransient(error)).toBe(true);
      expect(messageOf(error)).toMatch(reason);
      // The truth is still there.
      expect(['pending', 'running']).toContain((await distributor.getStatus(handle, quest)).state);
    });

    test.each<[string, Fault]>([
      ['HTML', HTML],
      ['half a JSON', HALF],
      ['429', BUSY],
      ['503', BROKEN],
      ['nothing', 'silent'],
    ])('asked to start it answers %s: one job in the end', async (_, fault) => {
      const { distributor, service, calls, task, jobs } = await setUp();
      service.fail(calls.start, fault);
      const error = await failureOf(distributor.run(task()));
      expect(isTransient(error)).toBe(true);
      await distributor.run(task());
      expect(await jobs()).toBe(1);
    });

    test('patience that it asks for reaches the engine', async () => {
      const { distributor, service, calls, quest, start, task } = await setUp();
      const handle = await start();
      service.fail(calls.status, BUSY);
      service.fail(calls.start, BUSY);
      const errors = [await failureOf(distributor.getStatus(handle, quest)), await failureOf(distributor.run(task(2)))];
      for (const error of errors) expect((error as TransientError).retryAfterMs).toBe(7000);
    });

    test('who we are is refused: that is said as it is', async () => {
      const { distributor, service, calls, quest, start } = await setUp();
      const handle = await start();
      service.fail(calls.status, FORBIDDEN);
      const error = await failureOf(distributor.getStatus(handle, quest));
      expect(isCredentialError(error)).toBe(true);
      expect(messageOf(error)).toContain('may not do that');
    });

    test('a cancel whose answer is lost succeeds when it is repeated', async () => {
      const { distributor, service, calls, quest, start } = await setUp();
      const handle = await start();
      service.fail(calls.cancel, 'lost');
      await distributor.cancel(handle, quest).catch((error: unknown) => expect(isTransient(error)).toBe(true));
      await distributor.cancel(handle, quest);
    });

    test('a job without a token is found by its execution and cancelled, where that is possible', async () => {
      const { distributor, service, calls, quest, task, jobs } = await setUp();
      service.fail(calls.start, 'lost');
      await distributor.run(task()).catch(() => {});
      await distributor.cancel({ executionId: task().executionId }, quest).catch((error: unknown) => {
        expect((error as Error).name).toBe('TokenRequired');
      });
      expect(await jobs()).toBe(1);
    });

    test('no error tells a secret', async () => {
      const { distributor, service, calls, quest, start } = await setUp();
      const handle = await start();
      const sent = service.requests.map(({ headers }) => headers['authorization']).filter(text => text !== undefined);
      service.fail(calls.status, { status: 400, body: { error: { message: `you sent ${sent.join(' ')}` } } });
      const error = await failureOf(distributor.getStatus(handle, quest));
      for (const secret of sent) expect(messageOf(error)).not.toContain(secret.replace(/^\w+ /, ''));
    });
  });
}
