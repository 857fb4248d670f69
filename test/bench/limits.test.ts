import { describe, expect, test } from 'vitest';
import { type Limited, type LimitedLoad, measureLimits } from '../../bench/limits-bed.ts';
import { inTemporaryDirectory } from '../../bench/load.ts';

const COUNT = 120;
const MAX_IN_FLIGHT = 10;

function measure(load: Omit<LimitedLoad, 'count'>): Promise<Limited> {
  return inTemporaryDirectory(directory => measureLimits(directory, { count: COUNT, ...load }));
}

describe.each([1, 3])('%i instances', instances => {
  test('start as many as there are slots, in order, with three writes more for each', async () => {
    const plain = await measure({ instances });
    const limited = await measure({ instances, maxInFlight: MAX_IN_FLIGHT });
    expect(plain).toMatchObject({ mostJobs: COUNT, mostHeld: 0, writes: { line: 0, take: 0, free: 0, idle: 0 } });
    expect(limited).toMatchObject({ mostJobs: MAX_IN_FLIGHT, mostHeld: MAX_IN_FLIGHT, startedLate: 0 });
    expect(limited.writes).toMatchObject({ take: COUNT, free: COUNT });
    expect(limited.writes.all - plain.writes.all).toBeLessThanOrEqual(3 * COUNT);
    expect(limited.idleMs).toHaveLength(COUNT - MAX_IN_FLIGHT);
  }, 60_000);
});
