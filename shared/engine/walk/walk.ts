import { isTokenOf, tokenNotValid } from '../../core/decide/job.ts';
import { attemptId, type ExecutionId, parseExecutionId } from '../../core/ids.ts';
import { hashToken } from '../../core/tokens.ts';
import { loadExecution } from '../load.ts';
import type { Parts } from '../parts.ts';
import { neighboursOf } from './edges.ts';
import { type GraphPage, readGraphPage } from './page.ts';
import { parseWalkRequest } from './request.ts';

/** What the functions `api` and `job` have time for. */
const LONGEST_MS = { client: 5 * 60_000, job: 45_000 };

/** Walks over the graph for a client. */
export async function walkGraph(parts: Parts, request: unknown): Promise<GraphPage> {
  return readGraphPage(parts, parseWalkRequest(request, LONGEST_MS.client), () => true);
}

/**
 * Walks over the graph for a running job. It sees all attempts with their quests, states and edges; but results, and what
 * there is to know of executions, only of its own attempt and of those that this one depends on directly.
 */
export async function walkGraphOf(
  parts: Parts,
  id: ExecutionId,
  { executionToken, request }: { executionToken: string; request: unknown },
): Promise<GraphPage> {
  const found = await loadExecution(parts, id);
  // Whoever cannot prove a right learns nothing, not even what is wrong with his request.
  if (found === undefined || !isTokenOf(found.docs.execution, { tokenHash: hashToken(executionToken) })) {
    throw tokenNotValid();
  }
  const parsed = parseWalkRequest(request, LONGEST_MS.job);
  const { quest, attempt } = parseExecutionId(id);
  const own = attemptId(quest, attempt);
  const readable = new Set([own]);
  for await (const dependencies of neighboursOf(parts, own, 'dependencies')) {
    for (const dependency of dependencies) readable.add(dependency);
  }
  return readGraphPage(parts, parsed, one => readable.has(one));
}
