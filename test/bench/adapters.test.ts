import { expect, test } from 'vitest';
import { inBundleDirectory, measureImports, measureSizes } from '../../bench/adapters.ts';

test('the bytes of a type are those of its folder, and what nobody else needs', async () => {
  const sizes = await inBundleDirectory(directory => measureSizes(directory, ['tes']));
  const { alone, own, beside } = sizes.get('tes')!;
  expect(own).toBeGreaterThan(5000);
  expect(beside).toBeGreaterThan(own * 0.9);
  // The caller of REST services is in the bundle of the others already.
  expect(alone).toBeGreaterThan(beside);
  expect(alone).toBeLessThan(30_000);
}, 60_000);

test('each import is measured as often as asked', async () => {
  const elapsed = await inBundleDirectory(directory => measureImports(directory, 2, ['jobsim']));
  expect([...elapsed]).toEqual([['jobsim', [expect.any(Number), expect.any(Number)]]]);
}, 60_000);
