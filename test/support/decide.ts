import { expect } from 'vitest';
import type { Attempt } from '../../shared/core/attempt.ts';
import type { CallError } from '../../shared/core/calls.ts';
import type { Context, Decision, Docs } from '../../shared/core/decide/decision.ts';
import { decideWake, type Woken } from '../../shared/core/decide/wake.ts';
import type { Claim, Execution } from '../../shared/core/execution.ts';
import type { Documents } from '../../shared/core/ports.ts';
import type { Quest } from '../../shared/core/quest.ts';
import { attemptIn, CREATED_AT, questFixture } from './documents.ts';

export const SECOND_MS = 1000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;

export const BUSY: CallError = { transient: true, message: 'busy' };
export const UNKNOWN: CallError = { transient: false, message: 'no such job' };
export const TYPE_GONE: CallError = { transient: false, message: 'type gone', notAsked: true };

/** So long after the fixtures were created; chance in the middle. */
export function at(sinceCreationMs: number, random = 0.5): Context {
  return { now: CREATED_AT + sinceCreationMs, random };
}

/** An execution with the attempt that it is the current one of. */
export function docsOf(execution: Execution, around: { attempt?: Attempt; quest?: Quest } = {}): Docs {
  const attempt = around.attempt ?? attemptIn('EXECUTING', { executions: execution.execution });
  return { quest: around.quest ?? questFixture(), attempt, execution };
}

/** What a decision writes and answers; fails the test when it writes nothing. */
export function committed<Answer>(decision: Decision<Answer>): Partial<Documents> & { answer: Answer } {
  if (decision.kind !== 'commit') expect.fail(`nothing was committed: ${JSON.stringify(decision)}`);
  return { ...decision.writes, answer: decision.answer };
}

/** The documents once a decision is committed. */
export function apply(docs: Docs, decision: Decision<unknown>): Docs {
  const { answer: _, ...writes } = committed(decision);
  return { ...docs, ...writes };
}

/** Wakes an execution for the revision that it has. */
export function wake(docs: Docs, context: Context): { docs: Docs; answer: Woken } {
  const decision = decideWake(docs, { revision: docs.execution.revision }, context);
  return { docs: apply(docs, decision), answer: committed(decision).answer };
}

/** Wakes an execution, and fails the test unless that call is claimed. */
export function claim(docs: Docs, call: Claim['call'], context: Context): { docs: Docs; claim: Claim } {
  const woken = wake(docs, context);
  expect(woken.answer.call?.call).toBe(call);
  return { docs: woken.docs, claim: woken.answer.call! };
}
