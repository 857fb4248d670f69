import { isDeepStrictEqual } from 'node:util';
import { statusOf } from '../local/demo/samples.ts';
import {
  type AttemptId,
  attemptId,
  executionId,
  type ExecutionId,
  parseAttemptId,
  parseExecutionId,
} from '../shared/core/ids.ts';
import type { JsonObject } from '../shared/core/json.ts';
import type { ShownAttempt } from './client.ts';
import { type End, type Kind, kindOf } from './kinds.ts';
import { type Entry, type Ledger, resultsOf } from './ledger.ts';
import { createRecord, type JobRecord } from './work.ts';

/** All that is known at the end, from each side on its own. */
export interface Facts {
  /** What clients asked for and saw. */
  ledger: Pick<Ledger, 'entries' | 'seen' | 'refusals'>;
  /** Every attempt that the api lists, as it shows it now. */
  attempts: ReadonlyMap<AttemptId, ShownAttempt>;
  /** What executors did. */
  jobs: ReadonlyMap<ExecutionId, JobRecord>;
  /** Documents of the store that still have a `wakeAt`, and deliveries that were given up. */
  owed: readonly { id: string; why: string }[];
  /** What lives of the stack did that they should not have done. */
  misdeeds: readonly { id: string; why: string }[];
}

export interface Finding {
  id: string;
  why: string;
}

export interface Problem extends Finding {
  check: CheckName;
}

type Check = (facts: Facts) => Iterable<Finding>;

/** What must hold in the end, whatever happened. */
export const CHECKS = {
  /** What was acknowledged exists and is over, and so does every execution that an executor has heard of. */
  *lost({ ledger, attempts, jobs }) {
    for (const [id, { acknowledged }] of ledger.entries)
      if (acknowledged && !attempts.has(id)) yield { id, why: 'was acknowledged, and is not there' };
    for (const [id, { state, result, executions }] of attempts) {
      if (result === undefined) yield { id, why: `is still ${state}` };
      for (const [i, { execution, state: current, result: end }] of executions.entries()) {
        if (execution !== i + 1) yield { id, why: `its execution ${i + 1} is missing` };
        if (end === undefined) yield { id: `${id}|${execution}`, why: `is still ${current}` };
      }
    }
    for (const id of jobs.keys()) {
      const { quest, attempt, execution } = parseExecutionId(id);
      if ((attempts.get(attemptId(quest, attempt))?.executions.length ?? 0) < execution)
        yield { id, why: 'its executor knows it, and the stack does not' };
    }
  },

  *unknown({ ledger, attempts }) {
    for (const id of attempts.keys()) if (!ledger.entries.has(id)) yield { id, why: 'nobody asked for it' };
  },

  /** One job of an execution is let in, and one result is accepted; of an attempt one execution succeeds. */
  *'completed twice'({ ledger, attempts, jobs }) {
    for (const [id, { starts, activations, finishes, completions }] of jobs) {
      for (const [what, count] of Object.entries({
        'was begun': starts,
        'was activated': new Set(activations).size,
        'was finished': finishes.length,
        'ran to completion': completions.length,
      }))
        if (count > 1) yield { id, why: `${what} ${count} times` };
    }
    for (const { id, entry, attempt } of known({ ledger, attempts })) {
      const successes = attempt.executions.filter(({ state, execution }) => {
        // A command may die with the stack after its last line was written: then it is run again, as its retry says.
        const completed = kindOf(entry.kind).crashes ? 0 : recordOf(jobs, id, execution).completions.length;
        return state === 'FINISHED' || completed > 0;
      });
      if (successes.length > 1) yield { id, why: `${successes.length} of its executions were successful` };
    }
  },

  *'wrong end'({ ledger, attempts }) {
    for (const { id, entry, attempt } of known({ ledger, attempts })) {
      const kind = kindOf(entry.kind);
      const end = statusOf(attempt.result);
      if (end !== undefined && !kind.attempt.includes(end))
        yield { id, why: `"${entry.kind}" ended as ${describe(attempt)}` };
      const ends = attempt.executions.map(({ result }) => statusOf(result));
      if (!isPath(kind, ends)) yield { id, why: `"${entry.kind}" had executions that ended as ${ends.join(', ')}` };
    }
  },

  /** A result is the one that the job or its executor gave, or that could be foretold; an accepted one stands. */
  *'wrong result'({ ledger, attempts, jobs }) {
    for (const { id, entry, attempt } of known({ ledger, attempts })) {
      for (const { execution, result } of attempt.executions) {
        const { completions, finishes } = recordOf(jobs, id, execution);
        if (entry.foretold === undefined && result && 'data' in result && !includes(completions, result.data))
          yield {
            id: `${id}|${execution}`,
            why: `has a result that its executor never gave: ${JSON.stringify(result)}`,
          };
        for (const data of finishes)
          if (!isDeepStrictEqual(attempt.result, { data }))
            yield { id, why: `${JSON.stringify(data)} was accepted, and is not its result` };
      }
      if (
        attempt.result &&
        'data' in attempt.result &&
        !includes(givenResults(entry, attempt, jobs), attempt.result.data)
      )
        yield { id, why: `has a result that nobody gave: ${JSON.stringify(attempt.result)}` };
    }
  },

  *'changed result'({ ledger, attempts }) {
    const now = new Map([...attempts.values()].flatMap(resultsOf));
    for (const [id, before] of ledger.seen)
      if (!isDeepStrictEqual(now.get(id), before))
        yield { id, why: `was ${JSON.stringify(before)} and became ${JSON.stringify(now.get(id))}` };
  },

  *'still owed'({ attempts, owed }) {
    yield* owed;
    for (const [id, { executions }] of attempts)
      for (const { execution, stoppingJobs = [] } of executions)
        if (stoppingJobs.length > 0) yield { id: `${id}|${execution}`, why: 'its job is still being stopped' };
  },

  *'still alive'({ jobs }) {
    for (const [id, { end }] of jobs) if (end === undefined) yield { id, why: 'its job runs, and nobody wants it' };
  },

  *refused({ ledger }) {
    yield* ledger.refusals;
  },

  *'bad life'({ misdeeds }) {
    yield* misdeeds;
  },
} as const satisfies Readonly<Record<string, Check>>;

