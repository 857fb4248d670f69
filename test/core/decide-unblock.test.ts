import { describe, expect, test } from 'vitest';
import { ATTEMPT_STATES, type Attempt, attemptSchema, type EndedAttempt } from '../../shared/core/attempt.ts';
import type { Decision } from '../../shared/core/decide/decision.ts';
import { decideCounted, decidePageDone, decideUnblock, type Owing } from '../../shared/core/decide/unblock.ts';
import { at, committed, MINUTE_MS } from '../support/decide.ts';
import { attemptIn, CREATED_AT } from '../support/documents.ts';

const ASKED = { execution: 2, ask: 3 };
const WAIT = { ...ASKED, spare: 1 };
const NOW = CREATED_AT + 7;

const waiting = attemptIn('WAITING', {
  wait: WAIT,
  executions: 2,
  stateFrom: 2,
  awaited: true,
  rank: 4,
  retries: { crashed: 1 },
});
const uncounted = attemptIn('WAITING', { wait: WAIT, executions: 2, uncounted: true, wakeAt: CREATED_AT });

function reasonOf(decision: Decision<unknown>): string {
  return decision.kind === 'ignored' ? decision.reason : decision.kind;
}

describe('when enough dependencies are settled', () => {
  test('the attempt is scheduled at once, and carries on what it has', () => {
    const { wait: _, ...carried } = waiting;
    expect(committed(decideUnblock({ attempt: waiting }, ASKED, at(7)))).toEqual({
      attempt: { ...carried, state: 'SCHEDULING', notBefore: NOW, wakeAt: NOW, revision: 2, updatedAt: NOW },
    });
  });

  test('also before it has counted itself, which is then no longer owed', () => {
    const { attempt } = committed(decideUnblock({ attempt: uncounted }, ASKED, at(7)));
    expect(attempt).toMatchObject({ state: 'SCHEDULING', wakeAt: NOW });
    expect(attempt).not.toHaveProperty('uncounted');
    expect(attempt).not.toHaveProperty('wait');
  });

  test('it is scheduled once: whoever else counts finds it scheduled', () => {
    const { attempt } = committed(decideUnblock({ attempt: waiting }, ASKED, at(7)));
    expect(reasonOf(decideUnblock({ attempt: attempt! }, ASKED, at(8)))).toBe('attempt is SCHEDULING');
  });
});

describe.each([
  ['letting it go on', decideUnblock],
  ['having counted', decideCounted],
])('%s', (_, decide) => {
  test.each([
    { execution: 1, ask: 3 },
    { execution: 3, ask: 3 },
    { execution: 2, ask: 2 },
    { execution: 2, ask: 4 },
  ])('is for the ask that it waits for, not for %j', asked => {
    for (const attempt of [waiting, uncounted])
      expect(reasonOf(decide({ attempt }, asked, at(7)))).toBe('attempt is WAITING');
  });

  test('is not for an execution that is STOPPING still: it counts by itself as soon as it waits', () => {
    const stopping = attemptIn('EXECUTING', { wait: WAIT, executions: 2 });
    expect(reasonOf(decide({ attempt: stopping }, ASKED, at(7)))).toBe('attempt is EXECUTING');
  });

  test.each(ATTEMPT_STATES)('is not for an attempt that is %s without a wait', state => {
    expect(reasonOf(decide({ attempt: attemptIn(state) }, ASKED, at(7)))).toBe(`attempt is ${state}`);
  });
});

test('an attempt that has counted waits to be told', () => {
  const { attempt } = committed(decideCounted({ attempt: uncounted }, ASKED, at(7)));
  expect(attemptSchema.parse(attempt)).toEqual({
    ...attemptIn('WAITING', { wait: WAIT, executions: 2 }),
    revision: 2,
    updatedAt: NOW,
  });
  expect(attempt?.wakeAt).toBeUndefined();
});

