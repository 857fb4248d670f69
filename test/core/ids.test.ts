import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  attemptId,
  executionId,
  MAX_NUMBER,
  parseAttemptId,
  parseExecutionId,
  questId,
  SHARDS,
  shardOf,
} from '../../shared/core/ids.ts';

const quest = questId('A'.repeat(43));

test('an execution id is read back as it was made', () => {
  expect(parseExecutionId(executionId(quest, 3, 14))).toEqual({ quest, attempt: 3, execution: 14 });
});

test.each(['', 'x', quest, `${quest}|1`, `${quest}|0|1`, `${quest}|1|01`, `${quest}|1|1|1`, `${quest}|1|9999999999`])(
  'the text %j is no execution id',
  text => expect(() => parseExecutionId(text)).toThrow(/executionId/),
);

test('shards are used evenly', () => {
  const counts = Array.from({ length: SHARDS }, () => 0);
  for (let n = 1; n <= 16_000; n++) counts[shardOf(`${quest}|${n}`)]! += 1;
  expect(Math.min(...counts)).toBeGreaterThan(800);
  expect(Math.max(...counts)).toBeLessThan(1200);
});

const numbers = fc.integer({ min: 1, max: MAX_NUMBER });

test('every id of an attempt or execution is read back as it was made, and is in the same shard for ever', () => {
  fc.assert(
    fc.property(fc.base64String({ minLength: 44, maxLength: 44 }), numbers, numbers, (text, attempt, execution) => {
      const id = questId(text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', 'A').slice(0, 43));
      expect(parseAttemptId(attemptId(id, attempt))).toEqual({ quest: id, attempt });
      expect(parseExecutionId(executionId(id, attempt, execution))).toEqual({ quest: id, attempt, execution });
      expect(shardOf(attemptId(id, attempt))).toBeLessThan(SHARDS);
    }),
  );
  // Stored with every document: another function would lose all of them.
  expect([shardOf(''), shardOf('a'), shardOf(`${quest}|1`), shardOf(`${quest}|1|1`)]).toEqual([9, 0, 4, 7]);
});

test('no other text is an id of an attempt', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('|', '0', '1', 'A', ' ', '-') }), text => {
      fc.pre(!/^\|[1-9]\d*$/.test(text));
      expect(() => parseAttemptId(`${quest}${text}`)).toThrow(/attemptId/);
    }),
    { examples: [['|0'], ['|01'], ['|1 '], ['||1'], ['|1|1']] },
  );
});
