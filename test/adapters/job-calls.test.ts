import { describe, expect, test, vi } from 'vitest';
import { chosen } from '../../shared/adapters/allow-list.ts';
import { HttpStatusError } from '../../shared/adapters/http-answer.ts';
import {
  cancelUnlessOver,
  oldestFirst,
  orGone,
  searched,
  settling,
  startWindow,
  unlessStarted,
} from '../../shared/adapters/job-calls.ts';
import { TransientError } from '../../shared/core/errors.ts';
import { manualClock } from '../support/services.ts';

const busy = new TransientError('busy');
const patient = new TransientError('slow down', { retryAfterMs: 7000 });
const refused = new HttpStatusError('no such field', 400);
const forbidden = new HttpStatusError('may not do that', 403);
const unknown = new HttpStatusError('no such job', 404);

describe('a cancel', () => {
  test('that is accepted asks nothing', async () => {
    const isOver = vi.fn(async () => false);
    await cancelUnlessOver(Promise.resolve(), isOver);
    expect(isOver).not.toHaveBeenCalled();
  });

  test.each([refused, unknown, busy])(
    'that is answered "$message" succeeds where the job is over or gone',
    async error => {
      await cancelUnlessOver(Promise.reject(error), async () => true);
      await cancelUnlessOver(Promise.reject(error), async () => Promise.reject(unknown));
    },
  );

  test.each([refused, unknown, patient])(
    'that is answered "$message" while the job goes on fails with that',
    async error => {
      const looks = [async () => false, async () => Promise.reject(busy), async () => Promise.reject(forbidden)];
      for (const isOver of looks) await expect(cancelUnlessOver(Promise.reject(error), isOver)).rejects.toBe(error);
    },
  );

  test('by whom may not is refused, whatever became of the job', async () => {
    await expect(cancelUnlessOver(Promise.reject(forbidden), async () => true)).rejects.toBe(forbidden);
  });
});

describe('a search', () => {
  test('that is refused may be made again', async () => {
    await expect(searched(Promise.reject(refused))).rejects.toMatchObject({ name: 'TransientError', cause: refused });
  });

  test.each([forbidden, patient])('that fails with "$message" says so', async error => {
    await expect(searched(Promise.reject(error))).rejects.toBe(error);
  });

  test('of what is gone finds nothing', async () => {
    expect(await Promise.reject(unknown).catch(orGone)).toBeUndefined();
    await expect(Promise.reject(refused).catch(orGone)).rejects.toBe(refused);
  });

  test('gives the oldest first, and everybody the same order', () => {
    const starts = ['b 2026-11-24T02:00:00+01:00', 'd never', 'a 2026-11-24T01:30:00Z', 'c never'];
    const read = (start: string) => ({ id: start.slice(0, 1), createdAt: start.slice(2) });
    const order = ['c never', 'd never', 'b 2026-11-24T02:00:00+01:00', 'a 2026-11-24T01:30:00Z'];
    expect(oldestFirst(starts, read)).toEqual(order);
    expect(oldestFirst(starts.toReversed(), read)).toEqual(order);
  });
});

describe('a start', () => {
  test('that was not answered settles before it is looked for', async () => {
    await expect(settling(Promise.reject(busy), 60_000)).rejects.toMatchObject({
      message: 'busy',
      retryAfterMs: 60_000,
    });
    for (const error of [patient, refused, forbidden])
      await expect(settling(Promise.reject(error), 60_000)).rejects.toBe(error);
  });

  test('that is refused is what was started before', async () => {
    expect(await unlessStarted(async () => 'job')(refused)).toBe('job');
    await expect(unlessStarted(async () => undefined)(refused)).rejects.toBe(refused);
    await expect(unlessStarted(async () => 'job')(busy)).rejects.toBe(busy);
  });

  test('that is refused is tried again while nobody knows what was started before', async () => {
    const search = async () => Promise.reject(unknown);
    await expect(unlessStarted(search)(refused)).rejects.toMatchObject({
      name: 'TransientError',
      message: /no such field.*no such job/,
    });
    await expect(unlessStarted(search)(forbidden)).rejects.toBe(forbidden);
  });

  test('is not made later than 30 s into a call', () => {
    const clock = manualClock();
    const window = startWindow(clock);
    clock.advance(30_000);
    window.check();
    clock.advance(1);
    expect(window.isOver()).toBe(true);
    expect(() => window.check()).toThrow(TransientError);
  });
});

describe('what a quest chooses', () => {
  test.each([
    [undefined, ['a', 'b'], 'a'],
    ['b', ['a', 'b'], 'b'],
    [undefined, [], undefined],
    [undefined, undefined, undefined],
  ])('%s of %j is %s', (asked, allowed, choice) => {
    expect(chosen('f', asked, allowed)).toBe(choice);
  });

  test.each([
    [['a', 'b'], 'f: must be one of a, b'],
    [[], "f: is not for quests: the distributor's config names none"],
    [undefined, "f: is not for quests: the distributor's config names none"],
  ])('and is not among %j is refused', (allowed, message) => {
    expect(() => chosen('f', 'c', allowed)).toThrow(expect.objectContaining({ name: 'InvalidArgument', message }));
  });
});
