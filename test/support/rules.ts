import { isDeepStrictEqual } from 'node:util';
import { ATTEMPT_TRANSITIONS, type Attempt, attemptSchema, isAttemptOver } from '../../shared/core/attempt.ts';
import type { Context, Decision, Docs } from '../../shared/core/decide/decision.ts';
import {
  EXECUTION_TRANSITIONS,
  type Execution,
  executionSchema,
  isLive,
  tokenOf,
} from '../../shared/core/execution.ts';
import { RETRY_CLASSES, retryPolicy } from '../../shared/core/quest.ts';
import { earliest, launchTime, owedTimes } from '../../simulate/invariants/owed.ts';

interface Change {
  before: Docs;
  after: Docs;
  now: number;
  /** The event is the outcome of the call that the live claim stands for. */
  settlesClaim: boolean;
}

type Rule = readonly [sentence: string, holds: (change: Change) => boolean];

/** What must hold for every decision on an execution, whatever its state and the event. */
const RULES: readonly Rule[] = [
  ['an execution that is written can be read back', ({ after }) => executionSchema.safeParse(after.execution).success],
  ['an attempt that is written can be read back', ({ after }) => attemptSchema.safeParse(after.attempt).success],
  ['a written execution is one revision further', revised(({ execution }) => execution)],
  ['a written attempt is one revision further', revised(({ attempt }) => attempt)],
  [
    'an execution moves only as its table says',
    ({ before: { execution: from }, after: { execution: to } }) =>
      from.state === to.state || EXECUTION_TRANSITIONS[from.state].includes(to.state),
  ],
  [
    'an attempt moves only as its table says',
    ({ before: { attempt: from }, after: { attempt: to } }) =>
      from.state === to.state || ATTEMPT_TRANSITIONS[from.state].includes(to.state),
  ],
  [
    'what identifies an execution never changes',
    same(({ execution: { quest, attempt, execution, mode, distributor, auth, createdAt, shard, stateFrom } }) => [
      ...[quest, attempt, execution, mode, distributor, auth, createdAt, shard, stateFrom],
    ]),
  ],
  [
    'what identifies an attempt never changes',
    same(({ attempt: { quest, attempt, createdAt, shard, distributor, executions } }) => [
      ...[quest, attempt, createdAt, shard, distributor, executions],
    ]),
  ],
  [
    'a terminal execution keeps its state and result',
    ({ before, after }) =>
      isLive(before.execution) ||
      isDeepStrictEqual(endOf(before.execution), endOf({ ...before.execution, ...after.execution })),
  ],
  [
    'the first late outcome stays',
    ({ before: { execution: from }, after: { execution: to } }) =>
      isLive(from) ||
      isLive(to) ||
      from.lateOutcome === undefined ||
      isDeepStrictEqual(from.lateOutcome, to.lateOutcome),
  ],
  [
    'a terminal attempt is never written',
    ({ before, after }) => !isAttemptOver(before.attempt) || before.attempt === after.attempt,
  ],
  [
    'the first token that was recorded stands',
    ({ before, after }) =>
      tokenOf(before.execution) === undefined || tokenOf(before.execution) === tokenOf(after.execution),
  ],
  [
    'wakeAt is the earliest of what an execution is owed',
    ({ before, after }) =>
      before.execution === after.execution || after.execution.wakeAt === earliest(owedTimes(after.execution)),
  ],
  [
    'wakeAt of an attempt is when its next execution is due',
    ({ before, after }) => before.attempt === after.attempt || after.attempt.wakeAt === launchTime(after.attempt),
  ],
  [
    'a live execution wakes by a deadline, or is polled or run when it has none',
    ({ after: { execution } }) =>
      !isLive(execution) ||
      (execution.wakeAt !== undefined &&
        (execution.deadlineAt !== undefined ||
          execution.launch.state === 'owed' ||
          execution.poll.nextAt !== undefined)),
  ],
  [
    'a terminal execution is owed nothing but the end of its jobs',
    ({ after: { execution } }) =>
      isLive(execution) ||
      (execution.poll.nextAt === undefined &&
        (execution.kept === undefined || execution.launch.state === 'owed') &&
        (execution.unwanted !== undefined || execution.wakeAt === undefined)),
  ],
  ['a live claim is left alone', claimIsLeftAlone],
  [
    'an attempt is executing exactly while its current execution is live',
    ({ after: { attempt, execution } }) =>
      isLive(execution) === (attempt.state === 'EXECUTING' && attempt.executions === execution.execution),
  ],
  [
    'retries stay within the budget of their class',
    ({ after: { attempt, quest } }) => {
      const { budgets } = retryPolicy(quest.desc);
      return RETRY_CLASSES.every(name => (attempt.retries[name] ?? 0) <= budgets[name]);
    },
  ],
  [
    'the next execution is held back, and let go, exactly as a job of this one is in the way',
    ({ before, after: { attempt, execution } }) =>
      attempt === before.attempt ||
      attempt.state !== 'SCHEDULING' ||
      (attempt.after === execution.execution) === blocks(execution),
  ],
  [
    'a job that may be alive is stopped when its execution ends without its report',
    ({ before, after: { execution } }) =>
      !isLive(before.execution) ||
      isLive(execution) ||
      execution.reported ||
      !mayHaveJob(execution) ||
      execution.unwanted?.some(job => job.token === tokenOf(execution)) === true,
  ],
  [
    'no stray is forgotten when an execution ends',
    ({ before: { execution: from }, after: { execution: to } }) =>
      !isLive(from) ||
      isLive(to) ||
      (from.unwanted ?? []).every(({ token }) => to.unwanted?.some(job => job.token === token && job.nextAt)),
  ],
  [
    'a result that was accepted from the job stands',
    ({ before: { execution }, after: { attempt } }) =>
      execution.state !== 'STOPPING' ||
      attempt.state === 'EXECUTING' ||
      (attempt.state === 'FINISHED' && isDeepStrictEqual(attempt.result, execution.finish)),
  ],
];

