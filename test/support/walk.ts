import { expect } from 'vitest';
import type { Attempt } from '../../shared/core/attempt.ts';
import { decideEdge } from '../../shared/core/decide/depend.ts';
import { type AttemptId, parseAttemptId, type QuestId } from '../../shared/core/ids.ts';
import type { Store, Write } from '../../shared/core/ports.ts';
import { normalizeQuest } from '../../shared/core/quest.ts';
import type { GraphPage } from '../../shared/engine/walk/page.ts';
import { attemptIn, CREATED_AT } from './documents.ts';
import { descOf, type Graph } from './graph.ts';

export type Edges = Record<string, readonly string[]>;

export const questOf = (id: AttemptId) => parseAttemptId(id).quest;

/** Attempts that are over, told apart by names, and what they have asked for. */
export async function plant<S extends Store>(
  graph: Graph<S>,
  edges: Edges,
  attemptOf = finishedAttempt,
): Promise<void> {
  const names = [...new Set([...Object.keys(edges), ...Object.values(edges).flat()])];
  const writes: Write[] = [
    ...names.map((name): Write => ({ kind: 'quest', doc: { ...normalizeQuest(descOf(name)), createdAt: CREATED_AT } })),
    ...names.map((name): Write => ({ kind: 'attempt', doc: attemptOf(name, questOf(graph.id(name))) })),
    ...Object.entries(edges).flatMap(([name, dependencies]) =>
      dependencies.map((dependency): Write => ({ kind: 'edge', doc: edgeOf(graph, name, dependency) })),
    ),
  ];
  for (let at = 0; at < writes.length; at += 1000) await graph.store.commit(writes.slice(at, at + 1000));
}

export function finishedAttempt(name: string, quest: QuestId): Attempt {
  return attemptIn('FINISHED', { quest, result: { data: { of: name } } });
}

export function edgeOf(graph: Pick<Graph, 'id'>, dependent: string, dependency: string) {
  const asking = { dependent: graph.id(dependent), execution: 1, ask: 1, spare: 0 };
  return decideEdge(undefined, graph.id(dependency), asking, CREATED_AT);
}

/** A query for the first attempts of these quests. */
export function from(graph: Pick<Graph, 'id'>, ...names: string[]) {
  return { query: { attempts: Object.fromEntries(names.map(name => [questOf(graph.id(name)), [1]])) } };
}

/** All pages of a walk. */
export async function pagesOf(graph: Pick<Graph, 'engine'>, request: object): Promise<GraphPage[]> {
  const pages = [await graph.engine.walkGraph(request)];
  for (let last = pages[0]!; last.nextPageToken !== undefined; pages.push(last)) {
    expect(last.hadMore).toBe(true);
    last = await graph.engine.walkGraph({ ...request, pageToken: last.nextPageToken });
  }
  return pages;
}

export const idsOf = (...pages: GraphPage[]) => pages.flatMap(({ attempts }) => attempts.map(({ id }) => id));
export const sorted = (graph: Pick<Graph, 'id'>, ...names: string[]) => names.map(graph.id).toSorted();
export const shownOf = (page: GraphPage, id: AttemptId) => page.attempts.find(one => one.id === id);
