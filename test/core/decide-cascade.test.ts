import { describe, expect, test } from 'vitest';
import { ATTEMPT_STATES, type Attempt, attemptSchema, type AttemptState } from '../../shared/core/attempt.ts';
import { decideCancelAttempt, type CancelWish } from '../../shared/core/decide/cancel.ts';
import { decideDoom, decideSpare } from '../../shared/core/decide/cascade.ts';
import type { Decision } from '../../shared/core/decide/decision.ts';
import type { Execution } from '../../shared/core/execution.ts';
import { at, committed } from '../support/decide.ts';
import { attemptIn, CREATED_AT, executionIn, questFixture } from '../support/documents.ts';

const NOW = CREATED_AT + 7;
const LIVE: AttemptState[] = ['SCHEDULING', 'EXECUTING', 'WAITING'];
const OVER: AttemptState[] = ['FINISHED', 'ABNORMAL_FINISHED'];

function reasonOf(decision: Decision<unknown>): string {
  return decision.kind === 'ignored' ? decision.reason : decision.kind;
}

describe('an attempt that only a cancelled one waited for', () => {
  test.each(LIVE)('is doomed while it is %s, and spared when somebody needs it', state => {
    const attempt = attemptIn(state, { awaited: true });
    const doomed = committed(decideDoom({ attempt }, at(7))).attempt!;
    expect(doomed).toEqual({ ...attempt, doomed: 2, revision: 2, updatedAt: NOW, wakeAt: attempt.wakeAt });
    const { doomed: mark, ...spared } = committed(decideSpare({ attempt: doomed }, 2, at(7))).attempt!;
    expect(mark).toBeUndefined();
    expect(spared).toEqual({ ...attempt, revision: 3, updatedAt: NOW, wakeAt: attempt.wakeAt });
    expect(reasonOf(decideSpare({ attempt: spared }, 2, at(8)))).toBe('it is not doomed');
  });

  test.each(LIVE)('is marked once more, since the cancel stands on the last mark (%s)', state => {
    const again = committed(decideDoom({ attempt: attemptIn(state, { doomed: 1 }) }, at(7))).attempt!;
    expect(again).toMatchObject({ doomed: 2, revision: 2 });
    // The one who set the first mark has looked at the edges too early by now.
    expect(reasonOf(decideSpare({ attempt: again }, 1, at(8)))).toBe('it is not doomed');
  });

  test.each(ATTEMPT_STATES)('is not doomed when a client wants it, too, or when it is over (%s)', state => {
    const reason = OVER.includes(state) ? `attempt is ${state}` : 'a client wants it';
    expect(reasonOf(decideDoom({ attempt: attemptIn(state, { requested: true, awaited: true }) }, at(7)))).toBe(reason);
  });

  test.each(OVER)('is neither doomed nor spared when it is %s', state => {
    const attempt = attemptIn(state, { awaited: true, doomed: 1 });
    expect(reasonOf(decideDoom({ attempt }, at(7)))).toBe(`attempt is ${state}`);
    expect(reasonOf(decideSpare({ attempt }, 1, at(7)))).toBe('it is not doomed');
  });
});

const INTERACTIVE = { mode: 'interactive', tokenHash: 'M'.repeat(43) } as const;
const WAIT = { execution: 1, ask: 1, spare: 0 };

/** Every place where an attempt can be cancelled, with its execution. */
const PLACES: [string, Attempt, Execution | undefined][] = [
  ['SCHEDULING for the first time', attemptIn('SCHEDULING'), undefined],
  ['SCHEDULING again', attemptIn('SCHEDULING', { executions: 1, after: 1 }), executionIn('ABNORMAL_FINISHED')],
  ['EXECUTING, its job not there yet', attemptIn('EXECUTING'), executionIn('SCHEDULING')],
  ['EXECUTING', attemptIn('EXECUTING'), executionIn('RUNNING', INTERACTIVE)],
  [
    'EXECUTING and about to wait',
    attemptIn('EXECUTING', { wait: WAIT }),
    executionIn('STOPPING', { mode: 'interactive', finish: undefined }),
  ],
  ['WAITING', attemptIn('WAITING', { wait: WAIT }), executionIn('FINISHED')],
  ['WAITING and has to count', attemptIn('WAITING', { wait: WAIT, uncounted: true }), executionIn('FINISHED')],
];