describe('a page of what an ended attempt owes', () => {
  type Owes = NonNullable<EndedAttempt['owes']>;
  const owingBoth: Owes = { nextAt: CREATED_AT, tell: { after: 'b' }, cascade: {} };
  const LATER = NOW + MINUTE_MS;

  function done(owes: Owes | undefined, event: { owing: Owing; after?: string; next?: string; pause?: boolean }) {
    const attempt = attemptIn('FINISHED', { owes, awaited: true, wakeAt: owes?.nextAt });
    const { owing, after, next, pause = false } = event;
    const decision = decidePageDone({ attempt }, { owing, after, next, pause }, at(7));
    if (decision.kind !== 'commit') return reasonOf(decision);
    const written = attemptSchema.parse(decision.writes.attempt) as EndedAttempt;
    expect(written).toMatchObject({ state: 'FINISHED', result: attempt.result, revision: 2, updatedAt: NOW });
    expect(written.wakeAt).toBe(written.owes?.nextAt);
    expect(decision.answer.more).toBe(written.owes !== undefined);
    return written.owes;
  }

  test.each<[string, Owes, Parameters<typeof done>[1], Owes | undefined]>([
    [
      'of which another follows, is done right away by the same',
      { nextAt: CREATED_AT, tell: {} },
      { owing: 'tell', next: 'c' },
      { nextAt: LATER, tell: { after: 'c' } },
    ],
    [
      'in the middle',
      { nextAt: CREATED_AT, tell: { after: 'b' } },
      { owing: 'tell', after: 'b', next: 'c' },
      { nextAt: LATER, tell: { after: 'c' } },
    ],
    [
      'after which a pause is due, is left to another',
      { nextAt: CREATED_AT, tell: { after: 'b' } },
      { owing: 'tell', after: 'b', next: 'c', pause: true },
      { nextAt: NOW, tell: { after: 'c' } },
    ],
    ['which is the last', { nextAt: CREATED_AT, tell: { after: 'b' } }, { owing: 'tell', after: 'b' }, undefined],
    [
      'which is the last, with a pause',
      { nextAt: CREATED_AT, cascade: {} },
      { owing: 'cascade', pause: true },
      undefined,
    ],
    [
      'which is the last of one of two things',
      owingBoth,
      { owing: 'tell', after: 'b' },
      { nextAt: LATER, cascade: {} },
    ],
    ['which is the last of the other', owingBoth, { owing: 'cascade' }, { nextAt: LATER, tell: { after: 'b' } }],
  ])('%s', (_, owes, event, left) => {
    expect(done(owes, event)).toEqual(left);
  });

  test.each<[string, Owes | undefined, Parameters<typeof done>[1], string]>([
    ['of nothing', undefined, { owing: 'tell' }, 'it is not owed any more'],
    ['of what was done', { nextAt: NOW, cascade: {} }, { owing: 'tell' }, 'it is not owed any more'],
    [
      'that somebody else has done',
      owingBoth,
      { owing: 'tell', after: 'a', next: 'b' },
      'somebody else goes on with it',
    ],
    ['that somebody else has begun anew', owingBoth, { owing: 'cascade', after: 'x' }, 'somebody else goes on with it'],
    ['that comes later', owingBoth, { owing: 'tell', after: 'c' }, 'somebody else goes on with it'],
    ['that is the first, once more', owingBoth, { owing: 'tell' }, 'somebody else goes on with it'],
  ])('%s is left alone', (_, owes, event, reason) => {
    expect(done(owes, event)).toBe(reason);
  });

  test.each<Attempt>([attemptIn('SCHEDULING'), attemptIn('EXECUTING'), waiting])(
    'is none where an attempt is $state',
    attempt => {
      const event = { owing: 'tell', after: undefined, next: undefined, pause: false } as const;
      expect(reasonOf(decidePageDone({ attempt }, event, at(7)))).toBe('it is not owed any more');
    },
  );
});
