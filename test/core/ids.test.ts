import { expect, test } from 'vitest';
import { executionId, parseExecutionId, questId, SHARDS, shardOf } from '../../shared/core/ids.ts';

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
