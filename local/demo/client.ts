import type { AttemptState } from '../../shared/core/attempt.ts';
import type { ExecutionState } from '../../shared/core/execution.ts';
import type { TaskResult } from '../../shared/core/result.ts';
import type { GraphPage } from './graph.ts';

/** What the demo reads of the api's answers. */
export interface ExecutionView {
  execution: number;
  state: ExecutionState;
  distributor: { infoUrl?: string };
  result?: TaskResult;
}

export interface AttemptView {
  quest: string;
  attempt: number;
  state: AttemptState;
  queuedSince?: string;
  result?: TaskResult;
  executions: ExecutionView[];
}

export interface Client {
  /** Submits the request and resolves with the id of its first quest. */
  submit(request: string): Promise<string>;
  /** Resolves when the attempt is over, or with what it is at the time-out. */
  wait(quest: string, timeout: string): Promise<AttemptView>;
  cancel(quest: string, reason: string): Promise<void>;
  walk(request: object): Promise<GraphPage>;
}

/** Attempt 1 of each quest through the api function. Calls reject once `signal` aborts. */
export function createClient(apiUrl: string, signal: AbortSignal): Client {
  async function call(path: string, init: RequestInit = {}): Promise<unknown> {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${apiUrl}/v1/${path}`, { ...init, headers, signal });
    const body: unknown = await response.json();
    if (!response.ok) throw new Error((body as { error: { message: string } }).error.message);
    return body;
  }
  const post = (path: string, body: string) => call(path, { method: 'POST', body });

  return {
    async submit(request) {
      const { questIds } = (await post('graph:ensure', request)) as { questIds: string[] };
      return questIds[0]!;
    },
    wait: async (quest, timeout) => (await call(`quests/${quest}/attempts/1:wait?timeout=${timeout}`)) as AttemptView,
    walk: async request => (await post('graph:walk', JSON.stringify(request))) as GraphPage,
    async cancel(quest, reason) {
      await post(`quests/${quest}/attempts/1:cancel`, JSON.stringify({ reason }));
    },
  };
}
