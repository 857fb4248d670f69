import { TransientError } from '../../core/errors.ts';
import type { ExecutionId } from '../../core/ids.ts';
import { executionName } from '../execution-name.ts';
import { isFinal, oldestFirst, searched, type StartWindow } from '../job-calls.ts';
import { EXECUTION_TAG } from './config.ts';
import { DEFAULT_PAGE_SIZE, type Query, type Tes } from './service.ts';
import type { Task } from './status.ts';

const MAX_PAGES = 100;

/** Finds the tasks of an execution by the name that they were given, while the window is open; the oldest comes first. */
export async function findTasks(executionId: ExecutionId, tes: Tes, window: StartWindow): Promise<string[]> {
  const name = executionName(executionId);

  async function search(filter: Query): Promise<string[]> {
    const found: Task[] = [];
    let pages = 0;
    for await (const page of tes.list(filter, { view: 'BASIC', pageSize: DEFAULT_PAGE_SIZE })) {
      // Some servers ignore filters that they do not know, and answer with everything.
      found.push(...page.filter(task => task.tags?.[EXECUTION_TAG] === name || task.name === name));
      if (++pages > MAX_PAGES || window.isOver())
        throw new TransientError(
          `the TES server was asked for the task named ${name} and answered with too many others, or too slowly, to be searched in time`,
        );
    }
    return oldestFirst(found, ({ id, creation_time: createdAt }) => ({ id, createdAt })).map(({ id }) => id);
  }

  const byName = { name_prefix: name };
  const byTag = { ...byName, tag_key: EXECUTION_TAG, tag_value: name };
  return searched(
    search(byTag).catch((error: unknown) => {
      // TES 1.0 knows no filter by tags, and a strict server says so.
      if (!isFinal(error)) throw error;
      return search(byName);
    }),
  );
}
