import { isDeepStrictEqual } from 'node:util';
import { ATTEMPT_TRANSITIONS, type Attempt, type EndedAttempt, isAttemptOver } from '../../shared/core/attempt.ts';
import {
  EXECUTION_TRANSITIONS,
  type Execution,
  type ExecutionIn,
  idOfExecution,
  isLive,
  tokenOf,
} from '../../shared/core/execution.ts';
import { attemptId, executionId, shardOf } from '../../shared/core/ids.ts';
import { canonicalJson, type JsonObject, sha256 } from '../../shared/core/json.ts';
import type { Documents } from '../../shared/core/ports.ts';
import { RETRY_CLASSES, retryPolicy } from '../../shared/core/quest.ts';
import { earliest, launchTime, owedTimes } from './owed.ts';
import { type Facts, type Invariant, executionsOf } from './invariant.ts';

/** What every write must leave true. */

export type Broken = string | undefined | false;

/** Makes invariants of one kind of document. */
export function onKind<K extends 'attempt' | 'execution' | 'edge' | 'slot'>(kind: K) {
  type Docs = { before: Documents[K] | undefined; after: Documents[K] };
  return (name: string, sentence: string, broken: (docs: Docs, facts: Facts) => Broken): Invariant<'written'> => ({
    name,
    sentence,
    on: 'written',
    broken: (change, facts) => change.kind === kind && broken(change as unknown as Docs, facts),
  });
}

const onExecution = onKind('execution');
const onAttempt = onKind('attempt');

function leavesTable<S extends string>(table: Readonly<Record<S, readonly S[]>>, from: S | undefined, to: S): Broken {
  return from !== undefined && from !== to && !table[from].includes(to) && `${from} → ${to}`;
}

