import type { Mode } from '../../shared/core/quest.ts';
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../support/decide.ts';
import { BUDGETS, endStateOf, isHeldBack, isOutcome, isOver, type ModelAttempt, type ModelExecution } from './world.ts';
import { type Outcome, type Phase, POLL_MS, SLOWEST_MS, TIME_MS, type Word } from './world.ts';

export type Model = ReturnType<typeof createModel>;

/**
 * What becomes of a few attempts, by the rules of the design said in this file's own words. The model hears what clients, jobs
 * and the executor do, and each call that the executor gets; calls that are not owed are complained of.
 *
 * Its world is small: chance is 0, so that a retry is due at once; an execution has one token; the executor finds jobs by
 * the execution id; the distributors file stays; an executor answers before anything else happens; a process dies between
 * deliveries or in calls of `run` and `cancel`.
 */
export function createModel(mode: Mode, now: () => number) {
  const attempts = new Map<number, ModelAttempt>();
  const complaints: string[] = [];

  function find(n: number, e: number): { a: ModelAttempt; x: ModelExecution } {
    const a = attempts.get(n)!;
    return { a, x: a.executions[e - 1]! };
  }

  function allow(fits: boolean, call: string): void {
    if (!fits) complaints.push(`${call} was not owed`);
  }

  function enter(x: ModelExecution, state: Phase): void {
    const pollAt = x.tokenAt === undefined || state === 'STOPPING' ? Number.POSITIVE_INFINITY : now() + POLL_MS;
    Object.assign(x, { state, deadline: now() + TIME_MS[state], asks: 0, fruitless: 0, pollAt });
  }

  /** A result that was accepted from the job stands, however its execution ends. */
  function end(a: ModelAttempt, x: ModelExecution, outcome: Outcome, reported: boolean): void {
    settle(a, x.delivered?.result ?? outcome);
    Object.assign(x, { state: endStateOf(outcome), outcome, reported, endedAt: now() });
    if (!reported) x.stop = { since: now(), failures: 0, calls: 0, calledAt: 0, by: Math.max(now(), x.deadUntil) };
  }

  function settle(a: ModelAttempt, outcome: Outcome): void {
    const [name, budget] = BUDGETS.get(outcome) ?? ['failed', 0];
    const used = a.retries[name] ?? 0;
    if (used >= budget) Object.assign(a, { state: endStateOf(outcome), outcome });
    else Object.assign(a, { state: 'SCHEDULING', retries: { ...a.retries, [name]: used + 1 } });
  }

  function endOverdue(a: ModelAttempt, x: ModelExecution, isUnknown = false): void {
    if (x.state === 'RUNNING') end(a, x, 'TIMED_OUT', false);
    else end(a, x, isUnknown ? 'MISSING' : 'EXPIRED', false);
  }

  /** Whether the executor's word made a difference. */
  function hear(a: ModelAttempt, x: ModelExecution, word: Word): boolean {
    if (isOutcome(word)) {
      const isEarly = mode === 'interactive' && x.state !== 'STOPPING' && typeof word === 'number';
      end(a, x, isEarly ? 'FAILED' : word, true);
    } else if (word === 'running' && mode === 'unattended' && x.state === 'SCHEDULING') enter(x, 'RUNNING');
    else return false;
    return true;
  }

  /** One of the calls that a job to be stopped is worth: often at first, at last about once an hour. */
  function nag(x: ModelExecution, call: string): void {
    const { since, calls, calledAt } = x.stop ?? { since: 0, calls: 0, calledAt: Number.POSITIVE_INFINITY };
    const seconds = (now() - since) / SECOND_MS;
    allow(now() > calledAt, call);
    allow(calls < 20 + 3 * Math.log2(1 + seconds) + seconds / 600, `${call}, after ${calls} in ${seconds} s,`);
    if (x.stop !== undefined) Object.assign(x.stop, { calls: calls + 1, calledAt: now(), by: now() + SLOWEST_MS });
  }

  function gone(x: ModelExecution, outcome?: Outcome): void {
    if (outcome !== undefined && x.reported === false) x.late ??= outcome;
    x.stop = undefined;
  }

  const model = {
    attempts,
    complaints,

    submit(n: number): void {
      if (!attempts.has(n)) attempts.set(n, { state: 'SCHEDULING', retries: {}, executions: [] });
    },

    cancel(n: number): void {
      const a = attempts.get(n)!;
      const x = a.executions.at(-1);
      if (a.state === 'SCHEDULING') settle(a, 'CANCELLED');
      else if (a.state === 'EXECUTING' && x!.state !== 'STOPPING') end(a, x!, 'CANCELLED', false);
    },

    activate(n: number, e: number, by: string): string {
      const { x } = find(n, e);
      if (mode === 'unattended') return 'FAILED_PRECONDITION';
      if (x.state === 'RUNNING') return x.holder === by ? 'OK' : 'ALREADY_EXISTS';
      if (x.state !== 'SCHEDULING') return 'FAILED_PRECONDITION';
      x.holder = by;
      enter(x, 'RUNNING');
      return 'OK';
    },

    finish(n: number, e: number, by: string, result: number): string {
      const { x } = find(n, e);
      if (x.state === 'RUNNING' && x.holder === by) {
        x.delivered = { by, result };
        enter(x, 'STOPPING');
      }
      return x.delivered?.by === by && x.delivered.result === result ? 'OK' : 'UNAUTHENTICATED';
    },

    /** A notification, which is of use for 48 h after the end. */
    told(n: number, e: number, word: Word): void {
      const { a, x } = find(n, e);
      if (x.endedAt !== undefined) {
        if (isOutcome(word) && now() - x.endedAt <= 48 * HOUR_MS) gone(x, word);
      } else if (x.tokenAt === undefined) {
        if (!x.kept.includes(word)) x.kept = [...x.kept, word].slice(-2);
      } else if (word === 'unreadable') x.pollAt = Math.min(x.pollAt, Math.max(now(), x.askedAt + 30 * SECOND_MS));
      else hear(a, x, word);
    },

    /** The executor is asked to run it. */
    run(n: number, e: number): void {
      const a = attempts.get(n)!;
      const isNext = a.state === 'SCHEDULING' && !isHeldBack(a) && e === a.executions.length + 1;
      if (isNext) {
        const times = { deadline: 0, runAt: 0, deadUntil: 0, pollAt: 0, askedAt: 0 };
        a.executions.push({ state: 'SCHEDULING', asks: 0, fruitless: 0, kept: [], ...times });
        a.state = 'EXECUTING';
      }
      const { x } = find(n, e);
      if (isNext) enter(x, 'SCHEDULING');
      allow(isNext || (!isOver(x) && x.tokenAt === undefined && now() > x.runAt), `run of ${n}|${e}`);
      x.runAt = now();
    },

    refused(n: number, e: number): void {
      const { a, x } = find(n, e);
      end(a, x, 'REJECTED', true);
    },

    /** The process died in a call of `run`, which is then given 60 s and at most 5 min more. */
    died(n: number, e: number): void {
      find(n, e).x.deadUntil = now() + 6 * MINUTE_MS;
    },

    /** A process that owns its jobs starts again: the calls that its earlier life was in may be made at once. */
    recovered(): void {
      for (const x of [...attempts.values()].flatMap(({ executions }) => executions)) {
        x.runAt = Math.min(x.runAt, now() - 1);
        if (x.stop !== undefined) x.stop.calledAt = Math.min(x.stop.calledAt, now() - 1);
      }
    },

    launched(n: number, e: number, word: Word): void {
      const { a, x } = find(n, e);
      x.tokenAt = now();
      const kept = x.kept.splice(0);
      if (isOver(x)) {
        if (isOutcome(word)) gone(x, word);
        for (const earlier of kept) model.told(n, e, earlier);
        return;
      }
      hear(a, x, word);
      if (x.state !== 'STOPPING' || kept.length > 0) x.pollAt = now() + (kept.length > 0 ? 30 * SECOND_MS : POLL_MS);
      for (const earlier of kept) model.told(n, e, earlier);
    },

    /** The executor is asked how its job is. That it does not know it is believed 30 s after it gave the token. */
    asked(n: number, e: number, answer: Word | 'busy' | 'unknown'): void {
      const { a, x } = find(n, e);
      const isUnknown = answer === 'unknown' && now() - x.tokenAt! >= 30 * SECOND_MS;
      const word = answer === 'busy' || answer === 'unknown' ? 'pending' : answer;
      if (isOver(x)) {
        nag(x, `a look at the job of ${n}|${e}`);
        if (isOutcome(word)) gone(x, word);
        else if (isUnknown) gone(x);
        return;
      }
      const isOverdue = now() >= x.deadline;
      allow(isOverdue || now() >= x.pollAt, `a poll of ${n}|${e}`);
      x.askedAt = now();
      if (isOverdue) x.asks += 1;
      if (isOverdue && x.state === 'STOPPING') x.deadline = now() + 30 * SECOND_MS;
      if (hear(a, x, word)) return;
      if (x.state === 'STOPPING') {
        x.pollAt = Number.POSITIVE_INFINITY;
        if (x.asks === 4) endOverdue(a, x, isUnknown);
      } else if (isUnknown) end(a, x, 'MISSING', false);
      else if (isOverdue) endOverdue(a, x);
      else x.pollAt = now() + Math.min(POLL_MS * 2 ** ++x.fruitless, SLOWEST_MS);
    },

    /** The executor is asked to stop its job. */
    stop(n: number, e: number, answer: 'done' | 'failed' | 'died'): void {
      const { x } = find(n, e);
      nag(x, `a cancel of ${n}|${e}`);
      if (answer === 'done' && x.tokenAt === undefined) gone(x);
      else if (answer === 'failed' && x.stop !== undefined) x.stop.failures += 1;
    },

    /** The sweep comes by: what needs nobody to be asked. */
    swept(): void {
      for (const a of attempts.values()) {
        for (const x of a.executions) {
          if (x.stop !== undefined && now() - x.stop.since >= 7 * 24 * HOUR_MS) gone(x);
          if (isOver(x) || x.tokenAt !== undefined || now() < x.deadline) continue;
          if (x.state !== 'STOPPING' || x.asks === 4) endOverdue(a, x);
          else Object.assign(x, { asks: x.asks + 1, deadline: now() + 30 * SECOND_MS });
        }
      }
    },
  };
  return model;
}