function cancel(attempt: Attempt, execution: Execution | undefined, wish: Omit<CancelWish, 'reason'>): Decision {
  return decideCancelAttempt({ quest: questFixture(), attempt, execution }, { reason: 'unwanted', ...wish }, at(7));
}

const RESULT = { abnormalFinish: { status: 'CANCELLED', reason: 'unwanted' } };

describe.each(PLACES)('an attempt that is %s', (_, attempt, execution) => {
  const before = { awaited: { ...attempt, awaited: true } as Attempt, doomed: { ...attempt, doomed: 1 } as Attempt };

  test.each([
    ['alone', {}, attempt, undefined],
    ['and its dependents are told', {}, before.awaited, { nextAt: NOW, tell: {} }],
    ['with what only it waits for', { cascade: true }, attempt, { nextAt: NOW, cascade: {} }],
    ['with both', { cascade: true }, before.awaited, { nextAt: NOW, tell: {}, cascade: {} }],
    ['if it is doomed', { ifDoomed: 1, cascade: true }, before.doomed, { nextAt: NOW, cascade: {} }],
    ['whether it is doomed or not', {}, before.doomed, undefined],
  ] as const)('is cancelled %s', (_way, wish, from, owes) => {
    const written = committed(cancel(from, execution, wish));
    const ended = attemptSchema.parse(written.attempt);
    expect(ended).toMatchObject({ state: 'ABNORMAL_FINISHED', result: RESULT, endedAt: NOW, revision: 2 });
    expect(ended).toHaveProperty('wakeAt', owes?.nextAt);
    expect('owes' in ended ? ended.owes : undefined).toEqual(owes);
    for (const gone of ['doomed', 'wait', 'uncounted', 'notBefore', 'after']) expect(ended).not.toHaveProperty(gone);
    if (from.state === 'EXECUTING')
      expect(written.execution).toMatchObject({ state: 'ABNORMAL_FINISHED', result: RESULT, reported: false });
    else expect(written.execution).toBeUndefined();
  });

  test('is left alone if somebody has asked for it since it was doomed', () => {
    const spared = { ...attempt, awaited: true } as Attempt;
    for (const from of [spared, { ...spared, doomed: 2 }])
      expect(reasonOf(cancel(from, execution, { ifDoomed: 1, cascade: true }))).toBe('somebody wants it');
  });
});

test.each([{}, { cascade: true }])('a result that was accepted stands against a cancel with %j', wish => {
  const stopping = executionIn('STOPPING', { mode: 'interactive' });
  expect(reasonOf(cancel(attemptIn('EXECUTING'), stopping, wish))).toBe('the attempt has already finished');
});

describe.each(OVER)('an attempt that is %s', state => {
  test('stays as it is', () => {
    expect(reasonOf(cancel(attemptIn(state), executionIn('FINISHED'), {}))).toBe(`attempt is ${state}`);
    expect(reasonOf(cancel(attemptIn(state), executionIn('FINISHED'), { ifDoomed: 1 }))).toBe(`attempt is ${state}`);
  });

  test('can have what only it waited for cancelled afterwards, once at a time', () => {
    const attempt = attemptIn(state);
    const owing = committed(cancel(attempt, executionIn('FINISHED'), { cascade: true }));
    const owes = { nextAt: NOW, cascade: {} };
    expect(owing).toEqual({ attempt: { ...attempt, owes, wakeAt: NOW, revision: 2, updatedAt: NOW } });
    const again = cancel(owing.attempt!, executionIn('FINISHED'), { cascade: true });
    expect(reasonOf(again)).toBe(`attempt is ${state}`);
  });

  test('goes on telling where it had come to', () => {
    const telling = attemptIn(state, {
      awaited: true,
      owes: { nextAt: NOW + 1, tell: { after: 'b' } },
      wakeAt: NOW + 1,
    });
    const { attempt } = committed(cancel(telling, undefined, { cascade: true }));
    expect(attempt).toMatchObject({ owes: { nextAt: NOW, tell: { after: 'b' }, cascade: {} }, wakeAt: NOW });
  });
});
