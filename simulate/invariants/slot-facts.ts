import type { AttemptId, ExecutionId } from '../../shared/core/ids.ts';
import { idOfExecution } from '../../shared/core/execution.ts';
import type { Change } from '../store.ts';
import type { World } from '../world.ts';
import { nameOf } from './edges.ts';
import type { Facts } from './invariant.ts';
import { hasJob, placeOf } from './slots.ts';

/** What is remembered of a world about slots and those who wait for them. */
export interface SlotFacts {
  facts: Pick<Facts, 'stoodAt' | 'leftPlace' | 'wasGone' | 'highestLimitsOf'>;
  /** Before the invariants of a commit are checked. */
  written(changes: readonly Change[]): void;
  /** After they were. */
  settled(changes: readonly Change[]): void;
  /** Attempts that wait although slots have been free for a while, and nothing has gone wrong since. */
  waitInVain(): AttemptId[];
}

/** Longer than a start may take when nothing goes wrong, and shorter than anybody puts it off. */
const IN_VAIN_MS = 25_000;

export function createSlotFacts(
  world: Pick<World, 'database' | 'scheduler' | 'faults' | 'limitsOf' | 'highestLimitsOf'>,
): SlotFacts {
  const { scheduler, faults } = world;
  const stood = new Map<AttemptId, { commit: number; time: number }>();
  const freed = new Map<string, number>();
  const left = new Map<AttemptId, NonNullable<ReturnType<typeof placeOf>>>();
  const gone = new Set<ExecutionId>();

  /** How long there is a slot of each use for the next one; undefined when there is none. */
  function freeSince(distributor: string): number | undefined {
    const { maxInFlight, maxStartsPerSecond } = world.limitsOf(distributor);
    const counts = { job: maxInFlight, start: maxStartsPerSecond && Math.ceil(maxStartsPerSecond) };
    let since = 0;
    for (const use of ['job', 'start'] as const) {
      const count = counts[use];
      if (count === undefined) continue;
      const slots = world.database.all('slot').filter(slot => slot.distributor === distributor && slot.use === use);
      const times = slots
        .filter(slot => slot.number <= count && !world.database.isBroken(`${distributor}#${use}-${slot.number}`))
        .map(({ number, freeAt }) =>
          freeAt === undefined ? Infinity : Math.max(freeAt, freed.get(`${distributor}#${use}-${number}`) ?? 0),
        );
      const first = slots.length < count ? 0 : Math.min(...times);
      if (first > scheduler.now()) return undefined;
      since = Math.max(since, first);
    }
    return since;
  }

  return {
    facts: {
      stoodAt: id => stood.get(id)?.commit,
      leftPlace: id => left.get(id),
      wasGone: id => gone.has(id),
      highestLimitsOf: name => world.highestLimitsOf(name),
    },
    written(changes) {
      for (const { kind, id, before, after, commit } of changes) {
        if (kind === 'attempt') {
          const [from, to] = [before && placeOf(before), placeOf(after)];
          left.delete(nameOf(after));
          if (from !== undefined) left.set(nameOf(after), from);
          if (to === undefined) stood.delete(nameOf(after));
          else if (to.distributor !== from?.distributor)
            stood.set(nameOf(after), { commit: commit.number, time: scheduler.now() });
        }
        if (kind === 'slot' && after.freeAt !== before?.freeAt) freed.set(id, scheduler.now());
      }
    },
    settled(changes) {
      for (const { kind, after } of changes) {
        if (kind === 'execution' && !hasJob(after)) gone.add(idOfExecution(after));
      }
    },
    waitInVain() {
      const quietSince = faults.quietSince();
      return [...stood]
        .filter(([id, { time }]) => {
          const attempt = world.database.get('attempt', id);
          if (attempt?.state !== 'SCHEDULING' || attempt.queued === undefined || world.database.isBroken(id))
            return false;
          const free = freeSince(attempt.queued.distributor);
          if (free === undefined) return false;
          const since = Math.max(time, free);
          return since >= quietSince && scheduler.now() - Math.max(since, faults.arrivedAt()) > IN_VAIN_MS;
        })
        .map(([id]) => id);
    },
  };
}
