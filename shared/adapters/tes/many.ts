import type { Token } from '../../core/execution.ts';
import { messageOf, TransientError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports.ts';
import type { TaskStatus } from '../../core/result.ts';
import { isFinal } from '../job-calls.ts';
import { EXECUTION_TAG } from './config.ts';
import { MAX_PAGE_SIZE, type Tes } from './service.ts';
import { openStatus } from './status.ts';

/** In the order in which most tasks are found. CANCELING ones are few. */
const LISTED_STATES = ['RUNNING', 'QUEUED', 'INITIALIZING', 'PAUSED'];
/** So few are asked one by one: that is not more than the lists. */
const FEW = LISTED_STATES.length;
const MAX_PAGES = 20;
/** Less than the engine gives a poll. */
const ASKING_MS = 20_000;
const CONCURRENCY = 8;

/**
 * Asks about many tasks. TES has no call for that, and its lists hold every task that ever was: so the tasks in the open states are
 * listed, and who is not among them has probably ended and is asked by itself. What a list misses, because a task changed its
 * state meanwhile, or because the server does not filter by state or tag, costs a call and is right all the same.
 */
export async function askMany(
  ids: readonly Token[],
  { tes, clock, ask }: { tes: Tes; clock: Clock; ask(id: Token): Promise<TaskStatus> },
): Promise<(TaskStatus | Error)[]> {
  const until = clock.now() + ASKING_MS;
  const known = ids.length <= FEW ? new Map<Token, TaskStatus>() : await listOpen(new Set(ids), tes, isLate);
  let giveUp: Error | undefined;

  function isLate(): boolean {
    return clock.now() >= until;
  }

  async function askOne(id: Token): Promise<TaskStatus | Error> {
    if (giveUp !== undefined) return giveUp;
    if (isLate()) return new TransientError('the TES server is too slow to be asked about this many tasks at once');
    try {
      return await ask(id);
    } catch (error) {
      if (error instanceof TransientError && error.retryAfterMs !== undefined) giveUp = error;
      return error instanceof Error ? error : new Error(messageOf(error));
    }
  }

  const statuses: (TaskStatus | Error)[] = [];
  const queue = ids.entries();
  async function work(): Promise<void> {
    for (const [index, id] of queue) statuses[index] = known.get(id) ?? (await askOne(id));
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  return statuses;
}

/** The statuses of those that are found in an open state. */
async function listOpen(wanted: Set<Token>, tes: Tes, isLate: () => boolean): Promise<Map<Token, TaskStatus>> {
  const open = new Map<Token, TaskStatus>();
  let pages = 0;
  try {
    for (const state of LISTED_STATES) {
      const filter = { tag_key: EXECUTION_TAG, state };
      for await (const page of tes.list(filter, { view: 'MINIMAL', pageSize: MAX_PAGE_SIZE })) {
        for (const task of page) {
          const status = wanted.delete(task.id) ? openStatus(task.state) : undefined;
          if (status !== undefined) open.set(task.id, status);
        }
        if (wanted.size === 0 || ++pages >= MAX_PAGES || isLate()) return open;
      }
    }
  } catch (error) {
    // A server that does not take these filters; who is asked one by one is told the same.
    if (!isFinal(error)) throw error;
  }
  return open;
}
