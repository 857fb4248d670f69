import { assert, constantFrom, integer, nat, property } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { askFor, readAnswer } from '../../shared/adapters/jobsim/ask.ts';
import { blendSeeds, settle, type Values, type Wanted } from '../../shared/adapters/jobsim/deps.ts';
import { type Action, step } from '../../shared/adapters/jobsim/phrase.ts';
import { type Progress, progressSchema } from '../../shared/adapters/jobsim/progress.ts';
import { phraseSchema } from '../../shared/adapters/jobsim/schema.ts';
import { abnormal, type TaskResult } from '../../shared/core/result.ts';
import { parseWith } from '../../shared/core/validation.ts';
import { questOf } from '../support/drive.ts';

const START: Progress = { stage: 0, sum: 0 };
const leaf = { stages: [] };

function next(phrase: object, progress = START): Action {
  return step(parseWith(phraseSchema, phrase, 'parameters'), progress, 1);
}

/** What the stage of these dependencies asks for. */
function wanted(deps: object[], { seed = 0, progress = START }: { seed?: number; progress?: Progress } = {}): Wanted[] {
  const action = next({ seed, stages: [{ deps: { deps } }] }, progress);
  if (action.kind !== 'ask') throw new Error(`asks for nothing: ${action.kind}`);
  return action.wanted;
}

const seedsOf = (deps: object[], seed: number) => wanted(deps, { seed }).map(({ phrase }) => phrase.seed ?? 0);
const attemptsOf = (deps: object[]) => wanted(deps).map(({ attempts }) => attempts);

describe('the seed of a dependency', () => {
  test.each([
    ['none', {}, 0, 7, 7],
    ['none, and the current one is 0', {}, 0, 0, 0],
    ['its own', {}, 5, 7, 5],
    ['its own, not mixed', { mixSeed: false }, 5, 7, 5],
    ['none, not mixed', { mixSeed: false }, 0, 7, 7],
  ])('%s', (_, dependency, seed, current, expected) => {
    expect(seedsOf([{ ...dependency, phrase: { ...leaf, seed } }], current)).toEqual([expected]);
  });

  test('that is 0 in the end is left out, so that the quest is that of whoever gives none', () => {
    expect(wanted([{ phrase: { ...leaf, seed: 0 } }])[0]?.phrase).toEqual({ stages: [] });
  });

  const blend = (seed: number, current: number, position: [number, number, number]) =>
    blendSeeds({ mixSeed: true, phrase: { ...leaf, seed } }, current, position);

  test.each([
    ['mixed with the current one', 5],
    ['random', 0],
  ])(
    'is, when %s, the same each time, differs with all that it comes from, and is none that means nothing',
    (_, seed) => {
      const derived = blend(seed, 7, [0, 0, 0]);
      assert(
        property(integer(), nat(20), nat(20), nat(20), (current, stage, dependency, shard) => {
          const other = blend(seed, current, [stage, dependency, shard]);
          expect(other).toBe(blend(seed, current, [stage, dependency, shard]));
          expect(Number.isSafeInteger(other) && other > 0).toBe(true);
          const isSame = current === 7 && stage === 0 && dependency === 0 && shard === 0;
          expect(other === derived).toBe(isSame);
        }),
      );
      expect(blend(seed + 1, 7, [0, 0, 0])).not.toBe(derived);
    },
  );

  test('differs by shard when it is derived, and is shared by the shards when it is not', () => {
    const seeds = (dependency: object, seed: number) =>
      new Set(seedsOf([{ shards: 50, ...dependency, phrase: { ...leaf, seed } }], 7));
    expect(seeds({ mixSeed: true }, 0).size).toBe(50);
    expect(seeds({ mixSeed: true }, 5).size).toBe(50);
    expect(seeds({}, 0)).toEqual(new Set([7]));
    expect(seeds({}, 5)).toEqual(new Set([5]));
  });

  test('is the same in each attempt of the phrase that asks', () => {
    const phrase = parseWith(
      phraseSchema,
      { seed: 3, stages: [{ deps: { deps: [{ mixSeed: true, phrase: leaf }] } }] },
      'parameters',
    );
    expect(step(phrase, START, 2)).toEqual(step(phrase, START, 1));
  });
});

