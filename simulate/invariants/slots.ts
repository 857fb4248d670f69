import { type Attempt, isAttemptOver } from '../../shared/core/attempt.ts';
import { type Execution, idOfExecution } from '../../shared/core/execution.ts';
import { attemptId } from '../../shared/core/ids.ts';
import type { Slot } from '../../shared/core/slot.ts';
import { type Broken, onKind } from './documents.ts';
import { nameOf } from './edges.ts';
import type { AnyInvariant, Facts, Invariant } from './invariant.ts';

/** What must be true of limits, of slots and of those who wait for them. */

const onAttempt = onKind('attempt');
const onExecution = onKind('execution');
const onSlot = onKind('slot');

const SECOND_MS = 1000;
const LONGEST_RECHECK_MS = 60 * 60_000;

/** Whether perhaps there is a job of it, said in other words than the code's. */
export function hasJob(execution: Execution): boolean {
  if (!hasEnded(execution)) return true;
  return execution.unwanted?.some(job => job.abandoned === undefined) === true;
}

function hasEnded({ state }: Execution): boolean {
  return state === 'FINISHED' || state === 'ABNORMAL_FINISHED';
}

function isMissing(execution: Execution): boolean {
  return execution.state === 'ABNORMAL_FINISHED' && execution.result.abnormalFinish.status === 'MISSING';
}

/** Of every execution that is created to be run. */
function onStart(
  name: string,
  sentence: string,
  broken: (started: Execution, facts: Facts, commit: { begun: number }) => Broken,
): Invariant<'written'> {
  return {
    name,
    sentence,
    on: 'written',
    broken: ({ kind, before, after, commit }, facts) =>
      kind === 'execution' && before === undefined && after.launch.state !== 'none' && broken(after, facts, commit),
  };
}

