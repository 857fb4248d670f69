import { expect, test } from 'vitest';
import { createAlarm } from '../../shared/embedded/alarm.ts';
import type { Clock } from '../../shared/core/ports.ts';
import { manualClock } from '../support/services.ts';

function setUp() {
  const clock = manualClock();
  const start = clock.now();
  const rings: number[] = [];
  const alarm = createAlarm(clock, () => rings.push(clock.now() - start));
  return {
    alarm,
    rings,
    set: (...times: number[]) => times.forEach(time => alarm.set(start + time)),
    async advance(milliseconds: number) {
      clock.advance(milliseconds);
      await new Promise(setImmediate);
    },
  };
}

test.each([[[500, 1000]], [[1000, 500]], [[1000, 500, 700]], [[500, 500]]])(
  'set to %j it rings once, at the earliest',
  async times => {
    const { set, advance, rings } = setUp();
    set(...times);
    await advance(499);
    expect(rings).toEqual([]);
    await advance(1);
    await advance(10_000);
    expect(rings).toEqual([500]);
  },
);

test('it may be set again after it rang, also to a later time', async () => {
  const { set, advance, rings } = setUp();
  set(500);
  await advance(500);
  set(900);
  await advance(400);
  expect(rings).toEqual([500, 900]);
});

test('a time in the past rings at once', async () => {
  const { set, advance, rings } = setUp();
  set(-500);
  await advance(0);
  expect(rings).toEqual([0]);
});

test('for a time far off it rings every minute, in case the clock was changed', async () => {
  const { set, advance, rings } = setUp();
  set(3_600_000);
  await advance(60_000);
  expect(rings).toEqual([60_000]);
});

test('cleared it does not ring, and may be set again', async () => {
  const { alarm, set, advance, rings } = setUp();
  set(500);
  alarm.clear();
  await advance(500);
  expect(rings).toEqual([]);
  set(600);
  await advance(100);
  expect(rings).toEqual([600]);
});

test('no time is no alarm', async () => {
  const { alarm, advance, rings } = setUp();
  alarm.set(undefined);
  await advance(100_000);
  expect(rings).toEqual([]);
});

test('a clock whose sleep rejects when it is aborted does no harm', async () => {
  const clock: Clock = {
    now: () => 0,
    sleep: (_milliseconds, signal) =>
      new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new Error('aborted')))),
  };
  const rings: unknown[] = [];
  const alarm = createAlarm(clock, () => rings.push('rang'));
  alarm.set(1000);
  alarm.set(500);
  alarm.clear();
  await new Promise(setImmediate);
  expect(rings).toEqual([]);
});
