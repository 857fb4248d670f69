import { z } from 'zod';
import { tesType } from '../../../shared/adapters/tes/index.ts';
import type { Distributor, Services } from '../../../shared/adapters/contract.ts';
import { executionName } from '../../../shared/adapters/execution-name.ts';
import type { ExecutionId } from '../../../shared/core/ids.ts';
import { parseWith } from '../../../shared/core/validation.ts';
import type { Answer, Serve } from '../plain-server.ts';
import { type FakeCall, FakeError, type FakeService, impatientHttp, serveFake, strictBody } from '../fake-service.ts';
import { fakeServices } from '../services.ts';

/**
 * A TES 1.1 server, written from
 * https://github.com/ga4gh/task-execution-schemas/blob/develop/openapi/task_execution_service.openapi.yaml (version 1.1.0).
 * What the definition leaves open is as in Funnel (https://github.com/ohsu-comp-bio/funnel); quirks are those of others.
 */
export interface Quirks {
  /** Query parameters that it does not know: all but paging in TESK, `state` in Funnel on Postgres, tags and state in TES 1.0. */
  unknown?: readonly string[];
  /** It refuses parameters that it does not know; else it ignores them. */
  strict?: boolean;
  /** How it answers to the cancel of a task that has ended: 400 in TESK, 500 in Funnel before 2026, 200 in others. */
  cancelEnded?: 200 | 400 | 409 | 500;
  /** A cancelled task lives on for a while as CANCELING. */
  cancelsSlowly?: boolean;
  /** Lists with a filter by tags tell as much as BASIC at least: Funnel on BoltDB. */
  talkative?: boolean;
  /** Empty lists, and UNKNOWN states, are left out: proto3 JSON. */
  omitsZeros?: boolean;
}

export interface ExecutorLog {
  exit_code?: number | null;
  stdout?: string;
  stderr?: string;
}

export interface TaskLog {
  logs?: ExecutorLog[];
  outputs?: { url: string; path: string; size_bytes: string | number }[];
  metadata?: Record<string, unknown>;
  start_time?: string;
  end_time?: string;
  system_logs?: string[];
}

export interface FakeTask {
  id: string;
  state: string;
  creation_time: string;
  document: Document;
  logs: TaskLog[];
}

export interface FakeTes extends FakeService {
  endpoint: string;
  /** Oldest first. */
  tasks: FakeTask[];
  /** The task of an execution. Throws unless there is exactly one. */
  taskOf(id: ExecutionId): FakeTask;
  /** As if somebody had created it, besides what the API was asked for. */
  add(task: Partial<FakeTask>): FakeTask;
}

const text = z.string();
const texts = z.record(text, text);
const fileType = z.enum(['FILE', 'DIRECTORY']);
const absolute = text.startsWith('/');

/** tesTask without what is `readOnly`; what the API requires is required. */
const documentSchema = z.strictObject({
  name: text.optional(),
  description: text.optional(),
  inputs: z
    .array(
      z.strictObject({
        name: text.optional(),
        description: text.optional(),
        url: text.optional(),
        path: absolute,
        type: fileType.optional(),
        content: text.optional(),
        streamable: z.boolean().optional(),
      }),
    )
    .optional(),
  outputs: z
    .array(
      z.strictObject({
        name: text.optional(),
        description: text.optional(),
        url: text,
        path: absolute,
        path_prefix: text.optional(),
        type: fileType.optional(),
      }),
    )
    .optional(),
  resources: z
    .strictObject({
      cpu_cores: z.int32().optional(),
      preemptible: z.boolean().optional(),
      ram_gb: z.number().optional(),
      disk_gb: z.number().optional(),
      zones: z.array(text).optional(),
      backend_parameters: texts.optional(),
      backend_parameters_strict: z.boolean().optional(),
    })
    .optional(),
  executors: z
    .array(
      z.strictObject({
        image: text.min(1),
        command: z.array(text).min(1),
        workdir: absolute.optional(),
        stdin: absolute.optional(),
        stdout: absolute.optional(),
        stderr: absolute.optional(),
        env: texts.optional(),
        ignore_error: z.boolean().optional(),
      }),
    )
    .min(1),
  volumes: z.array(absolute).optional(),
  tags: texts.optional(),
});
type Document = z.infer<typeof documentSchema>;

/** tesState. */
export const TES_STATES = [
  'UNKNOWN',
  'QUEUED',
  'INITIALIZING',
  'RUNNING',
  'PAUSED',
  'COMPLETE',
  'EXECUTOR_ERROR',
  'SYSTEM_ERROR',
  'CANCELED',
  'PREEMPTED',
  'CANCELING',
] as const;
const ENDS: readonly string[] = ['COMPLETE', 'EXECUTOR_ERROR', 'SYSTEM_ERROR', 'CANCELED', 'PREEMPTED'];
const LIST_PARAMETERS = ['name_prefix', 'state', 'tag_key', 'tag_value', 'page_size', 'page_token', 'view'];
const VIEWS = ['MINIMAL', 'BASIC', 'FULL'];
const PREFIX = '/ga4gh/tes/v1';
const FIRST_CREATION = Date.parse('2026-11-24T00:00:00Z');