export type CheckName = keyof typeof CHECKS;
export const CHECK_NAMES = Object.keys(CHECKS) as CheckName[];

export function audit(facts: Facts): Problem[] {
  return CHECK_NAMES.flatMap(check => [...(CHECKS[check] as Check)(facts)].map(finding => ({ check, ...finding })));
}

interface Known {
  id: AttemptId;
  entry: Entry;
  attempt: ShownAttempt;
}

/** Attempts that somebody asked for and that exist. */
function* known({ ledger, attempts }: Pick<Facts, 'ledger' | 'attempts'>): Iterable<Known> {
  for (const [id, attempt] of attempts) {
    const entry = ledger.entries.get(id);
    if (entry !== undefined) yield { id, entry, attempt };
  }
}

function isPath(kind: Kind, ends: readonly (End | undefined)[]): boolean {
  if (kind.executions.some(path => isDeepStrictEqual(path, ends))) return true;
  const others = ends.filter(end => end !== 'CRASHED');
  return kind.crashes === true && kind.executions.some(path => isDeepStrictEqual(path, others));
}

/** What the attempt's result may be. */
function givenResults({ kind, foretold }: Entry, attempt: ShownAttempt, jobs: Facts['jobs']): JsonObject[] {
  if (foretold !== undefined) return [foretold];
  const { quest, attempt: number } = attempt;
  const last = attempt.executions.at(-1)?.execution ?? 0;
  const { completions, finishes } = recordOf(jobs, `${quest}|${number}` as AttemptId, last);
  return kindOf(kind).source === 'job' ? finishes : completions;
}

function recordOf(jobs: Facts['jobs'], id: AttemptId, execution: number): JobRecord {
  const { quest, attempt } = parseAttemptId(id);
  return jobs.get(executionId(quest, attempt, execution)) ?? createRecord();
}

function includes(results: readonly JsonObject[], data: JsonObject): boolean {
  return results.some(result => isDeepStrictEqual(result, data));
}

function describe({ result }: ShownAttempt): string {
  return result && 'abnormalFinish' in result
    ? `${result.abnormalFinish.status} (${result.abnormalFinish.reason})`
    : 'FINISHED';
}
