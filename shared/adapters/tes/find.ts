import { isCredentialError, isTransient, messageOf, TransientError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports.ts';
import { EXECUTION_TAG } from './config.ts';
import type { Task } from './status.ts';
import { DEFAULT_PAGE_SIZE, type Query, type Tasks } from './tasks.ts';

/**
 * A start that searched for longer must not create a task any more: the engine has given it up by then, or is about to, and the
 * next one may search before the task is there.
 */
const MAX_SEARCH_MS = 30_000;
const MAX_PAGES = 100;

/**
 * Finds the tasks of an execution by the name that they were given; the oldest comes first, so that everybody chooses the same.
 * Every error may be asked about again: that a search failed says nothing of what there is.
 */
export async function findTasks(name: string, tasks: Tasks, clock: Clock): Promise<string[]> {
  const until = clock.now() + MAX_SEARCH_MS;

  async function search(filter: Query): Promise<string[]> {
    const found: Task[] = [];
    let pages = 0;
    for await (const page of tasks.list(filter, { view: 'BASIC', pageSize: DEFAULT_PAGE_SIZE })) {
      // Some servers ignore filters that they do not know, and answer with everything.
      found.push(...page.filter(task => task.tags?.[EXECUTION_TAG] === name || task.name === name));
      if (++pages > MAX_PAGES || clock.now() > until)
        throw new TransientError(
          `the TES server was asked for the task named ${name} and answered with too many others, or too slowly, to be searched in time`,
        );
    }
    return found.toSorted(byAge).map(({ id }) => id);
  }

  const byName = { name_prefix: name };
  try {
    return await search({ ...byName, tag_key: EXECUTION_TAG, tag_value: name }).catch((error: unknown) => {
      // TES 1.0 knows no filter by tags, and a strict server says so.
      if (isTransient(error) || isCredentialError(error)) throw error;
      return search(byName);
    });
  } catch (error) {
    if (isTransient(error) || isCredentialError(error)) throw error;
    throw new TransientError(messageOf(error), { cause: error });
  }
}

function byAge(a: Task, b: Task): number {
  return ageOf(a) - ageOf(b) || (a.id < b.id ? -1 : 1);
}

function ageOf({ creation_time: time }: Task): number {
  return Date.parse(time ?? '') || 0;
}
