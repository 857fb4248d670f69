import { describe, expect, test } from 'vitest';
import { claimCall } from '../../shared/core/calls.ts';
import { decideRelease, LONGEST_CLAIM_MS } from '../../shared/core/decide/release.ts';
import { EXECUTION_STATES } from '../../shared/core/execution.ts';
import { CREATED_AT, executionIn } from '../support/documents.ts';

const NOW = CREATED_AT + 5000;
const CONTEXT = { now: NOW, random: 0.5 };

const claimed = (call: 'run' | 'poll' | 'cancel') => claimCall(call, 1, CREATED_AT);

test.each(EXECUTION_STATES)('%s, with nothing held, is left as it is', state => {
  expect(decideRelease({ execution: executionIn(state) }, CONTEXT)).toEqual({
    kind: 'ignored',
    reason: 'nothing is held',
  });
});

describe('what the dead holder of a claim was doing is due at once:', () => {
  test('run', () => {
    const claim = claimed('run');
    const launch = { state: 'owed', tries: 1, nextAt: claim.untilAt } as const;
    const execution = executionIn('SCHEDULING', { claim, launch });
    expect(decideRelease({ execution }, CONTEXT)).toMatchObject({
      writes: { execution: { claim: undefined, launch: { ...launch, nextAt: NOW }, wakeAt: NOW, revision: 2 } },
    });
  });

  test('a poll', () => {
    const claim = claimed('poll');
    const execution = executionIn('RUNNING', {
      claim,
      poll: { intervalMs: 1000, fruitless: 2, nextAt: claim.untilAt },
    });
    expect(decideRelease({ execution }, CONTEXT)).toMatchObject({
      writes: { execution: { claim: undefined, poll: { fruitless: 2, nextAt: NOW }, wakeAt: NOW } },
    });
  });

  test('a cancel, and no other job that is to be stopped later', () => {
    const claim = { ...claimed('cancel'), token: 'a' };
    const job = { need: 'cancel', tries: 1, failedCancels: 0, since: CREATED_AT } as const;
    const later = { ...job, token: 'b', nextAt: NOW + 500_000 };
    const unwanted = [{ ...job, token: 'a', nextAt: claim.untilAt }, later];
    const execution = executionIn('ABNORMAL_FINISHED', { claim, unwanted, reported: false });
    expect(decideRelease({ execution }, CONTEXT)).toMatchObject({
      writes: { execution: { claim: undefined, unwanted: [{ token: 'a', nextAt: NOW }, later], wakeAt: NOW } },
    });
  });
});

test('tasks of run that were perhaps not enqueued are due at once', () => {
  const outbox = { tasks: [{ payload: {} }], nextAt: CREATED_AT + 60_000 };
  const execution = executionIn('RUNNING', { launch: { state: 'launched', token: 't', at: CREATED_AT, outbox } });
  expect(decideRelease({ execution }, CONTEXT)).toMatchObject({
    writes: { execution: { launch: { outbox: { tasks: outbox.tasks, nextAt: NOW } }, wakeAt: NOW } },
  });
});

test.each(['run', 'poll', 'cancel', 'confirm'] as const)(
  'no claim of %s is held for longer than is looked for',
  call => {
    expect(claimCall(call, 1000, 0).untilAt).toBeLessThanOrEqual(LONGEST_CLAIM_MS);
  },
);

test('is left as it is when it is done again, so that a walk through what is due comes to an end', () => {
  const launch = { state: 'launched', token: 't', at: CREATED_AT } as const;
  const outbox = { tasks: [{ payload: {} }], nextAt: NOW + 60_000 };
  const first = decideRelease({ execution: executionIn('RUNNING', { launch: { ...launch, outbox } }) }, CONTEXT);
  if (first.kind !== 'commit' || first.writes.execution === undefined) throw new Error(`not released: ${first.kind}`);
  expect(decideRelease({ execution: first.writes.execution }, { ...CONTEXT, now: NOW + 1 }).kind).toBe('ignored');
});
