import { z } from 'zod';
import type { CloudRunExecution, CloudRunTask } from '../../../shared/adapters/cloud-run-job/resources.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../../shared/core/json.ts';
import { type FakeCall, FakeError, type FakeService, serveFake, strictBody } from '../fake-service.ts';

/**
 * Cloud Run's jobs as google.cloud.run.v2 has them
 * (https://github.com/googleapis/googleapis/blob/master/google/cloud/run/v2/job.proto, execution.proto, task.proto, and
 * k8s.min.proto for the limits of variables). As the real one it starts a second execution when it is told to start twice.
 */
export interface FakeCloudRun extends FakeService {
  /** As they are listed but for `hidden` ones; the newest first. Tests change them. */
  executions: FakeExecution[];
  jobs: Map<string, FakeJob>;
  /** Executions that exist and are not listed yet, by their short names. */
  hidden: Set<string>;
  /** Of those that are under way; one more is refused. */
  maxRunning: number;
  order: 'newest first' | 'oldest first';
  /** How an execution looks when it has come to this end. */
  end(name: string, end: Partial<CloudRunExecution>, tasks?: CloudRunTask[]): void;
  succeed(name: string): void;
}

export type FakeExecution = CloudRunExecution & { tasks: CloudRunTask[] };

export interface FakeJob {
  maxRetries?: number;
  containers: { name?: string; image: string; env: { name: string; value: string }[] }[];
  timeout: string;
  taskCount: number;
}

export const PROJECT = 'proj-123';
export const LOCATION = 'europe-west1';
const PARENT = `projects/${PROJECT}/locations/${LOCATION}/jobs`;
const DIGEST = `sha256:${'0123456789abcdef'.repeat(4)}`;

const runSchema = z.strictObject({
  validateOnly: z.boolean().optional(),
  etag: z.string().optional(),
  overrides: z
    .strictObject({
      containerOverrides: z
        .array(
          z.strictObject({
            name: z.string().optional(),
            args: z.array(z.string()).optional(),
            env: z.array(z.strictObject({ name: z.string().min(1).max(32_768), value: z.string() })).optional(),
            clearArgs: z.boolean().optional(),
          }),
        )
        .optional(),
      taskCount: z.int().min(1).max(10_000).optional(),
      timeout: z
        .string()
        .regex(/^\d+s$/)
        .refine(text => Number.parseInt(text, 10) >= 1 && Number.parseInt(text, 10) <= 604_800)
        .optional(),
    })
    .optional(),
});

const cancelSchema = z.strictObject({ validateOnly: z.boolean().optional(), etag: z.string().optional() });

export const job = (part: Partial<FakeJob> = {}): FakeJob => ({
  maxRetries: 0,
  containers: [
    { image: 'europe-docker.pkg.dev/proj-123/images/render:latest', env: [{ name: 'LEVEL', value: 'low' }] },
  ],
  timeout: '600s',
  taskCount: 1,
  ...part,
});

export async function serveCloudRun(): Promise<FakeCloudRun> {
  const executions: FakeExecution[] = [];
  const jobs = new Map([['render', job()]]);
  const hidden = new Set<string>();
  let created = 0;

  const jobOf = ({ params: { project, location, job: name = '' } }: FakeCall): FakeJob => {
    const found = project === PROJECT && location === LOCATION ? jobs.get(name) : undefined;
    if (found === undefined) throw new FakeError(404, 'NOT_FOUND', `Resource '${name}' of kind 'JOB' does not exist.`);
    return found;
  };
  const executionOf = (call: FakeCall): FakeExecution => {
    const name = `${PARENT}/${call.params['job']}/executions/${call.params['execution']}`;
    const found = executions.find(execution => execution.name === name);
    if (found === undefined) throw new FakeError(404, 'NOT_FOUND', `Resource '${name}' does not exist.`);
    return found;
  };
  const named = (name: string): FakeExecution => executions.find(execution => execution.name === name)!;

  const service = await serveFake({
    'GET /v2/projects/{project}/locations/{location}/jobs/{job}': call => {
      checkQuery(call, []);
      const { taskCount, ...template } = jobOf(call);
      return { name: `${PARENT}/${call.params['job']}`, etag: '"abc"', template: { taskCount, template } };
    },

    'POST /v2/projects/{project}/locations/{location}/jobs/{job}:run': call => {
      checkQuery(call, []);
      const { overrides = {} } = strictBody(runSchema, call);
      const known = jobOf(call);
      if (executions.filter(isUnderWay).length >= fake.maxRunning)
        throw new FakeError(429, 'RESOURCE_EXHAUSTED', 'Quota exceeded for running executions of jobs.');
      const name = `${PARENT}/${call.params['job']}/executions/${call.params['job']}-${String(++created).padStart(5, '0')}`;
      const execution: FakeExecution = {
        name,
        createTime: new Date(Date.now() + created).toISOString(),
        template: { timeout: overrides.timeout ?? known.timeout, containers: overridden(known, overrides) },
        conditions: [{ type: 'Completed', state: 'CONDITION_PENDING' }],
        taskCount: overrides.taskCount ?? known.taskCount,
        logUri: `https://console.cloud.google.com/logs/viewer?project=${PROJECT}`,
        tasks: [],
      };
      executions.unshift(execution);
      return { name: `projects/${PROJECT}/locations/${LOCATION}/operations/${created}`, metadata: shown(execution) };
    },

    'GET /v2/projects/{project}/locations/{location}/jobs/{job}/executions': call => {
      const query = checkQuery(call, ['pageSize', 'pageToken', 'fields', 'showDeleted']);
      jobOf(call);
      const visible = executions.filter(
        ({ name }) => name.startsWith(`${PARENT}/${call.params['job']}/`) && !hidden.has(name.split('/').at(-1)!),
      );
      const ordered = fake.order === 'newest first' ? visible : visible.toReversed();
      const start = Number(query['pageToken'] ?? 0);
      const end = start + Number(query['pageSize'] ?? 100);
      const page = ordered.slice(start, end).map(shown);
      return masked({ executions: page, ...(end < ordered.length && { nextPageToken: String(end) }) }, query['fields']);
    },

    'GET /v2/projects/{project}/locations/{location}/jobs/{job}/executions/{execution}': call => {
      checkQuery(call, []);
      return shown(executionOf(call));
    },

    'POST /v2/projects/{project}/locations/{location}/jobs/{job}/executions/{execution}:cancel': call => {
      checkQuery(call, []);
      strictBody(cancelSchema, call);
      const execution = executionOf(call);
      if (!isUnderWay(execution))
        throw new FakeError(400, 'FAILED_PRECONDITION', 'The execution has completed and cannot be cancelled.');
      fake.end(execution.name, { conditions: [cancelled], cancelledCount: execution.taskCount });
      return { name: 'operations/cancel', metadata: shown(execution) };
    },

    'GET /v2/projects/{project}/locations/{location}/jobs/{job}/executions/{execution}/tasks': call => {
      const query = checkQuery(call, ['pageSize', 'pageToken', 'fields', 'showDeleted']);
      const tasks = executionOf(call).tasks.slice(0, Number(query['pageSize'] ?? 100)) as JsonValue[];
      return masked({ tasks }, query['fields']);
    },
  });

  const fake: FakeCloudRun = {
    ...service,
    executions,
    jobs,
    hidden,
    maxRunning: 1000,
    order: 'newest first',
    end: (name, end, tasks = []) => void Object.assign(named(name), { completionTime: at(90), ...end, tasks }),
    succeed: name =>
      fake.end(name, {
        startTime: at(5),
        succeededCount: named(name).taskCount,
        conditions: [{ type: 'Completed', state: 'CONDITION_SUCCEEDED' }],
      }),
  };
  return fake;
}

