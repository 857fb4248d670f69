import { describe, expect, test } from 'vitest';
import type { Handle } from '../../shared/adapters/contract.ts';
import { createHttpClient } from '../../shared/adapters/http-client.ts';
import { tesType } from '../../shared/adapters/tes/index.ts';
import { TransientError } from '../../shared/core/errors.ts';
import { executionId, type QuestId } from '../../shared/core/ids.ts';
import type { TaskStatus } from '../../shared/core/result.ts';
import { createTesAdapter, type FakeTask, type Quirks, serveTes, TES_STATES } from '../support/fakes/tes.ts';
import { manualClock } from '../support/services.ts';

const QUEST = 'a'.repeat(43) as QuestId;

async function setUp(quirks: Quirks = {}, overrides: Parameters<typeof createTesAdapter>[2] = {}) {
  const service = await serveTes(quirks);
  const { distributor } = createTesAdapter(service, {}, overrides);
  const handleOf = (token: string, n = 1): Required<Handle> => ({ executionId: executionId(QUEST, 1, n), token });
  return {
    service,
    handleOf,
    add(state: string, part: Partial<FakeTask['document']> = {}): FakeTask {
      const tags = { distributor_execution: `q${service.tasks.length}` };
      return service.add({ state, document: { executors: [{ image: 'x', command: ['x'] }], tags, ...part } });
    },
    ask(tasks: readonly FakeTask[]): Promise<readonly (TaskStatus | Error)[]> {
      return distributor.getStatuses!(tasks.map(({ id }, i) => handleOf(id, i + 1)));
    },
    distributor,
  };
}

const KINDS: Record<string, Quirks> = {
  'a server with every filter': {},
  'one that tells more than was asked for': { talkative: true },
  'one that does not filter by state': { unknown: ['state'] },
  'one that ignores every filter': { unknown: ['name_prefix', 'state', 'tag_key', 'tag_value'] },
  'one that refuses filters': { unknown: ['state', 'tag_key', 'tag_value'], strict: true },
  'one that leaves out what is zero': { omitsZeros: true },
};

describe.each(Object.entries(KINDS))('many tasks, on %s,', (_, quirks) => {
  test('have the statuses that they have one by one, in the order of the handles', async () => {
    const { add, ask, distributor, handleOf } = await setUp(quirks);
    const tasks = [...TES_STATES, ...TES_STATES, 'EVICTED'].map(state => add(state));
    const together = await ask(tasks.toReversed());
    const single = await Promise.all(
      tasks
        .toReversed()
        .map(({ id }) =>
          distributor.getStatus(handleOf(id), undefined as never).catch((error: unknown) => error as Error),
        ),
    );
    expect(together).toEqual(single);
    expect(together.filter(status => status instanceof TransientError)).toHaveLength(2);
  });
});

describe('many tasks', () => {
  test('10,000 that are open cost less than 100 requests', async () => {
    const { service, add, ask } = await setUp();
    const states = ['RUNNING', 'QUEUED', 'INITIALIZING'];
    const tasks = Array.from({ length: 10_000 }, (_, i) => add(states[i % 3]!));
    for (let i = 0; i < 5000; i++) add('COMPLETE');
    const step = tesType.maxStatuses!;
    for (let i = 0; i < tasks.length; i += step) {
      const statuses = await ask(tasks.slice(i, i + step));
      expect(new Set(statuses.map(status => 'state' in status && status.state))).toEqual(
        new Set(['running', 'pending']),
      );
    }
    expect(service.requests.length).toBeLessThan(50);
  });

  test('cost one request for each that is complete', async () => {
    const { service, add, ask } = await setUp();
    for (let i = 0; i < 3000; i++) add('COMPLETE');
    const tasks = Array.from({ length: 100 }, (_, i) => add(i < 20 ? 'COMPLETE' : 'RUNNING'));
    await ask(tasks);
    expect(service.requests).toHaveLength(4 + 20);
  });

  test('that are few are asked one by one', async () => {
    const { service, add, ask } = await setUp();
    await ask([add('RUNNING'), add('QUEUED'), add('RUNNING'), add('COMPLETE')]);
    expect(service.requests).toHaveLength(4);
  });

  test('are not searched for any longer once all are found', async () => {
    const { service, add, ask } = await setUp();
    await ask(Array.from({ length: 50 }, () => add('RUNNING')));
    expect(service.requests).toHaveLength(1);
  });

  test('of others are nobody', async () => {
    const { service, add, ask, handleOf, distributor } = await setUp();
    for (let i = 0; i < 10; i++) add('RUNNING');
    const unknown = await distributor.getStatuses!(Array.from({ length: 6 }, (_, i) => handleOf(`gone-${i}`, i + 1)));
    expect(unknown).toEqual(Array.from({ length: 6 }, () => expect.objectContaining({ status: 404 })));
    expect(await ask([])).toEqual([]);
    expect(service.tasks).toHaveLength(10);
  });

  test('whose list is larger than an answer may be are listed in smaller pages', async () => {
    const { service, add, ask } = await setUp({ talkative: true }, { http: createHttpClient({ local: true }) });
    const tasks = Array.from({ length: 600 }, () => add('RUNNING', { description: 'x'.repeat(10_000) }));
    expect(await ask(tasks)).toEqual(tasks.map(() => ({ state: 'running' })));
    expect(service.requests.length).toBeLessThan(10);
    expect(service.requests.every(({ path }) => path.includes('state=RUNNING'))).toBe(true);
  });

  test('are asked about again, all of them, when the list fails', async () => {
    const { service, add, ask } = await setUp();
    const tasks = Array.from({ length: 10 }, () => add('RUNNING'));
    service.fail(/\/tasks\?/, { status: 503, body: 'busy' });
    await expect(ask(tasks)).rejects.toThrow(TransientError);
  });

  test('are not asked about any further by a server that asks for patience', async () => {
    const { service, add, ask } = await setUp();
    const tasks = Array.from({ length: 200 }, () => add('COMPLETE'));
    service.fail(
      /\/tasks\/[^?]/,
      ...Array.from({ length: 200 }, () => ({ status: 429, headers: { 'retry-after': '60' } })),
    );
    const statuses = await ask(tasks);
    expect(statuses).toHaveLength(200);
    for (const error of statuses) expect(error).toMatchObject({ retryAfterMs: 60_000 });
    expect(service.requests.length).toBeLessThan(30);
  });

  test('are left for the next time where there is no time', async () => {
    const clock = manualClock();
    const { add, ask, service } = await setUp({}, { clock, secret: () => (clock.advance(1000), 'Bearer tes.secret') });
    const statuses = await ask(Array.from({ length: 100 }, () => add('COMPLETE')));
    expect(service.requests.length).toBeLessThan(30);
    const asked = statuses.filter(status => 'state' in status);
    expect(asked.length).toBeGreaterThan(5);
    for (const error of statuses.slice(asked.length)) expect(error).toBeInstanceOf(TransientError);
  });

  test('fail one by one: the others have their statuses', async () => {
    const { add, ask, service } = await setUp();
    const tasks = Array.from({ length: 10 }, (_, i) => add(i === 4 ? 'COMPLETE' : 'RUNNING'));
    service.fail(/\/tasks\/[^?]/, { status: 503, body: 'busy' });
    const statuses = await ask(tasks);
    expect(statuses[4]).toBeInstanceOf(TransientError);
    expect(statuses.filter(status => 'state' in status)).toHaveLength(9);
  });
});
