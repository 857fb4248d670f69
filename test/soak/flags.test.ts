import { expect, test } from 'vitest';
import { readFlags } from '../../soak/flags.ts';

test('a soak needs to know how long; all else has a default', () => {
  expect(readFlags(['--minutes', '0.5'], 1_000_042)).toEqual({
    minutes: 0.5,
    seed: 42,
    killsPerMinute: 12,
    keep: false,
  });
  expect(readFlags(['--minutes=30', '--seed=7', '--kills-per-minute=0', '--keep'], 0)).toEqual({
    minutes: 30,
    seed: 7,
    killsPerMinute: 0,
    keep: true,
  });
});

test('thirty minutes have at least 300 kills, by default and on average', () => {
  expect(30 * readFlags(['--minutes', '30'], 0)!.killsPerMinute).toBeGreaterThanOrEqual(300);
});

test('who asks for help does not start a soak', () => {
  expect(readFlags(['--help'], 0)).toBeUndefined();
});

test.each([
  ['no time', [], '--minutes: is missing'],
  ['a time that is none', ['--minutes', 'soon'], '--minutes: "soon" is not a number'],
  ['no time at all', ['--minutes', '0'], '--minutes: must be more than zero'],
  ['an unknown flag', ['--minutes', '1', '--gently'], '--gently'],
])('%s is refused, with the usage', (_, args, message) => {
  expect(() => readFlags(args, 0)).toThrow(message);
  expect(() => readFlags(args, 0)).toThrow('npm run soak');
});
