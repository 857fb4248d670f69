import { describe, expect, test } from 'vitest';
import { InvalidArgument } from '../../shared/core/errors.ts';
import { attemptId } from '../../shared/core/ids.ts';
import { createTestEngine, start } from '../support/engine.ts';

const desc = { distributorConfigName: 'echo' };

describe('asking for attempts', () => {
  test('answers quest ids in the order of the request, and the attempts as they are', async () => {
    const { engine } = createTestEngine();
    const quests = [1, 2].map(n => ({ desc: { ...desc, parameters: { n } }, attempts: [2, 1] }));
    const { questIds, attempts } = await engine.ensureGraph({ quests });
    expect(new Set(questIds).size).toBe(2);
    expect(attempts.map(({ attempt: { quest, attempt, state } }) => [quest, attempt, state])).toEqual(
      questIds.flatMap(id => [2, 1].map(n => [id, n, 'SCHEDULING'])),
    );
  });

  test('again changes nothing and starts nothing, also when asked twice in one call', async () => {
    const world = createTestEngine({ script: { run: start } });
    const request = { quests: [{ desc }, { desc: { ...desc, meta: {} }, attempts: [1, 1] }] };
    const { questIds, attempts } = await world.engine.ensureGraph(request);
    expect(questIds[0]).toBe(questIds[1]);
    expect(attempts).toHaveLength(1);
    await world.settle();
    const before = await world.attempt(attemptId(questIds[0]!, 1));
    const again = await world.engine.ensureGraph(request);
    await world.settle();
    expect(again.attempts).toEqual([{ attempt: before }]);
    expect(world.executor.argsOf('run')).toHaveLength(1);
  });

  test('of a quest that is known by its id', async () => {
    const { engine } = createTestEngine();
    const { questIds } = await engine.ensureGraph({ quests: [{ desc }] });
    const { attempts } = await engine.ensureGraph({ rawAttempts: { [questIds[0]!]: [7] } });
    expect(attempts).toMatchObject([{ attempt: { quest: questIds[0], attempt: 7, state: 'SCHEDULING' } }]);
  });

  test('may be for ten thousand at once', async () => {
    const { engine } = createTestEngine();
    const attempts = Array.from({ length: 10_000 }, (_, i) => i + 1);
    expect((await engine.ensureGraph({ quests: [{ desc, attempts }] })).attempts).toHaveLength(10_000);
  });

  const unknown = 'A'.repeat(43);
  test.each<[unknown, string]>([
    [undefined, 'is missing'],
    [[], 'must be object, not array'],
    [{}, 'quests: at least one quest'],
    [{ quests: 'all' }, 'quests: '],
    [{ quests: [{}] }, 'quests[0].desc: '],
    [{ quests: [{ desc, attempts: [] }] }, 'quests[0].attempts: '],
    [{ quests: [{ desc, attempts: [0] }] }, 'quests[0].attempts[0]: '],
    [{ quests: [{ desc, attempts: [1.5] }] }, 'quests[0].attempts[0]: '],
    [{ quests: [{ desc, attempts: ['1'] }] }, 'quests[0].attempts[0]: '],
    [{ quests: [{ desc, attempts: [2 ** 31] }] }, 'quests[0].attempts[0]: '],
    [{ quests: [{ desc, priority: 1 }] }, 'quests[0]: unknown field "priority"'],
    [{ quests: [{ desc }, { desc: { distributorConfigName: 'nobody' } }] }, 'quests[1].desc.distributorConfigName: '],
    [{ quests: [{ desc }, { desc: { ...desc, parameters: { bad: true } } }] }, 'quests[1].desc.parameters.bad: no'],
    [{ quests: [{ desc, attempts: Array.from({ length: 10_001 }, (_, i) => i + 1) }] }, 'quests: 10001 attempts'],
    [{ quests: [{ desc }], rawAttempts: { short: [1] } }, 'rawAttempts.short: must be a quest id'],
    [{ quests: [{ desc }], rawAttempts: { [unknown]: [1] } }, `rawAttempts.${unknown}: there is no such quest`],
    [{ quests: [{ desc }], rawAttempts: { [unknown]: [0] } }, `rawAttempts.${unknown}[0]: `],
  ])('%# is refused naming the field, and nothing is stored', async (request, message) => {
    const world = createTestEngine();
    world.executor.script.validate = ({ parameters }) => {
      if (parameters.bad === true) throw new InvalidArgument('parameters.bad', 'no');
    };
    await expect(world.engine.ensureGraph(request)).rejects.toThrow(message);
    expect(world.store.wakeTimes()).toEqual({});
    expect(world.tasks).toEqual([]);
  });
});
