import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { executionName, executionOfName } from '../../shared/adapters/execution-name.ts';
import { executionId, MAX_NUMBER, questId } from '../../shared/core/ids.ts';

const quests = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map(bytes => questId(Buffer.from(bytes).toString('base64url')));
const numbers = fc.integer({ min: 1, max: MAX_NUMBER });

describe('the name of an execution', () => {
  test('is a DNS label, and leads back to it', () => {
    fc.assert(
      fc.property(quests, fc.integer({ min: 1, max: 60_000_000 }), numbers, (quest, attempt, execution) => {
        const id = executionId(quest, attempt, execution);
        const name = executionName(id);
        expect(name).toMatch(/^[a-z][a-z0-9-]{0,61}[a-z0-9]$/);
        expect(executionOfName(name)).toBe(id);
      }),
    );
  });

  test.each([new Uint8Array(32), new Uint8Array(32).fill(255)])('at both ends of quest ids', bytes => {
    const id = executionId(questId(Buffer.from(bytes).toString('base64url')), 1, 1);
    expect(executionOfName(executionName(id))).toBe(id);
  });

  test('is refused where it would be too long', () => {
    const id = executionId(questId('A'.repeat(43)), MAX_NUMBER, MAX_NUMBER);
    expect(() => executionName(id)).toThrow(expect.objectContaining({ name: 'InvalidArgument' }));
  });

  test.each([
    '',
    'a',
    'job-1',
    `a${'0'.repeat(49)}-0-1`,
    `a${'0'.repeat(49)}-1-1-1`,
    `g${'z'.repeat(49)}-1-1`,
    `a${'0'.repeat(49)}-zzzzzz-1`,
  ])('is not %j', text => expect(executionOfName(text)).toBeUndefined());

  test('whatever the text, nothing is thrown and no two names are of one execution', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-g][0-9a-z]{49}-[0-9a-z]{1,6}-[0-9a-z]{1,6}$/), text => {
        const id = executionOfName(text);
        if (id !== undefined) expect(executionName(id)).toBe(text);
      }),
    );
  });
});
