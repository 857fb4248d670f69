import type { Attempt } from '../../core/attempt.ts';
import { UnreadableDocument } from '../../core/errors.ts';
import { type AttemptId, parseAttemptId, type QuestId } from '../../core/ids.ts';
import type { QuestDesc } from '../../core/quest.ts';
import type { Parts } from '../parts.ts';
import { type ShownExecution, showExecution } from '../read.ts';
import { neighboursOf, type Way } from './edges.ts';
import type { Entry } from './levels.ts';
import type { WalkRequest } from './request.ts';
import type { Trail } from './trail.ts';

/** What was read of an attempt; fields are absent when they are not wanted. */
export interface Visited extends Partial<Record<Way, AttemptId[]>> {
  id: AttemptId;
  attempt?: Attempt | 'doesNotExist' | 'unreadable';
  /** The newest, in order. */
  executions?: ShownExecution[];
  /** Read once for each quest. */
  desc?: QuestDesc;
  /** Whether it has more edges than are shown. */
  hasMoreEdges: boolean;
  /** Whether something of it cannot be read. */
  hadErrors: boolean;
}

/** To either side of one attempt. All are followed. */
const MAX_SHOWN_EDGES = 10_000;

/** Reads attempts for a walk, and lays its trail. */
export interface Visitor {
  /** Reads what is wanted of an attempt, and follows its edges if the walk `goesOn` from there. */
  visit(entry: Entry, goesOn: boolean): Promise<Visited>;
  /** Only follows its edges. */
  pass(id: AttemptId): Promise<void>;
}

/** `pause` comes between two reads, and rejects when the time is over. */
export function createVisitor(
  parts: Parts,
  { ways, include }: WalkRequest,
  { trail, pause }: { trail: Trail; pause(): Promise<void> },
): Visitor {
  const described = new Set<QuestId>();

  async function readAttempt({ id, attempt }: Entry): Promise<Pick<Visited, 'attempt' | 'executions'>> {
    const { executions: wanted } = include;
    if (!include.attempt && wanted === 0) return {};
    const found = attempt ?? (await unlessUnreadable(parts.store.get('attempt', id).then(stored => stored?.doc)));
    if (found === undefined) return { attempt: 'doesNotExist' };
    if (found === 'unreadable' || wanted === 0) return { attempt: found };
    const last = found.executions;
    const executions = last === 0 ? [] : await parts.store.listExecutions(id, Math.max(1, last - wanted + 1), last);
    return { attempt: found, executions: executions.map(execution => showExecution(parts, execution)) };
  }

  async function readDesc(id: AttemptId): Promise<QuestDesc | 'unreadable' | undefined> {
    const { quest } = parseAttemptId(id);
    if (!include.quest || described.has(quest)) return undefined;
    described.add(quest);
    return unlessUnreadable(parts.quests.get(quest).then(found => found?.desc));
  }

  /** Follows and collects edges, the latter up to one more than is shown. */
  async function readEdges(id: AttemptId, way: Way, goesOn: boolean, isShown: boolean): Promise<AttemptId[]> {
    const isFollowed = goesOn && ways.includes(way);
    const shown: AttemptId[] = [];
    const needsMore = () => (isFollowed && !trail.isTooLong()) || (isShown && shown.length <= MAX_SHOWN_EDGES);
    if (!needsMore()) return shown;
    for await (const ids of neighboursOf(parts, id, way)) {
      await pause();
      if (isFollowed) trail.follow(ids);
      if (isShown) shown.push(...ids.slice(0, MAX_SHOWN_EDGES + 1 - shown.length));
      if (!needsMore()) break;
    }
    return shown;
  }

  return {
    async visit(entry, goesOn) {
      const { id } = entry;
      const [read, desc, dependencies, dependents] = await Promise.all([
        readAttempt(entry),
        readDesc(id),
        readEdges(id, 'dependencies', goesOn, include.dependencies),
        readEdges(id, 'dependents', goesOn, include.dependents),
      ]);
      return {
        id,
        ...read,
        ...(desc !== undefined && desc !== 'unreadable' && { desc }),
        ...(include.dependencies && { dependencies: dependencies.slice(0, MAX_SHOWN_EDGES) }),
        ...(include.dependents && { dependents: dependents.slice(0, MAX_SHOWN_EDGES) }),
        hasMoreEdges: Math.max(dependencies.length, dependents.length) > MAX_SHOWN_EDGES,
        hadErrors: read.attempt === 'unreadable' || desc === 'unreadable',
      };
    },
    async pass(id) {
      await Promise.all(ways.map(way => readEdges(id, way, true, false)));
    },
  };
}

/** One broken document does not end a walk. */
async function unlessUnreadable<T>(reading: Promise<T>): Promise<T | 'unreadable'> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof UnreadableDocument) return 'unreadable';
    throw error;
  }
}
