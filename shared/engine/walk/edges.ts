import type { AttemptId } from '../../core/ids.ts';
import { edgePages } from '../edges.ts';
import type { Parts } from '../parts.ts';

/** The edges that lead from an attempt to its dependencies, or to its dependents. */
export type Way = 'dependencies' | 'dependents';

/** Where the edges of an attempt lead to, in the order of their ids and page by page. */
export async function* neighboursOf(parts: Parts, id: AttemptId, way: Way): AsyncGenerator<AttemptId[]> {
  for await (const page of edgePages(parts, way === 'dependencies' ? { dependent: id } : { dependency: id })) {
    const edges = page.map(({ doc }) => doc).filter(({ withdrawn }) => withdrawn !== true);
    yield edges.map(({ dependent, dependency }) => (way === 'dependencies' ? dependency : dependent));
  }
}
