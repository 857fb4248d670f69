import type { AttemptView, ExecutionView } from '../local/demo/client.ts';
import { type AttemptId, attemptId, type QuestId, questId } from '../shared/core/ids.ts';
import { insist } from './http.ts';

/** An attempt as the api shows it. */
export interface ShownAttempt extends AttemptView {
  executions: ShownExecution[];
}

export interface ShownExecution extends ExecutionView {
  stoppingJobs?: { abandoned: boolean }[];
}

/** A call that was answered with neither 200 nor "try again". */
export class Refused extends Error {
  override name = 'Refused';
}

/** The api function of a stack that may be killed at any moment: what gets no answer is asked again. */
export interface Client {
  /** Resolves with the quest's id once its attempts are accepted. */
  ensure(desc: object, attempts: readonly number[]): Promise<string>;
  /** Resolves when the attempt is over, or after a while with what it is then. */
  wait(quest: QuestId, attempt: number): Promise<ShownAttempt>;
  cancel(quest: QuestId, attempt: number): Promise<ShownAttempt>;
  /** With all of its executions. */
  get(id: AttemptId): Promise<ShownAttempt>;
  /** The ids of all attempts that there are. */
  list(): Promise<AttemptId[]>;
}

const PAGE_SIZE = 100;

export function idOfView({ quest, attempt }: Pick<AttemptView, 'quest' | 'attempt'>): AttemptId {
  return attemptId(questId(quest), attempt);
}

export function createClient(apiUrl: string, signal: AbortSignal): Client {
  async function call<Body>(method: 'GET' | 'POST', path: string, body?: object): Promise<Body> {
    const answered = await insist(`${apiUrl}/v1/${path}`, { method, ...(body && { body }) }, signal);
    if (answered.status !== 200)
      throw new Refused(`${method} ${path}: ${answered.status} ${JSON.stringify(answered.body)}`);
    return answered.body as Body;
  }
  const pathOf = (id: AttemptId) => `quests/${id.replace('|', '/attempts/')}`;

  return {
    async ensure(desc, attempts) {
      const { questIds } = await call<{ questIds: string[] }>('POST', 'graph:ensure', { quests: [{ desc, attempts }] });
      return questIds[0] ?? '';
    },
    wait: (quest, attempt) => call('GET', `quests/${quest}/attempts/${attempt}:wait?timeout=20s`),
    cancel: (quest, attempt) => call('POST', `quests/${quest}/attempts/${attempt}:cancel`, {}),

    async get(id) {
      const shown = await call<ShownAttempt>('GET', pathOf(id));
      // Of a great many executions the api shows the newest only.
      const missing = (shown.executions[0]?.execution ?? 1) - 1;
      const older: ShownExecution[] = [];
      for (let execution = 1; execution <= missing; execution++)
        older.push(await call('GET', `${pathOf(id)}/executions/${execution}`));
      return { ...shown, executions: [...older, ...shown.executions] };
    },

    async list() {
      const ids: AttemptId[] = [];
      let pageToken: string | undefined = '';
      while (pageToken !== undefined) {
        const query = `pageSize=${PAGE_SIZE}${pageToken && `&pageToken=${pageToken}`}`;
        const page: { attempts: AttemptView[]; nextPageToken?: string } = await call('GET', `attempts?${query}`);
        ids.push(...page.attempts.map(idOfView));
        pageToken = page.nextPageToken;
      }
      return ids;
    },
  };
}
