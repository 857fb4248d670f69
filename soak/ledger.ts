import { type AttemptId, executionId, type ExecutionId, parseAttemptId } from '../shared/core/ids.ts';
import type { JsonObject } from '../shared/core/json.ts';
import type { TaskResult } from '../shared/core/result.ts';
import { idOfView, type ShownAttempt } from './client.ts';
import type { KindName } from './kinds.ts';

/** What the clients know: what they asked for, and every result that they were ever shown. */
export interface Entry {
  kind: KindName;
  /** Whether the stack has said that it took it. */
  acknowledged: boolean;
  /** The result, where it is known beforehand. */
  foretold?: JsonObject;
}

export interface Ledger {
  entries: Map<AttemptId, Entry>;
  /** The first result that was seen of each attempt and execution. */
  seen: Map<AttemptId | ExecutionId, TaskResult>;
  /** Calls that were refused, by what they were about. */
  refusals: { id: string; why: string }[];
  see(shown: ShownAttempt): void;
}

export function createLedger(): Ledger {
  const seen: Ledger['seen'] = new Map();
  return {
    entries: new Map(),
    seen,
    refusals: [],
    see(shown) {
      for (const [id, result] of resultsOf(shown)) if (!seen.has(id)) seen.set(id, result);
    },
  };
}

/** The results that a view shows, of the attempt and of its executions. */
export function resultsOf(shown: ShownAttempt): [AttemptId | ExecutionId, TaskResult][] {
  const id = idOfView(shown);
  const { quest, attempt } = parseAttemptId(id);
  const all = [
    [id, shown.result] as const,
    ...shown.executions.map(({ execution, result }) => [executionId(quest, attempt, execution), result] as const),
  ];
  return all.flatMap(([of, result]): [AttemptId | ExecutionId, TaskResult][] => (result ? [[of, result]] : []));
}
