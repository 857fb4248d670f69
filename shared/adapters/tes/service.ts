import { z } from 'zod';
import { MAX_TOKEN_CHARACTERS } from '../../core/execution.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Services } from '../contract.ts';
import { cancelUnlessOver } from '../job-calls.ts';
import { AnswerTooLarge, createRest } from '../rest.ts';
import { authorizationOf } from './authorization.ts';
import type { TesConfig } from './config.ts';
import { isEnded, type Task, taskSchema } from './status.ts';

/**
 * How much of a task is answered, from little to all: the state; what there is but the contents of files and logs; everything.
 */
const VIEWS = ['MINIMAL', 'BASIC', 'FULL'] as const;
export type View = (typeof VIEWS)[number];

/** "Must be less than 2048", says the spec, and some servers refuse it. */
export const MAX_PAGE_SIZE = 2047;
/** The spec's default. */
export const DEFAULT_PAGE_SIZE = 256;

export type Query = Readonly<Record<string, string>>;

/** The calls that we make, for the tasks of one server. Errors are those of `Rest`. */
export interface Tes {
  /** Never sent twice: a server knows no request ids, and would create two tasks. */
  create(task: JsonObject): Promise<string>;
  /** With so much of it as can be read: some servers keep megabytes of logs in a task. */
  read(id: string, view: View): Promise<Task>;
  /** Succeeds when the task has ended or is gone. */
  cancel(id: string): Promise<void>;
  /** Page by page. Filters that the server does not know do not filter. */
  list(filter: Query, options: { view: View; pageSize: number }): AsyncGenerator<Task[]>;
}

/** What can be the id of a task, and the last part of a path. */
export function isTaskId(text: string): boolean {
  return text.length <= MAX_TOKEN_CHARACTERS && /^[!-~]+$/.test(text) && !/^\.{1,2}$/.test(text);
}

/** Whether a view shows more than another. */
export function showsMore(view: View, other: View): boolean {
  return VIEWS.indexOf(view) > VIEWS.indexOf(other);
}

const idSchema = z.string().refine(isTaskId, 'is not an id that can stand in a URL');

/** An empty list may be left out, but `{"error": …}` is no empty list. */
const pageSchema = z.union([
  z.object({ tasks: z.array(taskSchema), next_page_token: z.string().nullish() }),
  z
    .strictObject({ tasks: z.null().optional(), next_page_token: z.string().nullish() })
    .transform(page => ({ ...page, tasks: [] })),
]);

export function createTes(config: TesConfig, services: Services): Tes {
  const { endpoint } = config;
  const rest = createRest({ services, endpoint, authorization: authorizationOf(config, services) });
  const pathOf = (id: string) => `/tasks/${encodeURIComponent(id)}`;

  async function read(id: string, view: View): Promise<Task> {
    try {
      return await rest.call({ method: 'GET', path: pathOf(id), query: { view } }, taskSchema);
    } catch (error) {
      const less = VIEWS[VIEWS.indexOf(view) - 1];
      if (!(error instanceof AnswerTooLarge) || less === undefined) throw error;
      return read(id, less);
    }
  }

  /** Some servers tell more than the view that was asked for; fewer tasks are less. */
  async function readPage(query: Query, size: number): Promise<z.infer<typeof pageSchema> & { size: number }> {
    try {
      const call = { method: 'GET', path: '/tasks', query: { ...query, page_size: String(size) } } as const;
      return { ...(await rest.call(call, pageSchema)), size };
    } catch (error) {
      if (!(error instanceof AnswerTooLarge) || size === 1) throw error;
      return readPage(query, Math.ceil(size / 8));
    }
  }

  return {
    read,
    async create(task) {
      const answer = z.object({ id: idSchema });
      return (await rest.call({ method: 'POST', path: '/tasks', body: task, once: true }, answer)).id;
    },
    cancel: id =>
      cancelUnlessOver(rest.call({ method: 'POST', path: `${pathOf(id)}:cancel` }, z.unknown()), async () =>
        isEnded(await read(id, 'MINIMAL')),
      ),
    async *list(filter, { view, pageSize }) {
      let page = await readPage({ ...filter, view }, pageSize);
      yield page.tasks;
      while (page.next_page_token) {
        page = await readPage({ ...filter, view, page_token: page.next_page_token }, page.size);
        yield page.tasks;
      }
    },
  };
}
