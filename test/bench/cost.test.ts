import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { costs, INSTANCE, PRICES, totalOf } from '../../bench/prices.ts';
import { billedSeconds, instanceSecondsAt } from '../../bench/instance-time.ts';

describe('an instance is charged', () => {
  test('nothing while it has no request', () => {
    expect(billedSeconds([])).toBe(0);
  });

  test('100 ms at least for a request', () => {
    expect(billedSeconds([{ from: 5, to: 6 }])).toBe(0.1);
    expect(billedSeconds([{ from: 5, to: 106 }])).toBe(0.2);
  });

  test('once for requests at the same time', () => {
    const busy = [
      { from: 0, to: 250 },
      { from: 40, to: 60 },
    ];
    expect(billedSeconds(busy)).toBe(0.3);
  });

  test('once for a request that comes within time that is paid for', () => {
    const busy = [
      { from: 0, to: 10 },
      { from: 90, to: 95 },
    ];
    expect(billedSeconds(busy)).toBe(0.1);
  });

  test('for the rest of a request that begins within time that is paid for', () => {
    const busy = [
      { from: 0, to: 10 },
      { from: 90, to: 120 },
    ];
    expect(billedSeconds(busy)).toBe(0.2);
  });

  test('for each of two requests that are apart', () => {
    const busy = [
      { from: 1000, to: 1001 },
      { from: 0, to: 1 },
    ];
    expect(billedSeconds(busy)).toBe(0.2);
  });

  test('never less than it was busy, and less than 100 ms more for each time', () => {
    const busy = Array.from({ length: 500 }, (_, n) => ({ from: n * 137, to: n * 137 + ((n * 61) % 300) }));
    const ends = busy.map(({ from, to }, n) => Math.min(to, busy[n + 1]?.from ?? to) - from);
    const least = ends.reduce((sum, one) => sum + one, 0) / 1000;
    expect(billedSeconds(busy)).toBeGreaterThanOrEqual(least);
    expect(billedSeconds(busy)).toBeLessThan(least + busy.length * 0.1);
  });
});

describe('at a given load', () => {
  test('each function has one instance while that is enough', () => {
    expect(instanceSecondsAt(10, [0.004, 0.002, 0.004, 0.01])).toBeCloseTo(4 / 10);
  });

  test('a busier one has as many as keep their processors at 60 %', () => {
    expect(instanceSecondsAt(100, [0.012, 0.001])).toBeCloseTo((2 + 1) / 100);
  });
});

test('a million executions of the budget cost what the design page says', () => {
  const usage = { reads: 8e6, writes: 7e6, taskOperations: 4e6, requests: 4e6 };
  const parts = costs(usage);
  expect(parts.reads).toBeCloseTo(2.4);
  expect(parts.writes).toBeCloseTo(6.3);
  expect(parts.taskOperations).toBeCloseTo(1.6);
  expect(parts.requests).toBeCloseTo(1.6);
  expect(totalOf(parts)).toBeCloseTo(11.9);
});

test('every price names where it stands', () => {
  for (const { source } of Object.values(PRICES)) expect(source).toMatch(/^https:\/\/cloud\.google\.com\/.*pricing$/);
});

test('instances are priced as deploy.sh asks for them', () => {
  const script = readFileSync(new URL('../../deploy/functions.sh', import.meta.url), 'utf8');
  const memory = Number(/--memory=(\d+)Mi /.exec(script)?.[1]);
  const processors = Number(/--cpu=(\d+) /.exec(script)?.[1]);
  expect({ vcpu: processors, gib: memory / 1024 }).toEqual(INSTANCE);
});