export const DOCUMENT_INVARIANTS: readonly Invariant<'written'>[] = [
  {
    name: 'revisions rise by one',
    sentence:
      'Every write of an attempt, execution, edge or slot is one revision further than the document that it replaces.',
    on: 'written',
    broken({ kind, before, after }) {
      if (kind === 'quest') return before !== undefined && 'a quest was written twice';
      const expected = (before?.revision ?? 0) + 1;
      return after.revision !== expected && `revision ${after.revision} instead of ${expected}`;
    },
  },
  {
    name: 'ids are hashes',
    sentence: 'Two quests have the same id exactly if their canonical descriptions are equal.',
    on: 'written',
    broken({ kind, id, after }) {
      if (kind !== 'quest') return undefined;
      return sha256(canonicalJson(after.desc as unknown as JsonObject)).toString('base64url') !== id && 'another hash';
    },
  },
  onExecution(
    'executions move by their table',
    'An execution changes its state only as its table allows.',
    ({ before, after }) => leavesTable(EXECUTION_TRANSITIONS, before?.state, after.state),
  ),
  onAttempt(
    'attempts move by their table',
    'An attempt changes its state only as its table allows.',
    ({ before, after }) => leavesTable(ATTEMPT_TRANSITIONS, before?.state, after.state),
  ),
  onExecution(
    'ends stand',
    'The state, result and time of the end of a terminal execution never change.',
    ({ before, after }) =>
      before !== undefined &&
      !isLive(before) &&
      !isDeepStrictEqual(endOf(before), isLive(after) ? undefined : endOf(after)) &&
      `${JSON.stringify(endOf(before))} became ${JSON.stringify(isLive(after) ? after.state : endOf(after))}`,
  ),
  onAttempt(
    'results stand',
    'The state, result and time of the end of a terminal attempt never change.',
    ({ before, after }) =>
      before !== undefined &&
      isAttemptOver(before) &&
      !(isAttemptOver(after) && isDeepStrictEqual(outcomeOf(before), outcomeOf(after))) &&
      `${before.state} was written as ${after.state}`,
  ),
  onExecution(
    'late outcomes stand',
    'The first outcome that came too late stays beside the result.',
    ({ before, after }) =>
      before !== undefined &&
      !isLive(before) &&
      before.lateOutcome !== undefined &&
      !(!isLive(after) && isDeepStrictEqual(before.lateOutcome, after.lateOutcome)) &&
      'it is gone or another',
  ),
  onExecution(
    'the key of a run stands',
    'What an execution hands over to its executor is fixed when it is created.',
    ({ before, after }) => before !== undefined && !isDeepStrictEqual(keyOf(before), keyOf(after)) && 'it changed',
  ),
  onExecution(
    'the first token stands',
    'The token that was recorded first stays that of the execution.',
    ({ before, after }) =>
      before !== undefined && tokenOf(before) !== undefined && tokenOf(before) !== tokenOf(after) && 'it changed',
  ),
  onExecution(
    'halts stand',
    'What halted an execution, and the result that it brought, never change.',
    ({ before, after }) =>
      before?.state === 'STOPPING' &&
      !isDeepStrictEqual(before.halt, (after as Partial<ExecutionIn<'STOPPING'>>).halt) &&
      'the halt changed',
  ),
  onExecution(
    'something ends every phase',
    'A live execution has a deadline, or its time is unlimited and it is run or polled.',
    ({ after }) =>
      isLive(after) &&
      after.deadlineAt === undefined &&
      (after.timeoutsMs[PHASES[after.state]] !== 0 ||
        (after.launch.state !== 'owed' && after.poll.nextAt === undefined && after.claim === undefined)) &&
      `${after.state} without an end`,
  ),
  onExecution(
    'one live execution',
    'An attempt has at most one execution that is not terminal, and its executions are numbered without a gap.',
    ({ after }, facts) => {
      const all = executionsOf(facts, after);
      const live = all.filter(isLive).map(({ execution }) => execution);
      const numbers = all.map(({ execution }) => execution).toSorted((a, b) => a - b);
      if (live.length > 1) return `${live.join(' and ')} are live`;
      return numbers.some((number, i) => number !== i + 1) && `the numbers are ${numbers.join(', ')}`;
    },
  ),
  onAttempt(
    'attempt and execution agree',
    'An attempt is executing exactly while its current execution is live.',
    ({ after }, facts) => {
      const current = currentOf(after, facts);
      const executing = after.state === 'EXECUTING';
      return executing !== (current !== undefined && isLive(current)) && `${after.state}, ${current?.state}`;
    },
  ),
  onAttempt(
    'results are of the current execution',
    'An attempt finishes with the result that its current execution brought.',
    ({ after }, facts) => {
      if (after.state !== 'FINISHED') return undefined;
      const current = currentOf(after, facts);
      if (current === undefined || isLive(current)) return 'it has no ended execution';
      if (current.mode === 'unattended') {
        return !isDeepStrictEqual(after.result, current.result) && 'it is not that of the execution';
      }
      return !facts.offered(idOfExecution(current)).has(JSON.stringify(after.result)) && 'no job finished with it';
    },
  ),
  onAttempt(
    'budgets are kept',
    'An attempt is retried no more often than the policy of its quest allows for each class.',
    ({ after }, facts) => {
      const quest = facts.get('quest', after.quest);
      if (quest === undefined) return 'its quest is gone';
      const { budgets } = retryPolicy(quest.desc);
      const over = RETRY_CLASSES.find(name => (after.retries[name] ?? 0) > budgets[name]);
      return over !== undefined && `${after.retries[over]} retries of ${over}, of ${budgets[over]}`;
    },
  ),
  onAttempt(
    'failures are counted once',
    'A retry counter is the number of executions that ended with this class and were retried, since the last success.',
    ({ before, after }, facts) => {
      if (after.state !== 'SCHEDULING' || before?.state !== 'EXECUTING') return undefined;
      const all = executionsOf(facts, after);
      const success = Math.max(0, ...all.filter(({ state }) => state === 'FINISHED').map(one => one.execution));
      const since = all.filter(({ execution }) => execution > success);
      for (const name of RETRY_CLASSES) {
        const ends = since.filter(one => classOf(one) === name).length;
        if ((after.retries[name] ?? 0) !== ends) return `${after.retries[name] ?? 0} of ${name}, ${ends} ended so`;
      }
      return undefined;
    },
  ),
  onAttempt(
    'retries back off',
    'The next execution of an attempt waits for some time after the last one.',
    ({ before, after }) =>
      before?.state === 'EXECUTING' &&
      after.state === 'SCHEDULING' &&
      after.notBefore <= after.updatedAt &&
      'it does not wait',
  ),
  onAttempt(
    'retries wait their time',
    'No execution is created before its attempt may have one.',
    ({ before, after }) =>
      before?.state === 'SCHEDULING' &&
      after.state === 'EXECUTING' &&
      after.updatedAt < before.notBefore &&
      `${before.notBefore - after.updatedAt} ms too early`,
  ),
  onExecution(
    'retries are released',
    'As soon as no job of an execution is in the way any more, the next one is no longer held back.',
    ({ after }, facts) => {
      if (isLive(after) || after.unwanted?.some(job => job.failedCancels < 10 && job.abandoned !== true))
        return undefined;
      const attempt = facts.get('attempt', attemptId(after.quest, after.attempt));
      return attempt?.state === 'SCHEDULING' && attempt.after === after.execution && 'the attempt still waits for it';
    },
  ),
  onExecution(
    'the executor has the last word',
    'An execution whose time is over ends only after its executor was asked once more.',
    ({ before, after }) =>
      before !== undefined &&
      isLive(before) &&
      tokenOf(before) !== undefined &&
      ['TIMED_OUT', 'EXPIRED'].includes(statusOf(after) ?? '') &&
      !isLive(after) &&
      !after.reported &&
      before.asked < 1 &&
      'nobody was asked',
  ),
  onExecution(
    'nothing is missing at once',
    'An executor that does not know a job is believed 30 s after its token was recorded, and not before.',
    ({ before, after }) =>
      before !== undefined &&
      isLive(before) &&
      statusOf(after) === 'MISSING' &&
      !(before.launch.state === 'launched' && after.updatedAt - before.launch.at >= 30_000) &&
      !(before.state === 'STOPPING') &&
      'it is too early',
  ),
  onExecution(
    'calls back off',
    'After a call of run that failed for the moment the next one waits.',
    ({ before, after }) =>
      before?.claim?.call === 'run' &&
      before.launch.state === 'owed' &&
      after.claim === undefined &&
      after.launch.state === 'owed' &&
      isLive(after) &&
      after.launch.nextAt < after.updatedAt + 500 &&
      'it does not wait',
  ),
  onExecution(
    'claims are left alone',
    'While a claim lives, no other call is claimed, but for the last question at a deadline while a run hangs.',
    ({ before, after }) => {
      const [from, to] = [before?.claim, after.claim];
      if (from === undefined || to === undefined || isDeepStrictEqual(from, to)) return undefined;
      if (from.untilAt <= to.at || (from.call === 'run' && to.call === 'poll')) return undefined;
      return `${to.call} was claimed while ${from.call} was`;
    },
  ),
  {
    name: 'obligations can be found',
    sentence:
      'A document has a wakeAt exactly if it is owed something, at the time when that falls due, in its own shard.',
    on: 'written',
    broken({ kind, id, after }) {
      if (kind === 'quest' || kind === 'edge') return undefined;
      // There are few of them: they are all in one. What they owe, and when, their own invariant says.
      if (kind === 'slot') return after.shard !== 0 && `shard ${after.shard}`;
      if (after.shard !== shardOf(id)) return `shard ${after.shard}`;
      const due = kind === 'execution' ? earliest(owedTimes(after)) : launchTime(after);
      return after.wakeAt !== due && `wakeAt is ${after.wakeAt}, but ${due} is due`;
    },
  },
  onExecution(
    'unwanted jobs are recorded',
    'When an execution ends, each of its jobs that is known and alive is to be stopped.',
    ({ before, after }, facts) => {
      if (isLive(after) || (before !== undefined && !isLive(before)) || after.reported) return undefined;
      const alive = facts.jobsOf(idOfExecution(after)).filter(job => job.status.state !== 'finished');
      const known = alive.filter(job => job.token === tokenOf(after));
      const forgotten = known.find(job => !after.unwanted?.some(({ token }) => token === job.token));
      return forgotten !== undefined && `${forgotten.token} is alive and nobody will stop it`;
    },
  ),
  onExecution(
    'unwanted jobs are stopped',
    'A job that is to be stopped is forgotten only when it is gone.',
    ({ before, after }, facts) => {
      const left = before?.unwanted?.filter(job => !after.unwanted?.some(other => other.token === job.token)) ?? [];
      const alive = (token: string) =>
        facts.jobsOf(idOfExecution(after)).some(job => job.token === token && job.status.state !== 'finished');
      const forgotten = left.find(({ token }) => token !== undefined && alive(token));
      return forgotten !== undefined && `${forgotten.token} is alive`;
    },
  ),
  onExecution(
    'predecessors are gone',
    'An execution is created only when the job of the one before is gone, or has resisted ten cancels.',
    ({ before, after }, facts) => {
      if (before !== undefined || after.execution === 1) return undefined;
      const id = executionId(after.quest, after.attempt, after.execution - 1);
      const previous = facts.get('execution', id);
      if (previous === undefined || facts.isBroken(id)) return undefined;
      const alive = facts.jobsOf(id).some(job => job.token === tokenOf(previous) && job.status.state !== 'finished');
      const resisted = previous.unwanted?.some(job => job.failedCancels >= 10 || job.abandoned === true);
      return alive && resisted !== true && `the job of execution ${previous.execution} is alive`;
    },
  ),
];

