import type { AttemptId } from '../../core/ids.ts';
import type { WalkRequest } from './request.ts';

/**
 * So many attempts one walk goes over. It remembers their ids, some 15 MB, and each page begins anew: a larger graph takes
 * several walks.
 */
export const MAX_WALKED = 100_000;

/** Where a walk was, and where it goes next: ids only. What it does does not depend on the order of the calls. */
export interface Trail {
  /** Attempts of the level that the walk is in. */
  enter(attempts: readonly { id: AttemptId }[]): void;
  /** Attempts that edges lead to. */
  follow(ids: Iterable<AttemptId>): void;
  /** Whether there are too many attempts; then the walk ends with its level. */
  isTooLong(): boolean;
  /** The next level, in order: what was followed to and is new. */
  next(): AttemptId[];
}

export function createTrail({ isExcluded }: Pick<WalkRequest, 'isExcluded'>): Trail {
  const visited = new Set<AttemptId>();
  const ahead = new Set<AttemptId>();
  let isTooLong = false;

  function add(to: Set<AttemptId>, ids: Iterable<AttemptId>): void {
    for (const id of ids) {
      if (isTooLong) return;
      to.add(id);
      // An attempt that is in both counts twice: otherwise it would matter in which order things come.
      isTooLong = visited.size + ahead.size > MAX_WALKED;
    }
  }

  return {
    enter: attempts =>
      add(
        visited,
        attempts.map(({ id }) => id),
      ),
    follow: ids => add(ahead, ids),
    isTooLong: () => isTooLong,
    next() {
      const ids = [...ahead].filter(id => !visited.has(id) && !isExcluded(id)).toSorted();
      ahead.clear();
      add(visited, ids);
      return ids;
    },
  };
}
