import { expect, test } from 'vitest';
import { flatnessOf } from '../../soak/flatness.ts';
import type { Life } from '../../soak/lives.ts';

const MIB = 2 ** 20;

function lives(count: number, resident: (i: number) => number, handles: (i: number) => number = () => 40): Life[] {
  return Array.from({ length: count }, (_, i) => ({
    servedMs: 5000,
    peak: { resident: resident(i) * MIB, handles: handles(i) },
  }));
}

const flat = (all: readonly Life[]) => flatnessOf(all)?.map(({ measure, isFlat }) => [measure, isFlat]);

test('lives that need the same are flat, whatever single ones need', () => {
  const needs = (i: number) => (i % 7 === 0 ? 400 : 120);
  expect(flat(lives(40, needs))).toEqual([
    ['resident', true],
    ['handles', true],
  ]);
});

test('memory that grows from life to life is not flat', () => {
  expect(flat(lives(40, i => 100 + 5 * i))).toContainEqual(['resident', false]);
});

test('open files that grow from life to life are not flat', () => {
  expect(
    flat(
      lives(
        40,
        () => 100,
        i => 40 + i,
      ),
    ),
  ).toContainEqual(['handles', false]);
});

test('of few lives, or of lives of a moment, nobody can tell', () => {
  expect(flatnessOf(lives(15, () => 100))).toBeUndefined();
  expect(flatnessOf(lives(100, () => 100).map(life => ({ ...life, servedMs: 500 })))).toBeUndefined();
});