const WRITTEN: readonly Invariant<'written'>[] = [
  onStart(
    'no more jobs than there may be',
    'Of a distributor never more executions hold a slot than its limit has been at its highest.',
    (started, facts) => {
      const { name } = started.distributor;
      if (started.slot === undefined) return undefined;
      const most = facts.highestLimitsOf(name).maxInFlight ?? 0;
      const holders = facts
        .all('execution')
        .filter(one => one.distributor.name === name && one.slot !== undefined && hasJob(one))
        // A job of which nobody could know any more when its slot was freed.
        .filter(one => !facts.wasGone(idOfExecution(one)));
      return holders.length > most && `${holders.length} of ${most}`;
    },
  ),
  onStart(
    'who is limited has a slot',
    'An execution holds a slot from its first commit on, one of those that its distributor has, exactly if that has a limit.',
    (started, facts) => {
      const { name, config } = started.distributor;
      const { slot } = started;
      if (slot === undefined) return config.maxInFlight !== undefined && 'it has none';
      if (slot > Number(config.maxInFlight ?? 0)) return `slot ${slot} of ${JSON.stringify(config.maxInFlight)}`;
      const holder = facts.get('slot', slotName(name, 'job', slot))?.holder;
      return holder !== idOfExecution(started) && `it is held by ${holder}`;
    },
  ),
  onExecution(
    'a slot is freed with its job',
    'A slot is freed in the commit by which the job of its execution is known to be gone, not before and not after.',
    ({ before, after }, facts) => {
      if (after.slot === undefined) return undefined;
      const id = idOfExecution(after);
      const slot = slotName(after.distributor.name, 'job', after.slot);
      const isHeld = facts.get('slot', slot)?.holder === id;
      if (!hasJob(after)) return isHeld && !facts.isBroken(slot) && 'it still holds its slot';
      const isFirst = before === undefined || hasJob(before);
      return !isHeld && isFirst && !facts.wasGone(id) && 'its slot was taken away';
    },
  ),
  onSlot(
    'a slot has one holder',
    'A slot passes from one execution to another only by being free in between, and is taken only when it may be.',
    ({ before, after }, facts) => {
      if (before === undefined || before.holder === after.holder) return undefined;
      const holder = before.use === 'start' ? undefined : before.holder;
      const job = holder === undefined ? undefined : facts.get('execution', holder);
      if (job !== undefined && hasJob(job) && !facts.wasGone(idOfExecution(job))) return `${holder} still has its job`;
      if (after.holder === undefined) return undefined;
      if (before.freeAt === undefined) return `it was taken from ${before.holder}`;
      return before.freeAt > after.updatedAt && `it was taken ${before.freeAt - after.updatedAt} ms too early`;
    },
  ),
  onSlot(
    'a free slot owes a start',
    'A slot that becomes free owes a start from then on, until it is taken, or has been due and nobody could be started.',
    ({ before, after }) => {
      if (after.freeAt === undefined) return after.wakeAt !== undefined && 'it is held, and owes something';
      if (before === undefined || after.freeAt !== before.freeAt)
        return after.wakeAt !== after.freeAt && 'it owes nothing';
      return before.wakeAt !== undefined && before.wakeAt > after.updatedAt && 'nobody has looked yet';
    },
  ),
  onStart(
    'starts keep their distance',
    'Of a distributor no more executions are created within a second than it may start at its highest limit so far.',
    (started, facts) => {
      const { name, config } = started.distributor;
      if (config.maxStartsPerSecond === undefined) return undefined;
      const most = Math.ceil(facts.highestLimitsOf(name).maxStartsPerSecond ?? 0);
      const times = facts
        .all('execution')
        .filter(({ distributor, launch }) => distributor.name === name && launch.state !== 'none')
        .filter(({ distributor }) => distributor.config.maxStartsPerSecond !== undefined)
        .map(({ createdAt }) => createdAt);
      const within = (from: number) => times.filter(time => time >= from && time < from + SECOND_MS).length;
      const crowded = times.find(from => Math.abs(from - started.createdAt) < SECOND_MS && within(from) > most);
      return crowded !== undefined && `${within(crowded)} of ${most}`;
    },
  ),
  onStart(
    'nobody is overtaken',
    'Whoever stood in line when the delivery began that starts another one is started before it, unless that one has the earlier place.',
    (started, facts, { begun }) => {
      const { distributor } = started;
      const { maxInFlight, maxStartsPerSecond } = distributor.config;
      if (maxInFlight === undefined && maxStartsPerSecond === undefined) return undefined;
      const own = attemptId(started.quest, started.attempt);
      const place = facts.leftPlace(own);
      const line = place?.distributor ?? distributor.name;
      const waiting = facts
        .all('attempt')
        .filter(one => placeOf(one)?.distributor === line && nameOf(one) !== own && !facts.isBroken(nameOf(one)))
        .filter(one => (facts.stoodAt(nameOf(one)) ?? 0) <= begun);
      const passed = waiting.find(one => place === undefined || isEarlier(one, { ...place, id: own }));
      return passed !== undefined && `${nameOf(passed)} stood before it`;
    },
  ),
  onAttempt(
    'who stands in line is looked after',
    'Who stands in line keeps its place, and looks for a free slot itself within an hour.',
    ({ before, after }) => {
      const [from, to] = [before && placeOf(before), placeOf(after)];
      if (to === undefined) return undefined;
      if (from !== undefined && from.at !== to.at) return 'it has another place';
      if (from?.recheckAt === to.recheckAt) return undefined;
      return to.recheckAt > after.updatedAt + LONGEST_RECHECK_MS && `it looks at ${to.recheckAt}`;
    },
  ),
  onExecution(
    'nobody is missing who is there',
    'An execution ends as MISSING only if its executor has no such job, or has said so.',
    ({ before, after }, facts) => {
      if (before === undefined || hasEnded(before) || !isMissing(after) || after.launch.state !== 'launched')
        return undefined;
      const { token } = after.launch;
      const job = facts.jobsOf(idOfExecution(after)).find(one => one.token === token);
      return job !== undefined && job.denied === undefined && `${token} is there`;
    },
  ),
  onExecution(
    'a result is its own',
    'A success that is reported is that of the job of this execution.',
    ({ before, after }) =>
      before !== undefined &&
      after.state === 'FINISHED' &&
      before.state !== 'FINISHED' &&
      (after.result.data as { by?: string }).by !== undefined &&
      (after.result.data as { by?: string }).by !== idOfExecution(after) &&
      `it is that of ${(after.result.data as { by?: string }).by}`,
  ),
];

