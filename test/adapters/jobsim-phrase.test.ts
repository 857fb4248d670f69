import { assert, integer, nat, property } from 'fast-check';
import { expect, test } from 'vitest';
import { step } from '../../shared/adapters/jobsim/phrase.ts';
import { type Phrase, phraseSchema } from '../../shared/adapters/jobsim/schema.ts';
import { parseWith } from '../../shared/core/validation.ts';

function phrase(part: object): Phrase {
  return parseWith(phraseSchema, { stages: [], ...part }, 'parameters');
}

const stall = { stall: { delay: '1.5s' } };
const never = { failure: { chance: 0 } };
const always = { failure: { chance: 1 } };
const good = (value: string) => ({ data: { success: true, value } });
const bad = { data: { success: false } };

test.each([
  ['an empty phrase', {}, 0, { kind: 'finish', result: good('0'), stage: 0 }],
  ['a return stage', { returnStage: { retval: 42 } }, 0, { kind: 'finish', result: good('42'), stage: 0 }],
  ['a negative value', { returnStage: { retval: -1 } }, 0, { kind: 'finish', result: good('-1'), stage: 0 }],
  ['a stall', { stages: [stall] }, 0, { kind: 'wait', delayMs: 1500, stage: 1 }],
  ['the end after a stall', { stages: [stall] }, 1, { kind: 'finish', result: good('0'), stage: 1 }],
  ['the second stall', { stages: [stall, { stall: { delay: '0s' } }] }, 1, { kind: 'wait', delayMs: 0, stage: 2 }],
  ['a failure that does not happen', { stages: [never] }, 0, { kind: 'finish', result: good('0'), stage: 1 }],
  ['a stall after such a failure', { stages: [never, stall] }, 0, { kind: 'wait', delayMs: 1500, stage: 2 }],
  ['a failure that happens', { stages: [always, stall] }, 0, { kind: 'finish', result: bad, stage: 0 }],
  ['a failure after a stall', { stages: [stall, always] }, 1, { kind: 'finish', result: bad, stage: 1 }],
  [
    'a failure, return stage or not',
    { stages: [always], returnStage: { retval: 1 } },
    0,
    { kind: 'finish', result: bad, stage: 0 },
  ],
  ['the state of a longer phrase', {}, 9, { kind: 'finish', result: good('0'), stage: 9 }],
])('%s', (_, part, stage, { stage: nextStage, ...action }) => {
  expect(step(phrase(part), { stage, sum: 0 }, 1)).toEqual({ ...action, progress: { stage: nextStage, sum: 0 } });
});

test('the return value is added to the sum so far, which is kept', () => {
  expect(
    step(phrase({ returnStage: { retval: 5, expiration: '2026-12-01T00:00:00Z' } }), { stage: 0, sum: 37 }, 1),
  ).toEqual({
    kind: 'finish',
    result: { ...good('42'), expiration: '2026-12-01T00:00:00Z' },
    progress: { stage: 0, sum: 37 },
  });
});

test('whether a stage fails depends on seed, attempt and stage, and on nothing else', () => {
  const coin = { failure: { chance: 0.5 } };
  const fails = (seed: number, attempt: number, stage: number, name: string): boolean => {
    const stages = [...Array.from({ length: stage }, () => stall), coin, stall];
    return step(phrase({ name, seed, stages }), { stage, sum: 7 }, attempt).kind === 'finish';
  };
  assert(
    property(integer(), nat(), nat(20), (seed, attempt, stage) => {
      expect(fails(seed, attempt, stage, 'a')).toBe(fails(seed, attempt, stage, 'b'));
    }),
  );
  const differing = [
    [0, 1, 2, 3, 4, 5, 6, 7].map(seed => fails(seed, 1, 0, 'a')),
    [0, 1, 2, 3, 4, 5, 6, 7].map(attempt => fails(0, attempt, 0, 'a')),
    [0, 1, 2, 3, 4, 5, 6, 7].map(stage => fails(0, 1, stage, 'a')),
  ];
  for (const outcomes of differing) expect(new Set(outcomes).size).toBe(2);
});

test.each([0.1, 0.5, 0.9])('a chance of %d is kept', chance => {
  const failing = phrase({ stages: [{ failure: { chance } }, stall] });
  let failures = 0;
  for (let attempt = 1; attempt <= 10_000; attempt++) {
    if (step(failing, { stage: 0, sum: 0 }, attempt).kind === 'finish') failures++;
  }
  expect(failures / 10_000).toBeCloseTo(chance, 1);
});

test('a phrase of very many stages is walked through', () => {
  const long = phrase({ stages: Array.from({ length: 20_000 }, () => never) });
  expect(step(long, { stage: 0, sum: 0 }, 1)).toMatchObject({ kind: 'finish', progress: { stage: 20_000 } });
});
