import { expect, test } from 'vitest';
import { measurePolls } from '../../bench/polls-bed.ts';
import { inTemporaryDirectory } from '../../bench/load.ts';

const OPEN = 450;
/** What Swarming's type takes at once. TES takes more than there are. */
const TOGETHER = 200;

test('Swarming is asked once for as many as are polled together', async () => {
  const rounds = Object.values(await inTemporaryDirectory(directory => measurePolls(directory, 'swarming', OPEN)));
  for (const { requests } of rounds) expect(requests).toBeLessThanOrEqual(Math.ceil(OPEN / TOGETHER));
  expect(rounds.map(({ ended }) => ended)).toEqual([0, 0, OPEN / 10]);
}, 60_000);

test('TES is asked for lists, and by name for those that have ended', async () => {
  const rounds = Object.values(await inTemporaryDirectory(directory => measurePolls(directory, 'tes', OPEN)));
  const [begun, quiet, tenth] = rounds.map(({ requests }) => requests);
  expect([begun, quiet]).toEqual([1, 1]);
  expect(tenth).toBeLessThan(OPEN / 2);
  expect(rounds.map(({ ended }) => ended)).toEqual([0, 0, OPEN / 10]);
}, 60_000);
