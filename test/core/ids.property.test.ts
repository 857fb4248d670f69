import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InvalidArgument } from '../../shared/core/errors.ts';
import {
  attemptId,
  executionId,
  isAttemptId,
  isExecutionId,
  MAX_NUMBER,
  parseAttemptId,
  parseExecutionId,
  questId,
} from '../../shared/core/ids.ts';

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const quests = fc
  .string({ unit: fc.constantFrom(...BASE64URL.split('')), minLength: 43, maxLength: 43 })
  .map(text => questId(text));
const numbers = fc.oneof(fc.integer({ min: 1, max: MAX_NUMBER }), fc.constantFrom(1, 2, 10, MAX_NUMBER));
const parts = fc.record({ quest: quests, attempt: numbers, execution: numbers });

/** Characters that get into ids by accident or on purpose, such as a digit that is not ASCII. */
const FOREIGN = fc.constantFrom('', ...'|0123456789-_AZaz +/=.%:\n\0٣１'.split(''));
/** A text that an id becomes when one place of it is changed, doubled or lost. */
const damaged = fc
  .tuple(
    fc.oneof(
      parts.map(({ quest, attempt }) => attemptId(quest, attempt)),
      parts.map(({ quest, attempt, execution }) => executionId(quest, attempt, execution)),
    ),
    fc.nat(),
    fc.nat(2),
    FOREIGN,
  )
  .map(([id, place, lost, inserted]) => {
    const at = place % (id.length + 1);
    return id.slice(0, at) + inserted + id.slice(at + lost);
  });

test('an id names one thing, and a thing has one id', () => {
  fc.assert(
    fc.property(parts, parts, (one, other) => {
      const idOf = ({ quest, attempt, execution }: typeof one) => executionId(quest, attempt, execution);
      expect(idOf(one) === idOf(other)).toBe(JSON.stringify(one) === JSON.stringify(other));
      const own = attemptId(one.quest, one.attempt);
      expect([isExecutionId(idOf(one)), isAttemptId(idOf(one)), isExecutionId(own), isAttemptId(own)]).toEqual([
        true,
        false,
        false,
        true,
      ]);
    }),
  );
});

test.each([
  {
    what: 'an attempt',
    is: isAttemptId,
    again(text: string) {
      const { quest, attempt } = parseAttemptId(text, 'named');
      return attemptId(quest, attempt);
    },
  },
  {
    what: 'an execution',
    is: isExecutionId,
    again(text: string) {
      const { quest, attempt, execution } = parseExecutionId(text, 'named');
      return executionId(quest, attempt, execution);
    },
  },
])('a text is either the one way to write the id of $what, or is refused, naming the field', ({ is, again }) => {
  const outcomes = { read: 0, refused: 0 };
  fc.assert(
    fc.property(damaged, text => {
      try {
        expect(again(text)).toBe(text);
        expect(is(text)).toBe(true);
        outcomes.read += 1;
      } catch (error) {
        if (!(error instanceof InvalidArgument)) throw error;
        expect(error.field).toBe('named');
        expect(is(text)).toBe(false);
        outcomes.refused += 1;
      }
    }),
    { numRuns: 2000 },
  );
  expect(Math.min(outcomes.read, outcomes.refused)).toBeGreaterThan(50);
});

test('only 43 characters of base64url are a quest id', () => {
  fc.assert(
    fc.property(quests, fc.nat(42), fc.constantFrom('', 'AA', ...'|+/=. \n\0é%'.split('')), (quest, at, other) => {
      const text = quest.slice(0, at) + other + quest.slice(at + 1);
      expect(() => questId(text, 'quests[0]')).toThrow(/^quests\[0\]: must be a quest id/);
    }),
  );
});