describe('the quests of a stage', () => {
  const names = (dependency: object, name?: string) =>
    wanted([{ ...dependency, phrase: { ...leaf, ...(name !== undefined && { name }) } }]).map(
      ({ phrase }) => phrase.name,
    );

  test.each([
    ['of one dependency', {}, 'a', ['a']],
    ['of one without a name', {}, undefined, [undefined]],
    ['of one shard', { shards: 1 }, 'a', ['a[1]']],
    ['of three shards', { shards: 3 }, 'a', ['a[1]', 'a[2]', 'a[3]']],
    ['of two shards without a name', { shards: 2 }, undefined, ['[1]', '[2]']],
  ])('%s are named', (_, dependency, name, expected) => {
    expect(names(dependency, name)).toEqual(expected);
  });

  test('do what their phrase says, and leave its own dependencies as they are', () => {
    const nested = { deps: { deps: [{ mixSeed: true, phrase: { ...leaf, name: 'inner' } }] } };
    const phrase = { name: 'x', stages: [nested, { failure: { chance: 0.5 } }], returnStage: { retval: 3 } };
    expect(wanted([{ shards: 1, phrase }], { seed: 9 })).toEqual([
      { place: 0, phrase: { ...phrase, name: 'x[1]', seed: 9 }, attempts: [1], retries: 0 },
    ]);
  });

  test.each([
    ['none', undefined, [1]],
    ['one number', [{ single: 4 }], [4]],
    ['a range', [{ range: { low: 2, high: 4 } }], [2, 3, 4]],
    ['a range of one', [{ range: { low: 2, high: 2 } }], [2]],
    ['both', [{ single: 1 }, { range: { low: 3, high: 4 } }, { single: 9 }], [1, 3, 4, 9]],
  ])('get the attempts of %s', (_, items, expected) => {
    expect(attemptsOf([{ shards: 2, ...(items && { attempts: { items } }), phrase: leaf }])).toEqual([
      expected,
      expected,
    ]);
  });

  test('get their first attempt when they may be retried', () => {
    expect(wanted([{ retries: 3, phrase: leaf }])).toMatchObject([{ attempts: [1], retries: 3 }]);
  });

  test('that failed are asked for with their next attempt, and no others', () => {
    const deps = [{ phrase: leaf }, { shards: 3, retries: 2, phrase: { ...leaf, name: 'b' } }];
    const progress: Progress = { stage: 0, sum: 5, retry: { attempt: 2, places: [1, 3] } };
    expect(wanted(deps, { progress })).toMatchObject([
      { place: 1, phrase: { name: 'b[1]' }, attempts: [2] },
      { place: 3, phrase: { name: 'b[3]' }, attempts: [2] },
    ]);
    expect(() => wanted([{ phrase: leaf }], { progress })).toThrow('stage 0 has no quest 1');
  });

  test('are asked for after the stages before, and each time with the same words', () => {
    const phrase = {
      stages: [{ failure: { chance: 0 } }, { deps: { deps: [{ shards: 20, mixSeed: true, phrase: leaf }] } }],
    };
    const action = next(phrase, { stage: 0, sum: 4 });
    expect(action).toMatchObject({ kind: 'ask', progress: { stage: 1, sum: 4 } });
    expect(next(phrase, action.progress)).toEqual(action);
  });

  test('have the description of the one that asks, but for the phrase', () => {
    const own = questOf({ distributorConfigName: 'sim', parameters: leaf, meta: { retry: { crashed: 2 } } });
    expect(
      askFor(own, wanted([{ attempts: { items: [{ single: 1 }, { single: 3 }] }, phrase: { ...leaf, name: 'a' } }])),
    ).toEqual({
      quests: [{ desc: { ...own, parameters: { name: 'a', stages: [] } }, attempts: [1, 3] }],
      include: { attempt: { result: true } },
      limit: { maxDataSize: 8 * 1024 * 1024 },
    });
  });
});

