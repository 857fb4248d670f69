import { type Attempt, isAttemptOver, rankOf } from '../../shared/core/attempt.ts';
import { executionId } from '../../shared/core/ids.ts';
import { type Broken, onKind } from './documents.ts';
import { edgesOf, isOver, isWaiting, nameOf, openEdgesOf, reachedFrom, type Waiting, willTell } from './edges.ts';
import type { AskMade, Facts, Invariant } from './invariant.ts';

/** What every write must leave true of attempts that need others. */

const onAttempt = onKind('attempt');
const onEdge = onKind('edge');

/** Of all attempts that wait, whatever was written. */
function onWaits(
  name: string,
  sentence: string,
  broken: (waiting: Waiting, facts: Facts) => Broken,
): Invariant<'written'> {
  return {
    name,
    sentence,
    on: 'written',
    broken(change, facts) {
      if (change.kind !== 'attempt' && change.kind !== 'edge') return undefined;
      for (const waiting of facts.all('attempt').filter(isWaiting)) {
        const detail = broken(waiting, facts);
        if (detail !== undefined && detail !== false) return `${nameOf(waiting).slice(0, 4)} ${detail}`;
      }
      return undefined;
    },
  };
}

export const GRAPH_INVARIANTS: readonly Invariant<'written'>[] = [
  onWaits(
    'open edges are settled',
    'Each open edge of a wait leads to an attempt that is not over and will tell, or that still owes telling this dependent.',
    (waiting, facts) => {
      const deaf = openEdgesOf(waiting, facts).find(edge => !willTell(edge, facts));
      return deaf !== undefined && `waits for ${deaf.dependency}, which tells nobody`;
    },
  ),
  onWaits(
    'waiting ends',
    'An attempt that waits has more open edges than it may spare, or is still to count them, or to be told by one that is over.',
    (waiting, facts) => {
      if (waiting.state !== 'WAITING' || waiting.uncounted === true) return undefined;
      const edges = edgesOf(waiting, facts);
      if (edges.filter(({ open }) => open).length > waiting.wait.spare) return undefined;
      return !edges.some(edge => isOver(edge.dependency, facts) && willTell(edge, facts)) && 'is woken by nobody';
    },
  ),
  onAttempt(
    'nobody goes on too early',
    'An attempt goes on when as many of what it asked for are over as it needs, and not before.',
    ({ before, after }, facts) => {
      if (before?.state !== 'WAITING' || after.state !== 'SCHEDULING' || !isWaiting(before)) return undefined;
      const open = openEdgesOf(before, facts).length;
      if (open > before.wait.spare) return `${open} are open, and it may spare ${before.wait.spare}`;
      return !asksOf(before, facts).some(ask => overOf(ask, facts) >= ask.needed) && 'too few are over';
    },
  ),
  onAttempt(
    'a wait is for what was asked',
    'An attempt may spare as many as its job asked for and does not need.',
    ({ before, after }, facts) =>
      isWaiting(after) &&
      !(before !== undefined && isWaiting(before)) &&
      !asksOf(after, facts).some(({ wanted, needed }) => wanted.length - needed === after.wait.spare) &&
      `it may spare ${after.wait.spare}`,
  ),
  onAttempt(
    'one execution for each wait',
    'An attempt waits once for each execution that halted to wait, which then has ended well, and is executed once more.',
    ({ before, after }, facts) => {
      if (after.state === 'EXECUTING' && before?.state === 'SCHEDULING') {
        return after.executions !== before.executions + 1 && `${before.executions} is followed by ${after.executions}`;
      }
      if (after.state !== 'WAITING' || after.wait === undefined) return undefined;
      const id = executionId(after.quest, after.attempt, after.wait.execution);
      if (after.wait.execution !== after.executions) return `${id} is not its last execution`;
      const halted = facts.get('execution', id);
      return !(halted?.state === 'FINISHED' && halted.halt !== undefined) && `${id} is ${halted?.state}`;
    },
  ),
  onAttempt(
    'ranks never fall',
    'The rank of an attempt never falls.',
    ({ before, after }) =>
      before !== undefined && rankOf(after) < rankOf(before) && `${rankOf(before)} became ${rankOf(after)}`,
  ),
  onWaits(
    'ranks rise along waits',
    'What an attempt waits for ranks higher than it, unless it is over.',
    (waiting, facts) => {
      const ranks = openEdgesOf(waiting, facts).map(({ dependency }) => facts.get('attempt', dependency));
      const low = ranks.find(one => one !== undefined && !isAttemptOver(one) && rankOf(one) <= rankOf(waiting));
      return low !== undefined && `of rank ${rankOf(waiting)} waits for ${nameOf(low)} of rank ${rankOf(low)}`;
    },
  ),
  onWaits(
    'nobody waits for himself',
    'No attempt waits for others that wait for it in the end.',
    (waiting, facts) => reachedFrom(waiting, facts).has(nameOf(waiting)) && 'waits for itself',
  ),
  onEdge(
    'settled means over',
    'An edge is settled only when its dependency is over, or when the ask was refused.',
    ({ after }, facts) =>
      !after.open && after.withdrawn !== true && !isOver(after.dependency, facts) && 'its dependency is not over',
  ),
  onEdge(
    'settled edges stay so',
    'An edge that is settled is never opened again, unless its ask was refused.',
    ({ before, after }) => before?.open === false && before.withdrawn !== true && after.open && 'it was opened again',
  ),
  onAttempt(
    'ends are told',
    'An attempt that others have asked for owes it to them, when it ends, to tell them.',
    ({ before, after }) =>
      before?.awaited === true &&
      !isAttemptOver(before) &&
      isAttemptOver(after) &&
      after.owes?.tell === undefined &&
      'it owes them nothing',
  ),
  onAttempt(
    'telling is not given up',
    'An ended attempt owes telling until all edges that were open at its end are settled.',
    ({ before, after }, facts) => {
      const owed = (attempt: Attempt | undefined) => attempt && 'owes' in attempt && attempt.owes?.tell !== undefined;
      if (!owed(before) || owed(after)) return undefined;
      const left = facts
        .openAtEnd(nameOf(after))
        .find(id => facts.all('edge').some(edge => edge.open && `${edge.dependency}<${edge.dependent}` === id));
      return left !== undefined && `${left} is open`;
    },
  ),
  onAttempt(
    'a cascade spares what is needed',
    'With another attempt only such a one is cancelled that no client has asked for and nobody waits for who is not over.',
    ({ before, after }, facts) => {
      if (!isCascaded(before, after, facts)) return undefined;
      if (before?.requested === true) return 'a client has asked for it';
      const dependents = facts.all('attempt').filter(one => isWaiting(one) && one !== after);
      const needs = (one: Attempt) => openEdgesOf(one, facts).some(({ dependency }) => dependency === nameOf(after));
      const dependent = dependents.find(needs);
      return dependent !== undefined && `${nameOf(dependent)} waits for it`;
    },
  ),
  onAttempt(
    'a cascade reaches what nobody needs',
    'When an attempt was cancelled with all that only it waited for, that is over.',
    ({ before, after }, facts) => {
      const owed = (attempt: Attempt | undefined) =>
        attempt && 'owes' in attempt && attempt.owes?.cascade !== undefined;
      if (!owed(before) || owed(after)) return undefined;
      const edges = facts.all('edge');
      const ask = facts.waitedFor(executionId(after.quest, after.attempt, after.executions));
      const left = edges
        .filter(one => one.open && one.dependent === nameOf(after))
        .filter(one => one.execution === after.executions && one.ask === ask)
        .filter(({ dependency }) => edges.filter(one => one.dependency === dependency).length === 1)
        .find(({ dependency }) => isAbandoned(facts.get('attempt', dependency), facts));
      return left !== undefined && `${left.dependency} goes on`;
    },
  ),
];

function asksOf({ quest, attempt, wait }: Waiting, facts: Facts): AskMade[] {
  return [...facts.asks(executionId(quest, attempt, wait.execution)).values()];
}

function overOf({ wanted }: AskMade, facts: Facts): number {
  return wanted.filter(id => isOver(id, facts)).length;
}

/** Cancelled, and not by a client. */
function isCascaded(before: Attempt | undefined, after: Attempt, facts: Facts): boolean {
  return (
    before !== undefined &&
    !isAttemptOver(before) &&
    after.state === 'ABNORMAL_FINISHED' &&
    after.result.abnormalFinish.status === 'CANCELLED' &&
    !facts.isUnwanted(nameOf(after))
  );
}

/** Whether it goes on although no client wants it and its result has not been accepted. */
function isAbandoned(attempt: Attempt | undefined, facts: Facts): boolean {
  if (attempt === undefined || isAttemptOver(attempt) || attempt.requested === true) return false;
  const id = executionId(attempt.quest, attempt.attempt, attempt.executions);
  const current = facts.get('execution', id);
  const isFinishing = current?.state === 'STOPPING' && current.finish !== undefined;
  return !isFinishing && !facts.isBroken(id);
}
