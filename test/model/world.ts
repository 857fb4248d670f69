import type { AttemptState } from '../../shared/core/attempt.ts';
import type { ExecutionState } from '../../shared/core/execution.ts';
import type { RetryClass } from '../../shared/core/quest.ts';
import type { AbnormalStatus } from '../../shared/core/result.ts';
import { HOUR_MS, MINUTE_MS } from '../support/decide.ts';

/** A number is a result, everything else an abnormal end. */
export type Outcome = number | AbnormalStatus;
/** What an executor says of a job; `unreadable` is what its adapter makes nothing of. */
export type Word = 'pending' | 'running' | 'unreadable' | Outcome;

/** How often each outcome is retried; others are not. */
export const BUDGETS: ReadonlyMap<Outcome, readonly [RetryClass, number]> = new Map([
  ['FAILED', ['failed', 2]],
  ['CRASHED', ['crashed', 1]],
  ['EXPIRED', ['expired', 1]],
  ['TIMED_OUT', ['timedOut', 1]],
]);
export const TIME_MS = { SCHEDULING: 10 * MINUTE_MS, RUNNING: 20 * MINUTE_MS, STOPPING: 5 * MINUTE_MS } as const;
export type Phase = keyof typeof TIME_MS;
export const POLL_MS = 4 * MINUTE_MS;
export const SLOWEST_MS = HOUR_MS;

export interface ModelExecution {
  state: ExecutionState;
  outcome?: Outcome;
  late?: Outcome;
  /** The executor itself said how it ended. */
  reported?: boolean;
  endedAt?: number;
  deadline: number;
  /** How often the executor was asked since the deadline. */
  asks: number;
  runAt: number;
  /** Until when a call of `run` counts whose process died. */
  deadUntil: number;
  tokenAt?: number;
  kept: Word[];
  pollAt: number;
  fruitless: number;
  askedAt: number;
  /** Who activated it. */
  holder?: string;
  delivered?: { by: string; result: number };
  /** The job that must still be stopped, and when that is to be seen to at the latest. */
  stop?: { since: number; failures: number; calls: number; calledAt: number; by: number } | undefined;
}

export interface ModelAttempt {
  state: AttemptState;
  outcome?: Outcome;
  retries: Partial<Record<RetryClass, number>>;
  executions: ModelExecution[];
}

/** What a client sees of an attempt. */
export interface View {
  state: AttemptState;
  outcome: Outcome | undefined;
  retries: Partial<Record<RetryClass, number>>;
  executions: { state: ExecutionState; outcome: Outcome | undefined; late: Outcome | undefined; isStopping: boolean }[];
}

export function viewOf({ state, outcome, retries, executions }: ModelAttempt): View {
  return {
    state,
    outcome,
    retries,
    executions: executions.map(x => ({
      state: x.state,
      outcome: x.outcome,
      late: x.late,
      isStopping: x.stop !== undefined,
    })),
  };
}

export function isOutcome(word: Word): word is Outcome {
  return word !== 'pending' && word !== 'running' && word !== 'unreadable';
}

export function isOver({ state }: { state: AttemptState | ExecutionState }): boolean {
  return state.endsWith('FINISHED');
}

export function endStateOf(outcome: Outcome): 'FINISHED' | 'ABNORMAL_FINISHED' {
  return typeof outcome === 'number' ? 'FINISHED' : 'ABNORMAL_FINISHED';
}

/** The next execution is not launched before the last one's job is gone, or has refused to die ten times. */
export function isHeldBack({ executions }: ModelAttempt): boolean {
  const stop = executions.at(-1)?.stop;
  return stop !== undefined && stop.failures < 10;
}

/** What should have been done by now, once all that is due was done. */
export function overdue(attempts: ReadonlyMap<number, ModelAttempt>, now: number): string[] {
  return [...attempts].flatMap(([n, attempt]) => [
    ...(attempt.state === 'SCHEDULING' && !isHeldBack(attempt) ? [`the next execution of ${n}`] : []),
    ...attempt.executions.flatMap((x, i) => ((dueAt(x) ?? now + 1) <= now ? [`${x.state} ${n}|${i + 1}`] : [])),
  ]);
}

function dueAt(x: ModelExecution): number | undefined {
  if (isOver(x)) return x.stop?.by;
  return Math.min(x.deadline, x.tokenAt === undefined ? Math.max(x.runAt + 5 * MINUTE_MS, x.deadUntil) : x.pollAt);
}

/** The earliest deadline of an execution that goes on. */
export function nextDeadline(attempts: ReadonlyMap<number, ModelAttempt>): number {
  const executions = [...attempts.values()].flatMap(attempt => attempt.executions);
  return Math.min(...executions.filter(x => !isOver(x)).map(({ deadline }) => deadline));
}