describe('when all are over', () => {
  const once = { place: 0, phrase: leaf, attempts: [1], retries: 0 };
  const thrice = { ...once, place: 1, retries: 2 };
  const listed = { ...once, place: 2, attempts: [1, 2, 5] };
  const retry = (attempt: number, ...places: number[]) => ({ attempt, places });

  test.each<[string, Progress, Wanted[], Values[], Progress]>([
    ['they add up', { stage: 3, sum: 10 }, [once, thrice], [[4], [-6]], { stage: 4, sum: 8 }],
    ['each attempt of a list adds', { stage: 0, sum: 1 }, [listed], [[1, 2, 3]], { stage: 1, sum: 7 }],
    ['nothing is added twice', { stage: 0, sum: 5, retry: retry(2, 1) }, [thrice], [[3]], { stage: 1, sum: 8 }],
    [
      'one that failed is retried, the others are added',
      { stage: 0, sum: 1 },
      [once, thrice],
      [[4], [undefined]],
      { stage: 0, sum: 5, retry: retry(2, 1) },
    ],
    [
      'one that failed again is retried again',
      { stage: 0, sum: 1, retry: retry(2, 1) },
      [thrice],
      [[undefined]],
      { stage: 0, sum: 1, retry: retry(3, 1) },
    ],
    [
      'several that failed are retried together',
      { stage: 0, sum: 0 },
      [thrice, { ...thrice, place: 4 }, { ...thrice, place: 7 }],
      [[undefined], [1], [undefined]],
      { stage: 0, sum: 1, retry: retry(2, 1, 7) },
    ],
    [
      'one without retries fails the phrase',
      { stage: 0, sum: 1 },
      [once, thrice],
      [[undefined], [undefined]],
      { stage: 0, sum: 1, failed: true },
    ],
    [
      'one whose retries are used up fails the phrase',
      { stage: 0, sum: 1, retry: retry(3, 1) },
      [thrice],
      [[undefined]],
      { stage: 0, sum: 1, failed: true },
    ],
    ['a failure in a list fails the phrase', START, [listed], [[1, undefined, 1]], { stage: 0, sum: 2, failed: true }],
  ])('%s', (_, progress, asked, values, expected) => {
    expect(settle(progress, asked, values)).toEqual(expected);
    expect(progressSchema.parse(expected)).toEqual(expected);
  });

  test('a phrase whose dependency failed for good has failed', () => {
    const progress: Progress = { stage: 0, sum: 2, failed: true };
    const phrase = { stages: [{ deps: { deps: [{ phrase: leaf }] } }], returnStage: { retval: 1 } };
    expect(next(phrase, progress)).toEqual({ kind: 'finish', result: { data: { success: false } }, progress });
  });

  test('a sum that a number does not hold exactly is refused, whatever it is the sum of', () => {
    const most = Number.MAX_SAFE_INTEGER;
    expect(() => settle({ stage: 0, sum: most }, [once], [[1]])).toThrow('too large to be exact');
    expect(() => next({ stages: [], returnStage: { retval: -2 } }, { stage: 0, sum: -most })).toThrow(
      'too large to be exact',
    );
    expect(settle({ stage: 0, sum: most }, [once], [[-1]])).toEqual({ stage: 1, sum: most - 1 });
  });

  test('retries never go beyond what is allowed, and the sum is that of the successes', () => {
    assert(
      property(nat(5), nat(8), constantFrom(1, 4), (retries, failures, shards) => {
        const phrase = {
          stages: [{ deps: { deps: [{ shards, retries, phrase: leaf }] } }],
          returnStage: { retval: 1 },
        };
        let progress = START;
        let asks = 0;
        for (let action = next(phrase); action.kind !== 'finish'; action = next(phrase, progress)) {
          if (action.kind !== 'ask') throw new Error('bug');
          const isOver = ++asks > failures;
          expect(action.wanted.map(({ attempts }) => attempts)).toEqual(Array.from({ length: shards }, () => [asks]));
          progress = settle(
            action.progress,
            action.wanted,
            action.wanted.map(() => [isOver ? 10 : undefined]),
          );
        }
        expect(asks).toBe(Math.min(retries, failures) + 1);
        const value = { success: true, value: String(10 * shards + 1) };
        expect(next(phrase, progress)).toMatchObject({
          result: { data: failures > retries ? { success: false } : value },
        });
      }),
    );
  });
});

describe('an answer', () => {
  const one: Wanted = { place: 0, phrase: leaf, attempts: [1], retries: 0 };
  const answer = (attempt: object, shouldHalt = false) =>
    JSON.stringify({
      questIds: ['Q'],
      accepted: true,
      graph: { quests: { Q: { attempts: { 1: attempt } } } },
      shouldHalt,
    });
  const read = (result: TaskResult | object) => readAnswer(answer({ state: 'FINISHED', result }), [one]);
  const success = (value: unknown) => ({ data: { success: true, value } });

  test.each([
    ['a success', success('42'), [[42]]],
    ['a negative one', success('-3'), [[-3]]],
    ['one of nothing', success('0'), [[0]]],
    ['a failure', { data: { success: false } }, [[undefined]]],
    ['a result of another kind of job', { data: { stdoutTail: 'x' } }, [[undefined]]],
    ['an abnormal finish', abnormal('CRASHED', 'gone'), [[undefined]]],
  ])('is read: %s', (_, result, expected) => {
    expect(read(result)).toEqual(expected);
  });

  test('that halts is read no further', () => {
    expect(readAnswer(answer({ state: 'SCHEDULING' }, true), [one])).toBe('halt');
  });

  test.each([
    ['4.5', 'must be a whole number'],
    ['', 'must be a whole number'],
    [4, 'must be string, not number'],
    ['9007199254740993', 'is too large to be exact'],
  ])('with the value %j is refused', (value, reason) => {
    expect(() => read(success(value))).toThrow(`result.data.value: ${reason}`);
  });

  test.each([
    [
      'a result is withheld',
      answer({ state: 'FINISHED', resultWithheld: 'dataSizeLimit' }),
      'Q|1 is not in the answer: dataSizeLimit',
    ],
    ['an attempt is not over', answer({ state: 'EXECUTING' }), 'Q|1 is not in the answer: missing'],
    [
      'an attempt is missing',
      JSON.stringify({ questIds: ['Q'], graph: { quests: {} }, shouldHalt: false }),
      'Q|1 is not in the answer',
    ],
    [
      'a quest is missing',
      JSON.stringify({ questIds: [], graph: { quests: {} }, shouldHalt: false }),
      'is not in the answer',
    ],
    ['it is cut off', answer({}).slice(0, -5), 'answer: must be object, not null'],
  ])('is refused when %s', (_, body, reason) => {
    expect(() => readAnswer(body, [one])).toThrow(reason);
  });
});
