import fc from 'fast-check';
import { expect, test } from 'vitest';
import { edgeSchema, idOfEdge, waitOfEdge } from '../../shared/core/edge.ts';
import { InvalidArgument } from '../../shared/core/errors.ts';
import {
  type AttemptId,
  attemptId,
  edgeId,
  executionId,
  isAttemptId,
  isExecutionId,
  MAX_NUMBER,
  parseAttemptId,
  parseExecutionId,
  type QuestId,
  questId,
  waitId,
} from '../../shared/core/ids.ts';

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const quests = fc
  .string({ unit: fc.constantFrom(...BASE64URL.split('')), minLength: 43, maxLength: 43 })
  .map(text => questId(text));
const numbers = fc.oneof(fc.integer({ min: 1, max: MAX_NUMBER }), fc.constantFrom(1, 2, 10, MAX_NUMBER));
const parts = fc.record({ quest: quests, attempt: numbers, execution: numbers });

const idOfParts = ({ quest, attempt }: { quest: QuestId; attempt: number }) => attemptId(quest, attempt);

/** Characters that get into ids by accident or on purpose, such as a digit that is not ASCII. */
const FOREIGN = fc.constantFrom('', ...'|0123456789-_AZaz +/=.%:\n\0٣１'.split(''));
/** A text that an id becomes when one place of it is changed, doubled or lost. */
const damaged = fc
  .tuple(
    fc.oneof(
      parts.map(idOfParts),
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

/** So few that they are often the same, and so much alike that one begins as another does. */
const alike = fc.record({
  quest: fc.constantFrom('A'.repeat(43), `${'A'.repeat(42)}1`, `1${'A'.repeat(42)}`).map(text => questId(text)),
  attempt: fc.constantFrom(1, 2, 11, 111),
});
const alikeNumbers = fc.constantFrom(1, 2, 11, 111);

test('an edge id names one pair in one direction, and edges of one dependency are neighbours', () => {
  fc.assert(
    fc.property(fc.tuple(alike, alike), fc.tuple(alike, alike), (one, other) => {
      const [mine, yours] = [one, other].map(pair => pair.map(end => attemptId(end.quest, end.attempt)));
      const [dependent, dependency] = mine as [AttemptId, AttemptId];
      const id = edgeId(dependent, dependency);
      expect(id === edgeId(yours![0]!, yours![1]!)).toBe(mine!.join() === yours!.join());
      expect(id.split('<')).toEqual([dependency, dependent]);
      expect(isAttemptId(id) || isExecutionId(id)).toBe(false);
      expect(edgeId(yours![0]!, dependency).startsWith(`${dependency}<`)).toBe(true);
    }),
  );
});

test('a wait id names one ask of one execution, and is the id of nothing else', () => {
  const asks = fc.tuple(alike, alikeNumbers, alikeNumbers);
  fc.assert(
    fc.property(asks, asks, (one, other) => {
      const idOf = ([{ quest, attempt }, execution, ask]: typeof one) =>
        waitId(executionId(quest, attempt, execution), ask);
      expect(idOf(one) === idOf(other)).toBe(JSON.stringify(one) === JSON.stringify(other));
      expect(isAttemptId(idOf(one)) || isExecutionId(idOf(one))).toBe(false);
    }),
  );
});

test('an edge knows its id and its wait, and only between ids of attempts it is one', () => {
  const outcomes = { read: 0, refused: 0 };
  fc.assert(
    fc.property(parts, fc.oneof(damaged, parts.map(idOfParts)), numbers, ({ quest, attempt, execution }, text, ask) => {
      const dependent = attemptId(quest, attempt);
      const edge = {
        ...{ schemaVersion: 1, revision: 1, createdAt: 0, updatedAt: 0 },
        ...{ dependent, dependency: text, execution, ask, spare: 0, open: true },
      };
      const read = edgeSchema.safeParse(edge);
      expect(read.success).toBe(isAttemptId(text));
      expect(edgeSchema.safeParse({ ...edge, dependent: text, dependency: dependent }).success).toBe(read.success);
      outcomes[read.success ? 'read' : 'refused'] += 1;
      if (!read.success) return;
      expect(idOfEdge(read.data)).toBe(`${text}<${dependent}`);
      expect(waitOfEdge(read.data)).toBe(waitId(executionId(quest, attempt, execution), ask));
    }),
    { numRuns: 500 },
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