export const SLOT_INVARIANTS: readonly AnyInvariant[] = [
  ...WRITTEN,
  {
    name: 'no more jobs are alive than there may be',
    sentence: 'As long as no answer was lost, an executor has no more jobs of a distributor than its limit allows.',
    on: 'job started',
    broken({ id, isFaithful }, facts) {
      const distributor = facts.get('execution', id)?.distributor;
      if (distributor?.config.maxInFlight === undefined || !isFaithful) return undefined;
      const most = facts.highestLimitsOf(distributor.name).maxInFlight ?? 0;
      const limited = facts
        .all('execution')
        .filter(one => one.distributor.name === distributor.name && one.distributor.config.maxInFlight !== undefined);
      const alive = limited
        .flatMap(one => facts.jobsOf(idOfExecution(one)))
        .filter(job => job.status.state !== 'finished');
      return alive.length > most && `${alive.length} of ${most}`;
    },
  } satisfies Invariant<'job started'>,
  {
    name: 'nobody waits in vain',
    sentence: 'As long as nothing goes wrong nobody stands in line beside slots that are free.',
    on: 'minute',
    broken: ({ inVain }) => inVain.length > 0 && inVain.join(', '),
  } satisfies Invariant<'minute'>,
  {
    name: 'no slot is lost',
    sentence: 'At rest every slot is free and owes nothing, and nobody stands in line.',
    on: 'at rest',
    broken(_, facts) {
      const lost = facts
        .all('slot')
        .find(slot => !facts.isBroken(slotName(slot.distributor, slot.use, slot.number)) && !isAtRest(slot, facts));
      if (lost !== undefined) return `${slotName(lost.distributor, lost.use, lost.number)} of ${lost.holder}`;
      const waits = facts.all('attempt').find(one => placeOf(one) !== undefined && isReadable(one, facts));
      return waits !== undefined && `${nameOf(waits)} waits`;
    },
  } satisfies Invariant<'at rest'>,
];

function slotName(distributor: string, use: Slot['use'], number: number): string {
  return `${distributor}#${use}-${number}`;
}

/** Of an execution that cannot be read nobody can know whether its job is gone: it keeps its slot. */
function isAtRest({ use, holder, freeAt, wakeAt }: Slot, facts: Facts): boolean {
  if (use === 'job' && holder !== undefined) return facts.isBroken(holder);
  return freeAt !== undefined && wakeAt === undefined;
}

/** Nor can those go on who wait for such a slot. */
function isReadable(attempt: Attempt, facts: Facts): boolean {
  const place = placeOf(attempt);
  const isStuck = ({ distributor, use, number, holder = '' }: Slot) =>
    distributor === place?.distributor &&
    (facts.isBroken(slotName(distributor, use, number)) || facts.isBroken(holder));
  return !isAttemptOver(attempt) && !facts.all('slot').some(isStuck);
}

type Place = NonNullable<Extract<Attempt, { state: 'SCHEDULING' }>['queued']>;

export function placeOf(attempt: Attempt): Place | undefined {
  return attempt.state === 'SCHEDULING' ? attempt.queued : undefined;
}

function isEarlier(attempt: Attempt, { at, id }: Place & { id: string }): boolean {
  const other = placeOf(attempt);
  return other !== undefined && (other.at < at || (other.at === at && nameOf(attempt) < id));
}