export async function serveTes(quirks: Quirks = {}, serveWith?: Serve): Promise<FakeTes> {
  const { unknown = [], strict = false, cancelEnded = 200, cancelsSlowly, talkative, omitsZeros } = quirks;
  const tasks: FakeTask[] = [];
  const known = LIST_PARAMETERS.filter(name => !unknown.includes(name));

  function add(task: Partial<FakeTask>): FakeTask {
    const n = tasks.length;
    // As Funnel's xids: sortable, oldest first.
    const id = `d4hb7k2s${String(n + 1).padStart(12, '0')}`;
    const creation_time = new Date(FIRST_CREATION + n * 1000).toISOString();
    const added = { id, state: 'QUEUED', creation_time, document: { executors: [] }, logs: [{}], ...task };
    tasks.push(added);
    return added;
  }

  function find(id = ''): FakeTask {
    const task = tasks.find(one => one.id === id);
    if (task === undefined) throw new FakeError(404, 'NOT_FOUND', `task not found: taskID: ${id}`);
    return task;
  }

  function list({ query }: FakeCall): object {
    check(query, strict ? known : [...known, ...unknown]);
    const given = (name: string) => (known.includes(name) ? query.getAll(name) : []);
    const [state] = given('state');
    const [prefix = ''] = given('name_prefix');
    const [size = '256'] = given('page_size');
    const [after] = given('page_token');
    const [keys, values] = [given('tag_key'), given('tag_value')];
    if (state !== undefined && !(TES_STATES as readonly string[]).includes(state)) refuse(`state: ${state}`);
    if (values.length > keys.length) refuse('tag_value without tag_key');
    if (!/^\d+$/.test(size) || Number(size) < 1 || Number(size) > 2047) refuse(`page_size: ${size}`);
    const matches = (task: FakeTask) =>
      (state === undefined || state === task.state) &&
      (task.document.name ?? '').startsWith(prefix) &&
      keys.every((key, i) => {
        const tag = task.document.tags?.[key];
        return tag !== undefined && ((values[i] ?? '') === '' || values[i] === tag);
      });
    // The newest come first; the token is the last one that was told.
    const rest = tasks.filter(task => (after === undefined || task.id < after) && matches(task)).toReversed();
    const page = rest.slice(0, Number(size));
    const view = viewOf(query);
    const shown = page.map(task => show(task, talkative && keys.length > 0 && view === 'MINIMAL' ? 'BASIC' : view));
    const next = rest.length > page.length ? page.at(-1)?.id : undefined;
    return {
      body: {
        ...(!(omitsZeros && shown.length === 0) && { tasks: shown }),
        ...(next !== undefined && { next_page_token: next }),
      },
    };
  }

  function show({ id, state, creation_time, document, logs }: FakeTask, view: string): object {
    const least = omitsZeros && state === 'UNKNOWN' ? { id } : { id, state };
    if (view === 'MINIMAL') return least;
    if (view === 'FULL') return { ...least, creation_time, ...document, logs };
    return {
      ...least,
      creation_time,
      ...document,
      ...(document.inputs && { inputs: document.inputs.map(input => omit(input, 'content')) }),
      logs: logs.map(log => ({
        ...omit(log, 'system_logs'),
        ...(log.logs && { logs: log.logs.map(executor => omit(executor, 'stdout', 'stderr')) }),
      })),
    };
  }

  function cancel({ params }: FakeCall): object {
    const task = find(params['id']);
    if (!ENDS.includes(task.state)) task.state = cancelsSlowly ? 'CANCELING' : 'CANCELED';
    else if (cancelEnded !== 200)
      throw new FakeError(cancelEnded, '', `Won't switch between two terminal states: ${task.state} -> CANCELED`);
    return {};
  }

  const service = await serveFake(
    {
      [`POST ${PREFIX}/tasks`]: call => ({ id: add({ document: strictBody(documentSchema, call) }).id }),
      [`GET ${PREFIX}/tasks`]: list,
      [`GET ${PREFIX}/tasks/{id}`]: ({ params, query }) => {
        check(query, ['view']);
        return show(find(params['id']), viewOf(query));
      },
      [`POST ${PREFIX}/tasks/{id}:cancel`]: cancel,
    },
    writeError,
    serveWith,
  );
  return {
    ...service,
    endpoint: `${service.url}${PREFIX}`,
    tasks,
    add,
    taskOf(id) {
      const [task, ...others] = tasks.filter(({ document }) => document.name === executionName(id));
      if (task === undefined || others.length > 0) throw new Error(`${others.length + 1} or no tasks of ${id}`);
      return task;
    },
  };
}

function omit(value: object, ...keys: string[]): object {
  return Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key)));
}

/** As Funnel does. */
function writeError({ status, message }: FakeError): Answer {
  return { status, body: { error: message } };
}

function refuse(problem: string): never {
  throw new FakeError(400, 'INVALID_ARGUMENT', `invalid ${problem}`);
}

function check(query: URLSearchParams, known: readonly string[]): void {
  for (const name of query.keys()) if (!known.includes(name)) refuse(`parameter: ${name}`);
}

function viewOf(query: URLSearchParams): string {
  const view = query.get('view') ?? 'MINIMAL';
  if (!VIEWS.includes(view)) refuse(`view: ${view}`);
  return view;
}

export const TES_SECRET = 'Bearer tes.secret-of-the-server';

/** A distributor of this server, as a distributors file would have it. */
export function createTesAdapter(
  { endpoint }: Pick<FakeTes, 'endpoint'>,
  config: object = {},
  overrides: Partial<Services> = {},
): { distributor: Distributor; services: ReturnType<typeof fakeServices> } {
  const services = fakeServices({ http: impatientHttp, secret: () => TES_SECRET, ...overrides });
  const full = parseWith(tesType.configSchema, { endpoint, authorization: 'env:TES_TOKEN', ...config }, 'config');
  return { distributor: tesType.create(full, services), services };
}

export const GOOD_TASK = { executors: [{ image: 'alpine:3.22', command: ['sort', '/data/in'] }] };
