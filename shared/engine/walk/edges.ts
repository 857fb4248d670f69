import type { AttemptId } from '../../core/ids.ts';
import { PAGE_SIZE } from '../pages.ts';
import type { Parts } from '../parts.ts';

/** The edges that lead from an attempt to its dependencies, or to its dependents. */
export type Way = 'dependencies' | 'dependents';

/** Where the edges of an attempt lead to, in the order of their ids and page by page: there may be a great many. */
export async function* neighboursOf({ store }: Parts, id: AttemptId, way: Way): AsyncGenerator<AttemptId[]> {
  const of = way === 'dependencies' ? { dependent: id } : { dependency: id };
  for (let after: string | undefined; ; ) {
    const page = await store.listEdges({ ...of, limit: PAGE_SIZE, ...(after !== undefined && { after }) });
    const edges = page.items.map(({ doc }) => doc).filter(({ withdrawn }) => withdrawn !== true);
    yield edges.map(({ dependent, dependency }) => (way === 'dependencies' ? dependency : dependent));
    if (page.next === undefined) return;
    after = page.next;
  }
}
