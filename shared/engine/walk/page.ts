import { ApiError } from '../../core/errors.ts';
import type { AttemptId } from '../../core/ids.ts';
import { PAGE_SIZE } from '../pages.ts';
import type { Parts } from '../parts.ts';
import { type Answer, createAnswer, type Walked } from './answer.ts';
import { type Entry, firstLevel, type Level, levelOf, type Range } from './levels.ts';
import type { WalkRequest } from './request.ts';
import { encodePageToken, type Position } from './token.ts';
import { createTrail } from './trail.ts';
import { createVisitor } from './visit.ts';

export interface GraphPage extends Walked {
  /** Absent on the last page, which has `hadMore` all the same if the walk is too long. */
  nextPageToken?: string;
}

/**
 * Walks over the graph until a page is full. `mayRead`: as for `createAnswer`. Rejects with RESOURCE_EXHAUSTED, naming
 * `limit.maxTime`, when the time is over before anything new is reached.
 */
export async function readGraphPage(
  parts: Parts,
  request: WalkRequest,
  mayRead: (id: AttemptId) => boolean,
): Promise<GraphPage> {
  const answer = createAnswer(request, mayRead);
  const { walked } = answer;
  const { end, reached } = await walk(parts, request, answer);
  if (end === 'whole') return walked;
  walked.hadMore = true;
  if (end === 'tooLong') return walked;
  if (reached !== undefined) return { ...walked, nextPageToken: encodePageToken(reached, request.hash) };
  const description = 'is over before anything new is reached: allow more, or ask for less';
  throw new ApiError('RESOURCE_EXHAUSTED', `limit.maxTime: ${description}`, [{ field: 'limit.maxTime', description }]);
}

/** `whole`: everything was visited. `full`: the page is, or the time is over. `tooLong`: no page will show the rest. */
type End = 'whole' | 'full' | 'tooLong';

class TimeIsOver extends Error {}

/**
 * Breadth first, each level in the order of ids: the way is the same however fast the store answers, and whichever answer
 * comes first. Of a level only the ids are held; attempts are read a few at a time.
 *
 * Nothing is kept between two pages, and what is new at some depth depends on everything that was visited before. So a
 * later page begins at the start again. But of what was shown it reads no data: only edges, and not even these where the
 * walk ends with their level, as a mere search does.
 */
async function walk(
  parts: Parts,
  request: WalkRequest,
  answer: Answer,
): Promise<{ end: End; reached: Position | undefined }> {
  const { after: from, maxDepth, include } = request;
  const until = parts.clock.now() + request.maxTimeMs;
  const trail = createTrail(request);
  const visitor = createVisitor(parts, request, { trail, pause });
  /** Each attempt brings its executions with it. */
  const groupSize = Math.max(1, Math.floor(PAGE_SIZE / (1 + include.executions)));
  let reached: Position | undefined;

  /** Between two reads. A store on the same machine answers at once, and nobody else would come to his turn. */
  async function pause(): Promise<void> {
    if (parts.clock.now() > until) throw new TimeIsOver();
    await parts.clock.sleep(0);
  }

  async function showGroup(depth: number, group: readonly Entry[]): Promise<boolean> {
    await pause();
    const fitting = group.slice(0, answer.room());
    const visits = await Promise.all(fitting.map(entry => visitor.visit(entry, depth < maxDepth)));
    for (const visited of visits) {
      if (!answer.add(visited)) return false;
      reached = { depth, id: visited.id };
    }
    return fitting.length === group.length;
  }

  /** Shows a part of a level. False when not all of it fits. */
  async function show(depth: number, level: Level, range: Range): Promise<boolean> {
    for await (const { entries, end } of level(range)) {
      await pause();
      if (answer.room() === 0) return false;
      trail.enter(entries);
      for (let at = 0; at < entries.length; at += groupSize) {
        if (!(await showGroup(depth, entries.slice(at, at + groupSize)))) return false;
      }
      reached = { depth, id: end };
    }
    return true;
  }

  /** Goes over a part of a level that was shown before. */
  async function pass(level: Level, range: Range): Promise<void> {
    for await (const { entries } of level(range)) {
      if (trail.isTooLong()) return;
      await pause();
      trail.enter(entries);
      await Promise.all(entries.map(({ id }) => visitor.pass(id)));
    }
  }

  async function go(): Promise<End> {
    let level = firstLevel(parts, request);
    for (let depth = 0; ; depth++) {
      const shownUpTo = from?.depth === depth ? from.id : undefined;
      const isNew = from === undefined || depth >= from.depth;
      if (isNew && !(await show(depth, level, { after: shownUpTo }))) return 'full';
      if (depth === maxDepth) return 'whole';
      if (from !== undefined && depth <= from.depth) await pass(level, { upTo: shownUpTo });
      if (trail.isTooLong()) return 'tooLong';
      const next = trail.next();
      if (next.length === 0) return 'whole';
      level = levelOf(next);
    }
  }

  try {
    return { end: await go(), reached };
  } catch (error) {
    if (error instanceof TimeIsOver) return { end: 'full', reached };
    throw error;
  }
}