const cancelled = {
  type: 'Completed',
  state: 'CONDITION_FAILED',
  executionReason: 'CANCELLED',
  message: 'Execution cancelled.',
};

export const at = (seconds: number): string => new Date(Date.UTC(2026, 10, 24) + seconds * 1000).toISOString();

function isUnderWay({ completionTime }: FakeExecution): boolean {
  return completionTime === undefined;
}

function shown(execution: FakeExecution): JsonObject {
  return JSON.parse(JSON.stringify({ ...execution, tasks: undefined })) as JsonObject;
}

/** What an API says of a parameter that it does not know. */
function checkQuery({ query }: FakeCall, names: readonly string[]): Record<string, string> {
  for (const name of query.keys())
    if (!names.includes(name))
      throw new FakeError(400, 'INVALID_ARGUMENT', `Unknown name "${name}": Cannot bind query parameter.`);
  return Object.fromEntries(query);
}

type Overrides = NonNullable<z.infer<typeof runSchema>['overrides']>;

/** Variables are merged with the job's own, and an image is pinned. */
function overridden({ containers }: FakeJob, { containerOverrides = [] }: Overrides): FakeJob['containers'] {
  for (const { name, env = [], args, clearArgs } of containerOverrides) {
    if (name === undefined ? containers.length > 1 : !containers.some(container => container.name === name))
      throw new FakeError(
        400,
        'INVALID_ARGUMENT',
        'overrides.container_overrides.name: must name a container of the job',
      );
    if (env.some(({ value }) => Buffer.byteLength(value) > 32_768))
      throw new FakeError(400, 'INVALID_ARGUMENT', 'overrides.container_overrides.env.value: too long');
    if (args !== undefined && clearArgs)
      throw new FakeError(
        400,
        'INVALID_ARGUMENT',
        'overrides.container_overrides: args and clear_args exclude each other',
      );
  }
  return containers.map(container => {
    const { env = [] } = containerOverrides.find(({ name }) => name === undefined || name === container.name) ?? {};
    const merged = new Map([...container.env, ...env].map(({ name, value }) => [name, value]));
    const image = `${container.image.replace(/:\w+$/, '')}@${DIGEST}`;
    return { ...container, image, env: [...merged].map(([name, value]) => ({ name, value })) };
  });
}

/** https://docs.cloud.google.com/apis/docs/system-parameters: a partial response. */
function masked(answer: JsonObject, fields: string | undefined): JsonObject {
  if (fields === undefined) return answer;
  return pick(
    answer,
    fields.split(',').map(path => path.split('/')),
  ) as JsonObject;
}

function pick(value: JsonValue, paths: readonly string[][]): JsonValue {
  if (Array.isArray(value)) return value.map(item => pick(item, paths));
  if (!isJsonObject(value) || paths.some(path => path.length === 0)) return value;
  const names = new Set(paths.map(([name]) => name!));
  const rest = (name: string) => paths.filter(([first]) => first === name).map(path => path.slice(1));
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, child]) => (names.has(name) ? [[name, pick(child, rest(name))]] : [])),
  );
}
