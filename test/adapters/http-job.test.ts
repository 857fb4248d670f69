import { expect, test } from 'vitest';
import {
  cancelCall,
  claimCall,
  endCancelled,
  isDue,
  type Job,
  jobSchema,
  recordAnswer,
} from '../../shared/adapters/http/job.ts';
import type { Outcome } from '../../shared/adapters/http/outcome.ts';
import type { ExecutionId } from '../../shared/core/ids.ts';

const now = 1_000_000;
const executionId = 'execution-1' as ExecutionId;
const looked = { executionId, now };
const limits = { maxTries: 3, requestTimeoutMs: 30_000 };

/** One job in every situation that is told apart. */
const JOBS = {
  calling: { state: 'calling', tries: 2, dueAt: now + 1 },
  cancelledCalling: { state: 'calling', tries: 2, dueAt: now + 1, cancelled: true },
  lapsed: { state: 'calling', tries: 2, dueAt: now },
  lapsedLast: { state: 'calling', tries: 3, dueAt: now },
  cancelledLapsed: { state: 'calling', tries: 2, dueAt: now, cancelled: true },
  waiting: { state: 'waiting', tries: 2, dueAt: now + 1 },
  waited: { state: 'waiting', tries: 2, dueAt: now },
  accepted: { state: 'accepted', token: 't', storedAt: 0 },
  ended: { state: 'ended', result: { data: { a: 1 } } },
} as const satisfies Record<string, Job>;
type Name = keyof typeof JOBS;

const cancelled = {
  state: 'ended',
  result: { abnormalFinish: { status: 'CANCELLED', reason: 'cancelled on request' } },
};
/** The service may have begun a job, whose token nobody was told: it is known by its execution. */
const perhaps = { state: 'accepted', token: executionId, storedAt: now };
const nextCall = { state: 'calling', tries: 3, dueAt: now + 40_000 };

test.each(Object.entries(JOBS))('a job %s can be stored', (_, job) => expect(jobSchema.parse(job)).toEqual(job));

test('the first call can be claimed by anybody', () => {
  expect(claimCall(undefined, limits, looked)).toEqual({ state: 'calling', tries: 1, dueAt: now + 40_000 });
});

test.each<[Name, boolean]>([
  ['calling', false],
  ['cancelledCalling', false],
  ['lapsed', true],
  ['lapsedLast', true],
  ['cancelledLapsed', true],
  ['waiting', false],
  ['waited', true],
  ['accepted', false],
  ['ended', false],
])('a job %s is due: %s', (name, due) => expect(isDue(JOBS[name], now)).toBe(due));

test.each<[Name, object | 'unchanged']>([
  ['calling', 'unchanged'],
  ['cancelledCalling', 'unchanged'],
  ['lapsed', nextCall],
  ['lapsedLast', { state: 'ended', result: { abnormalFinish: { status: 'CRASHED', reason: '3 calls were lost' } } }],
  ['cancelledLapsed', perhaps],
  ['waiting', 'unchanged'],
  ['waited', nextCall],
  ['accepted', 'unchanged'],
  ['ended', 'unchanged'],
])('claiming the next call of a job %s', (name, expected) => {
  const job = JOBS[name];
  const claimed = claimCall(job, limits, looked);
  if (expected === 'unchanged') expect(claimed).toBe(job);
  else expect(claimed).toEqual(expected);
});

const result: Outcome = { kind: 'ended', result: { data: { b: 2 } } };
const accepted: Outcome = { kind: 'accepted', token: 'new' };
const retry: Outcome = { kind: 'retry', reason: 'the service answered 503' };

function record(job: Job, outcome: Outcome, tries = 2, maxTries = 3): Job {
  return recordAnswer(job, { ...looked, tries, outcome, random: 0 }, { ...limits, maxTries });
}

test.each(Object.keys(JOBS) as Name[])('a result ends a job %s, unless it has ended', name => {
  const expected = name === 'ended' ? JOBS.ended : { state: 'ended', result: { data: { b: 2 } } };
  expect(record(JOBS[name], result)).toEqual(expected);
});

test.each(Object.keys(JOBS) as Name[])('the first token of a job %s stands', name => {
  const expected =
    name === 'ended' || name === 'accepted' ? JOBS[name] : { state: 'accepted', token: 'new', storedAt: now };
  expect(record(JOBS[name], accepted)).toEqual(expected);
});

// Equal jitter: at least half of 2 s before the third call.
const waiting = { state: 'waiting', tries: 2, dueAt: now + 1000 };
test.each<[Name, object | 'unchanged']>([
  ['calling', waiting],
  ['cancelledCalling', perhaps],
  ['lapsed', waiting],
  ['lapsedLast', 'unchanged'],
  ['cancelledLapsed', perhaps],
  ['waiting', 'unchanged'],
  ['waited', 'unchanged'],
  ['accepted', 'unchanged'],
  ['ended', 'unchanged'],
])('the second call failed for the moment, of a job %s', (name, expected) => {
  const job = JOBS[name];
  if (expected === 'unchanged') expect(record(job, retry)).toBe(job);
  else expect(record(job, retry)).toEqual(expected);
});

test('the service may ask for a longer wait, not for a shorter one', () => {
  expect(record(JOBS.calling, { ...retry, retryAfterMs: 60_000 })).toEqual({ ...waiting, dueAt: now + 60_000 });
  expect(record(JOBS.calling, { ...retry, retryAfterMs: 1 })).toEqual(waiting);
});

test.each([
  [2, 'the service answered 503 (2 calls)'],
  [1, 'the service answered 503 (one call)'],
])('the last of %i calls failed: CRASHED', (tries, reason) => {
  const job: Job = { state: 'calling', tries, dueAt: now };
  expect(record(job, retry, tries, tries)).toEqual({
    state: 'ended',
    result: { abnormalFinish: { status: 'CRASHED', reason } },
  });
});

test.each<[Name, object]>([
  ['calling', JOBS.cancelledCalling],
  ['cancelledCalling', JOBS.cancelledCalling],
  ['lapsed', perhaps],
  ['lapsedLast', perhaps],
  ['cancelledLapsed', perhaps],
  ['waiting', perhaps],
  ['waited', perhaps],
  ['accepted', JOBS.accepted],
  ['ended', JOBS.ended],
])('cancelling a job %s', (name, expected) => expect(cancelCall(JOBS[name], looked)).toEqual(expected));

test('a call that nobody has made yet is cancelled, too', () =>
  expect(cancelCall(undefined, looked)).toEqual(cancelled));

test('an accepted job that nobody can ask ends by being cancelled', () => {
  expect(endCancelled(JOBS.accepted)).toEqual(cancelled);
  expect(endCancelled(JOBS.ended)).toBe(JOBS.ended);
});
