import { isAttemptOver } from '../../shared/core/attempt.ts';
import { type AttemptId, type EdgeId, edgeId, executionId, type ExecutionId } from '../../shared/core/ids.ts';
import type { Wanted } from '../graph.ts';
import type { Change } from '../store.ts';
import type { World } from '../world.ts';
import { isOver, isWaiting, nameOf } from './edges.ts';
import type { AskMade, Facts, JobAnswer } from './invariant.ts';

/** What is remembered of a world about attempts that need others. */
export interface GraphFacts {
  facts: Pick<Facts, 'asks' | 'haltedBy' | 'waitedFor' | 'isUnwanted' | 'openAtEnd'>;
  written(change: Extract<Change, { kind: 'attempt' }>): void;
  asked(id: ExecutionId, body: object, wanted: Wanted): void;
  answered(answer: JobAnswer): void;
  cancels(id: AttemptId): void;
}

export function createGraphFacts(world: Pick<World, 'database'>): GraphFacts {
  const asks = new Map<ExecutionId, Map<string, AskMade>>();
  const halts = new Map<ExecutionId, string>();
  const waits = new Map<ExecutionId, number>();
  const unwanted = new Set<AttemptId>();
  const openAtEnd = new Map<AttemptId, EdgeId[]>();

  return {
    facts: {
      asks: id => asks.get(id) ?? new Map(),
      haltedBy: id => halts.get(id),
      waitedFor: id => waits.get(id),
      isUnwanted: id => unwanted.has(id),
      openAtEnd: id => openAtEnd.get(id) ?? [],
    },
    written({ before, after }) {
      if (isWaiting(after)) waits.set(executionId(after.quest, after.attempt, after.wait.execution), after.wait.ask);
      if (!isAttemptOver(after) || (before !== undefined && isAttemptOver(before))) return;
      const id = nameOf(after);
      const open = world.database.all('edge').filter(edge => edge.dependency === id && edge.open);
      openAtEnd.set(
        id,
        open.map(({ dependent }) => edgeId(dependent, id)),
      );
    },
    asked(id, body, { wanted, needed }) {
      const made = asks.get(id) ?? new Map<string, AskMade>();
      asks.set(id, made);
      const text = JSON.stringify(body);
      const overBefore = wanted.filter(one => isOver(one, world.database)).length;
      if (!made.has(text)) made.set(text, { wanted, needed, overBefore });
    },
    answered({ id, body, answer }) {
      if (answer.status === 200 && (answer.body as { shouldHalt: boolean }).shouldHalt && !halts.has(id)) {
        halts.set(id, JSON.stringify(body));
      }
    },
    cancels: id => void unwanted.add(id),
  };
}
