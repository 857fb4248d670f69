import { describe, expect, test } from 'vitest';
import type { Decision } from '../../shared/core/decide/decision.ts';
import { decideActivate, decideFinish } from '../../shared/core/decide/job.ts';
import { decideReport } from '../../shared/core/decide/report.ts';
import { EXECUTION_STATES } from '../../shared/core/execution.ts';
import { finished } from '../../shared/core/result.ts';
import { apply, at, committed, docsOf, HOUR_MS, MINUTE_MS } from '../support/decide.ts';
import { CREATED_AT, executionIn } from '../support/documents.ts';

const [MINE, OTHER] = ['M'.repeat(43), 'O'.repeat(43)];
const FINISH = { tokenHash: MINE, callHash: 'call-1', result: { data: { answer: 1 } } };

function statusOf(decision: Decision<unknown>): string {
  return decision.kind === 'refused' ? decision.error.status : decision.kind;
}

const scheduling = docsOf(executionIn('SCHEDULING', { mode: 'interactive' }));
const active = apply(scheduling, decideActivate(scheduling, { tokenHash: MINE }, at(5)));
const stopping = apply(active, decideFinish(active, FINISH, at(10)));

describe('activating', () => {
  test('makes the execution RUNNING, and its time to run begins', () => {
    expect(active.execution).toMatchObject({
      state: 'RUNNING',
      tokenHash: MINE,
      enteredAt: CREATED_AT + 5,
      deadlineAt: CREATED_AT + 5 + 24 * HOUR_MS,
    });
  });

  test('again by the winner succeeds', () => {
    expect(statusOf(decideActivate(active, { tokenHash: MINE }, at(6)))).toBe('ignored');
  });

  test('by another caller is refused: exactly one wins', () => {
    expect(statusOf(decideActivate(active, { tokenHash: OTHER }, at(6)))).toBe('ALREADY_EXISTS');
  });

  test('is possible before the token of run is recorded, which is still owed then', () => {
    const launch = { state: 'owed', tries: 1, nextAt: CREATED_AT + 61_000 } as const;
    const early = docsOf(
      executionIn('SCHEDULING', { mode: 'interactive', launch, poll: { intervalMs: 1, fruitless: 0 } }),
    );
    const { execution } = committed(decideActivate(early, { tokenHash: MINE }, at(5)));
    expect(execution).toMatchObject({ state: 'RUNNING', launch, wakeAt: launch.nextAt });
    expect(execution?.poll.nextAt).toBeUndefined();
  });

  test.each(['STOPPING', 'FINISHED', 'ABNORMAL_FINISHED'] as const)('an execution that is %s is refused', state => {
    const docs = docsOf(executionIn(state, { mode: 'interactive' }));
    expect(statusOf(decideActivate(docs, { tokenHash: MINE }, at(0)))).toBe('FAILED_PRECONDITION');
  });

  test.each(EXECUTION_STATES)('an unattended one that is %s is refused', state => {
    expect(statusOf(decideActivate(docsOf(executionIn(state)), { tokenHash: MINE }, at(0)))).toBe(
      'FAILED_PRECONDITION',
    );
  });
});

describe('finishing', () => {
  test('is accepted: the execution is STOPPING, has timeToStop, and is not polled meanwhile', () => {
    expect(stopping.execution).toMatchObject({
      state: 'STOPPING',
      finish: FINISH.result,
      deadlineAt: CREATED_AT + 10 + 5 * MINUTE_MS,
      wakeAt: CREATED_AT + 10 + 5 * MINUTE_MS,
    });
    expect(stopping.attempt.state).toBe('EXECUTING');
  });

  test('revokes the token: its hash only recognises a repeat of this very call', () => {
    expect(stopping.execution).not.toHaveProperty('tokenHash');
    expect(statusOf(decideFinish(stopping, FINISH, at(11)))).toBe('ignored');
    expect(statusOf(decideFinish(stopping, { ...FINISH, callHash: 'call-2' }, at(11)))).toBe('UNAUTHENTICATED');
    expect(statusOf(decideFinish(stopping, { ...FINISH, tokenHash: OTHER }, at(11)))).toBe('UNAUTHENTICATED');
  });

  test('is answered the same again after the execution has ended', () => {
    const over = apply(stopping, decideReport(stopping, { status: finished({ data: {} }) }, at(12)));
    expect(statusOf(decideFinish(over, FINISH, at(13)))).toBe('ignored');
    expect(statusOf(decideFinish(over, { ...FINISH, callHash: 'call-2' }, at(13)))).toBe('UNAUTHENTICATED');
  });

  test.each([
    ['with another token', active, OTHER],
    ['before activating', scheduling, MINE],
    ['an unattended execution', docsOf(executionIn('RUNNING')), MINE],
    ['an execution that ended', docsOf(executionIn('ABNORMAL_FINISHED', { mode: 'interactive' })), MINE],
  ])('%s is refused', (_, docs, tokenHash) => {
    expect(statusOf(decideFinish(docs, { ...FINISH, tokenHash }, at(0)))).toBe('UNAUTHENTICATED');
  });
});