const PHASES = { SCHEDULING: 'start', RUNNING: 'run', STOPPING: 'stop' } as const;

function endOf(execution: Exclude<Execution, { state: keyof typeof PHASES }>): unknown {
  const { state, result, endedAt, reported, halt } = execution;
  return { state, result, endedAt, reported, halt };
}

function outcomeOf({ state, result, endedAt }: EndedAttempt): unknown {
  return { state, result, endedAt };
}

function keyOf({ quest, attempt, execution, mode, distributor, auth, stateFrom, createdAt }: Execution): unknown {
  return [quest, attempt, execution, mode, distributor, auth, stateFrom, createdAt];
}

function currentOf({ quest, attempt, executions }: Attempt, facts: Facts): Execution | undefined {
  return executions === 0 ? undefined : facts.get('execution', executionId(quest, attempt, executions));
}

const CLASSES: Readonly<Record<string, string>> = {
  FAILED: 'failed',
  CRASHED: 'crashed',
  EXPIRED: 'expired',
  TIMED_OUT: 'timedOut',
  PREEMPTED: 'preempted',
};

function classOf(execution: Execution): string | undefined {
  return CLASSES[statusOf(execution) ?? ''];
}

function statusOf(execution: Execution): string | undefined {
  return execution.state === 'ABNORMAL_FINISHED' ? execution.result.abnormalFinish.status : undefined;
}