/** The sentences of the rules that a decision breaks. */
export function brokenRules(
  before: Docs,
  decision: Decision<unknown>,
  { now }: Context,
  { settlesClaim = false } = {},
): string[] {
  if (decision.kind !== 'commit') return [];
  const { execution = before.execution, attempt = before.attempt } = decision.writes;
  const change: Change = { before, after: { quest: before.quest, execution, attempt }, now, settlesClaim };
  return RULES.filter(([, holds]) => !holds(change)).map(([sentence]) => sentence);
}

function revised(pick: (docs: Docs) => Attempt | Execution): Rule[1] {
  return ({ before, after, now }) => {
    const [from, to] = [pick(before), pick(after)];
    return from === to || (to.revision === from.revision + 1 && to.updatedAt === now);
  };
}

function same(pick: (docs: Docs) => unknown): Rule[1] {
  return ({ before, after }) => isDeepStrictEqual(pick(before), pick(after));
}

function endOf(execution: Execution): unknown {
  if (isLive(execution)) return execution.state;
  const { state, result, endedAt, reported, halt } = execution;
  return { state, result, endedAt, reported, halt };
}

/** Only its own outcome ends a claim, but for two cases: a poll nobody needs, and a `run` that hangs at a deadline. */
function claimIsLeftAlone({ before: { execution: from }, after: { execution: to }, now, settlesClaim }: Change) {
  const { claim } = from;
  if (settlesClaim || claim === undefined || claim.untilAt <= now || isDeepStrictEqual(claim, to.claim)) return true;
  if (claim.call === 'poll') return isLive(from) && !isLive(to);
  const overdue = isLive(from) && from.deadlineAt !== undefined && from.deadlineAt <= now;
  return claim.call === 'run' && overdue && tokenOf(from) !== undefined && to.claim?.call === 'poll';
}

function blocks({ unwanted = [] }: Execution): boolean {
  return unwanted.some(({ abandoned, failedCancels }) => !abandoned && failedCancels < 10);
}

function mayHaveJob({ launch }: Execution): boolean {
  return launch.state === 'launched' || (launch.state === 'owed' && launch.tries > 0);
}
