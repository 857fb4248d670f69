import { type Attempt, idOfAttempt } from '../../shared/core/attempt.ts';
import { type Execution, idOfExecution } from '../../shared/core/execution.ts';
import { abnormal, finished, running } from '../../shared/core/result.ts';
import { idOfSlot, type Slot } from '../../shared/core/slot.ts';
import type { Job } from '../../simulate/executor.ts';
import type { Facts } from '../../simulate/invariants/invariant.ts';
import type { Change } from '../../simulate/store.ts';
import { HOUR_MS, SECOND_MS } from '../support/decide.ts';
import { attemptIn, CREATED_AT, executionIn, questFixture } from '../support/documents.ts';
import type { Case } from './graph-cases.ts';

const NAME = executionIn('SCHEDULING').distributor.name;

const limitedTo = (config: Execution['distributor']['config']) => ({
  ...executionIn('SCHEDULING').distributor,
  config,
});
const ONE = limitedTo({ maxInFlight: 1 });
const RATED = limitedTo({ maxStartsPerSecond: 1 });

const first = executionIn('SCHEDULING', { distributor: ONE, slot: 1 });
const over = executionIn('FINISHED', { distributor: ONE, slot: 1, revision: 2 });
const QUEST = questFixture({ parameters: { text: 'another' } }).id;
const second = executionIn('SCHEDULING', { quest: QUEST, distributor: ONE, slot: 1 });

const held: Slot = {
  schemaVersion: 1,
  distributor: NAME,
  use: 'job',
  number: 1,
  revision: 1,
  shard: 0,
  createdAt: CREATED_AT,
  updatedAt: CREATED_AT,
  holder: idOfExecution(first),
};
const { holder: _, ...unheld } = held;
const freed: Slot = { ...unheld, revision: 2, freeAt: CREATED_AT, wakeAt: CREATED_AT };
const idle: Slot = { ...unheld, revision: 3, freeAt: CREATED_AT };

const queued = { distributor: NAME, at: CREATED_AT, recheckAt: CREATED_AT + HOUR_MS };
const waiting = attemptIn('SCHEDULING', { queued, wakeAt: queued.recheckAt });

/** A world of these documents. */
function having(...docs: (Attempt | Execution | Slot)[]): Partial<Facts> {
  const named = docs.map(doc => {
    if ('use' in doc) return { kind: 'slot', id: idOfSlot(doc), doc };
    return 'launch' in doc
      ? { kind: 'execution', id: idOfExecution(doc), doc }
      : { kind: 'attempt', id: idOfAttempt(doc), doc };
  });
  return {
    get: (kind, id) => named.find(one => one.kind === kind && one.id === id)?.doc as never,
    all: kind => named.filter(one => one.kind === kind).map(({ doc }) => doc) as never,
    highestLimitsOf: () => ({ maxInFlight: 1, maxStartsPerSecond: 1 }),
  };
}

const COMMIT = { number: 9, begun: 5 };

function written<D extends Attempt | Execution | Slot>(before: D | undefined, after: D, facts: Partial<Facts>): Case {
  const [kind, id] =
    'use' in after
      ? ['slot', idOfSlot(after)]
      : 'launch' in after
        ? ['execution', idOfExecution(after)]
        : ['attempt', idOfAttempt(after)];
  const event = { kind, id, after, commit: COMMIT, ...(before && { before }) } as unknown as Change;
  return { on: 'written', event, facts };
}

const job = (execution: Execution, status = running()): Job =>
  ({ executionId: idOfExecution(execution), token: 'job-1', status }) as Job;

export const BROKEN_OF_SLOTS: Record<string, Case> = {
  'no more jobs than there may be': written(undefined, second, having(first, second, held)),
  'who is limited has a slot': written(undefined, { ...first, slot: undefined }, having(held)),
  'a slot is freed with its job': written<Execution>(first, over, having(over, held)),
  'a slot has one holder': written(
    held,
    { ...held, revision: 2, holder: idOfExecution(second) },
    having(first, second),
  ),
  'a free slot owes a start': written(held, idle, having(over)),
  'starts keep their distance': written(
    undefined,
    executionIn('SCHEDULING', { quest: QUEST, distributor: RATED, createdAt: CREATED_AT + SECOND_MS / 2 }),
    having(
      executionIn('SCHEDULING', { distributor: RATED }),
      executionIn('SCHEDULING', { quest: QUEST, distributor: RATED, createdAt: CREATED_AT + SECOND_MS / 2 }),
    ),
  ),
  'nobody is overtaken': written(undefined, second, { ...having(waiting, second), stoodAt: () => 3 }),
  'who stands in line is looked after': written(
    attemptIn('SCHEDULING'),
    { ...waiting, queued: { ...queued, recheckAt: CREATED_AT + 2 * HOUR_MS } },
    {},
  ),
  'a result is its own': written<Execution>(
    executionIn('RUNNING'),
    executionIn('FINISHED', { result: { data: { by: 'another' } } }),
    {},
  ),
  'nobody is missing who is there': written<Execution>(
    executionIn('RUNNING'),
    executionIn('ABNORMAL_FINISHED', { result: abnormal('MISSING', 'unknown'), revision: 2 }),
    { jobsOf: () => [job(first)] },
  ),
  'no more jobs are alive than there may be': {
    on: 'job started',
    event: { id: idOfExecution(second), isFaithful: true },
    facts: { ...having(first, second), jobsOf: id => [job(id === idOfExecution(first) ? first : second)] },
  },
  'nobody waits in vain': { on: 'minute', event: { inVain: [idOfAttempt(waiting)] } },
  'no slot is lost': { on: 'at rest', event: { jobs: [] }, facts: having(held, over) },
};

export const FINE_OF_SLOTS: Record<string, Case> = {
  'an execution takes the slot of one that is over': written(
    undefined,
    second,
    having(over, second, {
      ...held,
      holder: idOfExecution(second),
    }),
  ),
  'a slot is freed by the end of its job': written<Execution>(first, over, having(over, freed)),
  'a slot owes a start': written(held, freed, having(over)),
  'nobody waits for a slot that owed a start': written({ ...freed, updatedAt: CREATED_AT }, idle, having(over)),
  'one stands in line': written(
    attemptIn('SCHEDULING'),
    { ...waiting, revision: 2 },
    {
      get: kind => (kind === 'quest' ? questFixture() : undefined) as never,
    },
  ),
  'the earlier one is started': written(undefined, second, {
    ...having({ ...waiting, queued: { ...queued, at: CREATED_AT + 1 } }, second, {
      ...held,
      holder: idOfExecution(second),
    }),
    stoodAt: () => 3,
    leftPlace: () => queued,
  }),
  'a job is alive beside one that has ended': {
    on: 'job started',
    event: { id: idOfExecution(second), isFaithful: true },
    facts: {
      ...having(first, second),
      jobsOf: id => [id === idOfExecution(first) ? job(first, finished({ data: {} })) : job(second)],
    },
  },
  'all slots are free': { on: 'at rest', event: { jobs: [] }, facts: having(idle, over) },
};
