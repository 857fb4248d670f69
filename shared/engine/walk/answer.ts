import { type AttemptId, parseAttemptId, type QuestId } from '../../core/ids.ts';
import type { QuestDesc } from '../../core/quest.ts';
import type { ShownExecution } from '../read.ts';
import { createBudget, type GraphAttempt, withhold } from '../shown.ts';
import type { Way } from './edges.ts';
import { anonymousExecution, sizeOfExecution, type WalkedExecution, walkedExecution } from './executions.ts';
import type { WalkRequest } from './request.ts';
import type { Visited } from './visit.ts';

/** An attempt as a walk shows it. */
export interface WalkedAttempt extends Partial<Record<Way, AttemptId[]>> {
  id: AttemptId;
  /** Absent when it is not wanted. */
  shown?: GraphAttempt | 'doesNotExist' | 'unreadable';
  /** The newest, in order. */
  executions?: WalkedExecution[];
}

export interface Walked {
  /** In the order of the walk. */
  attempts: WalkedAttempt[];
  /** Of their quests, if wanted. */
  descs: Map<QuestId, QuestDesc | 'dataSizeLimit'>;
  /** Whether there are attempts or edges that are asked for, and not shown because of a limit. */
  hadMore: boolean;
  /** Whether something could not be read. */
  hadErrors: boolean;
}

/** Collects what a walk shows: in order, and no more than fits. */
export interface Answer {
  walked: Walked;
  /** How many more attempts the page takes. */
  room(): number;
  /** False when there is no room for this attempt; data for which there is none is withheld. */
  add(visited: Visited): boolean;
}

/** Of JSON; a function's answer may have 32 MiB (https://cloud.google.com/run/quotas). */
const MAX_ANSWER_BYTES = 31 * 1024 * 1024;
/** At most, without its result. */
const ATTEMPT_BYTES = 640;
const EDGE_BYTES = 64;

/** `mayRead`: whether who asks may see an attempt's result, and all that there is to know of its executions. */
export function createAnswer(
  { include, maxDataSize, pageSize }: WalkRequest,
  mayRead: (id: AttemptId) => boolean,
): Answer {
  const withResults = include.result;
  const data = createBudget({ withResults, maxDataSize });
  /** For what is no data, and is shown however little of that is wanted. */
  const others = createBudget({ withResults, maxDataSize: MAX_ANSWER_BYTES - maxDataSize });
  const walked: Walked = { attempts: [], descs: new Map(), hadMore: false, hadErrors: false };
  const { attempts, descs } = walked;

  function showAttempt(
    attempt: NonNullable<Visited['attempt']>,
    isAllowed: boolean,
  ): NonNullable<WalkedAttempt['shown']> {
    if (typeof attempt === 'string') return attempt;
    // Of one that failed the reason may tell as much as a result.
    return isAllowed ? data.show(attempt) : withhold(attempt, 'notAuthorized');
  }

  function show({ id, attempt, executions, dependencies, dependents }: Visited): WalkedAttempt {
    const isAllowed = mayRead(id);
    const showExecution = (execution: ShownExecution) =>
      isAllowed ? walkedExecution(execution, { data, withResults }) : anonymousExecution(execution);
    return {
      id,
      ...(attempt && include.attempt && { shown: showAttempt(attempt, isAllowed) }),
      ...(executions && { executions: executions.map(showExecution) }),
      ...(dependencies && { dependencies }),
      ...(dependents && { dependents }),
    };
  }

  return {
    walked,
    room: () => pageSize - attempts.length,
    add(visited) {
      const { id, desc, hasMoreEdges, hadErrors } = visited;
      // The first one is always shown, or there would be no end to pages without any.
      if (!others.take(sizeOfOthers(visited)) && attempts.length > 0) return false;
      walked.hadErrors ||= hadErrors;
      walked.hadMore ||= hasMoreEdges;
      if (desc !== undefined) descs.set(parseAttemptId(id).quest, data.take(sizeOf(desc)) ? desc : 'dataSizeLimit');
      attempts.push(show(visited));
      return true;
    },
  };
}

function sizeOfOthers({ attempt, executions = [], dependencies = [], dependents = [] }: Visited): number {
  const isAbnormal = typeof attempt === 'object' && attempt.state === 'ABNORMAL_FINISHED';
  const edges = (dependencies.length + dependents.length) * EDGE_BYTES;
  const inAll = executions.reduce((sum, execution) => sum + sizeOfExecution(execution), ATTEMPT_BYTES + edges);
  return isAbnormal ? inAll + sizeOf(attempt.result) : inAll;
}

function sizeOf(value: object): number {
  return Buffer.byteLength(JSON.stringify(value));
}
