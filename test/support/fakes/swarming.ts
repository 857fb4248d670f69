import { createHash } from 'node:crypto';
import { z } from 'zod';
import { executionName } from '../../../shared/adapters/execution-name.ts';
import type { ExecutionId } from '../../../shared/core/ids.ts';
import type { JsonObject } from '../../../shared/core/json.ts';
import { type FakeCall, FakeError, type FakeService, serveFake, strictBody } from '../fake-service.ts';
import type { Answer, Serve } from '../plain-server.ts';

/**
 * swarming.v2.Tasks as luci-go implements it: https://github.com/luci/luci-go/blob/main/swarming/proto/api_v2/swarming.proto,
 * rules and limits of …/swarming/server/{rpcs,tasks,validate}, pRPC of …/grpc/prpc. Unlike the real server, which drops
 * fields that it does not know without a word, it refuses them.
 */

/** TaskState, by the names of its values. */
export const TASK_STATES = [
  'INVALID',
  'RUNNING',
  'PENDING',
  'EXPIRED',
  'TIMED_OUT',
  'BOT_DIED',
  'CANCELED',
  'COMPLETED',
  'KILLED',
  'NO_RESOURCE',
  'CLIENT_ERROR',
] as const;

const GRPC_CODES: Readonly<Record<string, number>> = {
  INVALID_ARGUMENT: 3,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  INTERNAL: 13,
  UNAUTHENTICATED: 16,
};

const stringPair = z.strictObject({ key: z.string().min(1).max(64), value: z.string() });
const path = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^(?!\/)(?!.*\/$)(?!.*\/\/)[^\\]*$/);
const cipdPackage = z.strictObject({ packageName: z.string().min(1), version: z.string().min(1), path: path(256) });
const seconds = (min: number, max: number) => z.int().min(min).max(max);
const WEEK_SECONDS = 7 * 24 * 60 * 60;
const MAX_TIMEOUT_SECONDS = WEEK_SECONDS - 60 * 60 - 60;

const propertiesSchema = z.strictObject({
  command: z.array(z.string()).min(1).max(128),
  relativeCwd: path(256).optional(),
  env: z
    .array(stringPair.extend({ key: z.string().regex(/^[A-Za-z_]\w{0,63}$/), value: z.string().max(1024) }))
    .max(64),
  envPrefixes: z.array(z.strictObject({ key: z.string(), value: z.array(path(1024)).min(1) })).optional(),
  dimensions: z.array(stringPair.extend({ value: z.string().min(1).max(256) })),
  casInputRoot: z
    .strictObject({
      casInstance: z.string().regex(/^projects\/[a-z0-9-]+\/instances\/[a-z0-9_-]+$/),
      digest: z.strictObject({ hash: z.string().min(1), sizeBytes: z.string().regex(/^\d+$/) }),
    })
    .optional(),
  cipdInput: z.strictObject({ packages: z.array(cipdPackage).max(64) }).optional(),
  caches: z.array(z.strictObject({ name: z.string().regex(/^[a-z0-9_]{1,128}$/), path: path(256) })).optional(),
  outputs: z.array(path(512)).max(4096).optional(),
  executionTimeoutSecs: seconds(30, MAX_TIMEOUT_SECONDS),
  gracePeriodSecs: seconds(0, 60 * 60),
  ioTimeoutSecs: seconds(30, MAX_TIMEOUT_SECONDS).optional(),
  idempotent: z.boolean().optional(),
  secretBytes: z
    .base64()
    .max((20 * 1024 * 4) / 3)
    .optional(),
});

const newTaskSchema = z.strictObject({
  name: z.string().min(1),
  priority: z.int().min(1).max(255),
  tags: z.array(z.string().regex(/^[^:]{1,64}:.{0,256}$/)).max(256),
  realm: z.string().optional(),
  serviceAccount: z.string().optional(),
  pubsubTopic: z
    .string()
    .regex(/^projects\/[a-z]([a-z0-9-]){4,28}[a-z0-9]\/topics\/[A-Za-z]([\w.\-~+%]){3,255}$/)
    .optional(),
  pubsubAuthToken: z.string().optional(),
  pubsubUserdata: z.string().max(1024).optional(),
  requestUuid: z.string().regex(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/),
  taskSlices: z
    .array(
      z.strictObject({
        properties: propertiesSchema,
        expirationSecs: seconds(30, WEEK_SECONDS),
        waitForCapacity: z.boolean().optional(),
      }),
    )
    .length(1),
});
export type NewTaskRequest = z.infer<typeof newTaskSchema>;

const taskIdRequest = z.strictObject({ taskId: z.string() });
const batchRequest = z.strictObject({ taskIds: z.array(z.string()) });
const cancelRequest = z.strictObject({ taskId: z.string(), killRunning: z.boolean().optional() });
const listRequest = z.strictObject({
  tags: z.array(z.string()),
  state: z.enum(['QUERY_PENDING', 'QUERY_ALL']).default('QUERY_PENDING'),
  limit: z.int().min(1).max(1000).default(100),
});

export interface FakeTask {
  taskId: string;
  request: NewTaskRequest;
  createdAt: number;
  /** TaskResultResponse, without what the request says. Zeros are left out when it is sent. */
  result: JsonObject & { state: string };
  /** Whether a bot was told to kill it. */
  killing: boolean;
}

export interface FakeSwarming extends FakeService {
  tasks: FakeTask[];
  taskOf(executionId: ExecutionId): FakeTask;
  /** A bot takes it. */
  start(task: FakeTask): void;
  /** It exits with a code; its packages are resolved. */
  complete(task: FakeTask, exitCode?: number): void;
  /** What Swarming publishes when its state changes. */
  message(task: FakeTask): { data: string; attributes: Record<string, string> };
  /** All refs point to newer instances. */
  moveRefs(): void;
}

/** A package that the pool's template installs beside the task's own. */
export const TEMPLATE_PACKAGE = { packageName: 'infra/template', version: 'latest', path: '.template' };

export async function serveSwarming(now: () => number = () => 0, serveWith?: Serve): Promise<FakeSwarming> {
  const tasks: FakeTask[] = [];
  let generation = 1;

  function invalid(message: string): never {
    throw new FakeError(400, 'INVALID_ARGUMENT', message);
  }

  function find(taskId: string): FakeTask {
    if (!/^[0-9a-f]{2,}$/.test(taskId)) invalid(`task_id ${taskId}: bad task ID`);
    // The last digit says which run is meant, and is cut off.
    const ofAnyRun = taskId.slice(0, -1);
    const task = tasks.find(one => one.taskId.length === taskId.length && one.taskId.startsWith(ofAnyRun));
    if (task === undefined) throw new FakeError(404, 'NOT_FOUND', 'no such task');
    return task;
  }

  function newTask(request: NewTaskRequest): FakeTask {
    const [{ properties }] = request.taskSlices as [NewTaskRequest['taskSlices'][0]];
    if (properties.dimensions.filter(({ key }) => key === 'pool').length !== 1)
      invalid('bad request: pool is required');
    if (properties.cipdInput?.packages.some(one => one.path === TEMPLATE_PACKAGE.path))
      invalid('applying task template: .template: packages conflict');
    const weekAgo = now() - WEEK_SECONDS * 1000;
    const known = tasks.find(one => one.request.requestUuid === request.requestUuid && one.createdAt > weekAgo);
    if (known !== undefined) return known;
    const hash = JSON.stringify(properties);
    const same = tasks.find(
      one =>
        properties.idempotent === true &&
        JSON.stringify(one.request.taskSlices[0]?.properties) === hash &&
        one.result.state === 'COMPLETED' &&
        one.result['failure'] !== true &&
        one.result['dedupedFrom'] === undefined,
    );
    const task: FakeTask = {
      taskId: `${(0x6663cfc78b4100n + BigInt(tasks.length)).toString(16)}10`,
      request,
      createdAt: now(),
      result: same ? { ...same.result, dedupedFrom: runId(same) } : { state: 'PENDING' },
      killing: false,
    };
    tasks.push(task);
    return task;
  }

  const tagsOf = ({ request }: FakeTask) => [
    ...request.tags,
    ...(request.taskSlices[0]?.properties.dimensions ?? []).map(({ key, value }) => `${key}:${value}`),
  ];

  const resultOf = (task: FakeTask) => ({
    ...task.result,
    taskId: task.taskId,
    name: task.request.name,
    tags: tagsOf(task),
    createdTs: new Date(task.createdAt).toISOString(),
    currentTaskSlice: 0,
  });

  /** A server that is not told who calls says so before all else. */
  function rpc<T>(schema: z.ZodType<T>, handle: (request: T) => object): (call: FakeCall) => Answer {
    return call => {
      const { authorization, accept } = call.headers;
      if (!authorization?.startsWith('Bearer ')) throw new FakeError(401, 'UNAUTHENTICATED', 'no credentials');
      if (accept !== 'application/json') invalid('prpc: bad Accept header');
      return success(handle(strictBody(schema, call)));
    };
  }

  const service = await serveFake(
    {
      'POST /prpc/swarming.v2.Tasks/NewTask': rpc(newTaskSchema, request => {
        const task = newTask(request);
        const { secretBytes: _, ...properties } = task.request.taskSlices[0]?.properties ?? {};
        return {
          taskId: task.taskId,
          request: { taskId: task.taskId, tags: tagsOf(task), taskSlices: [{ properties }] },
          taskResult: resultOf(task),
        };
      }),
      'POST /prpc/swarming.v2.Tasks/GetResult': rpc(taskIdRequest, ({ taskId }) => resultOf(find(taskId))),
      'POST /prpc/swarming.v2.Tasks/BatchGetResult': rpc(batchRequest, ({ taskIds }) => {
        if (taskIds.length === 0 || taskIds.length > 1000) invalid('task_ids length should be from 1 to 1000');
        if (new Set(taskIds).size < taskIds.length) invalid('task_ids: specified more than once');
        return { results: taskIds.map(resultOrError) };
      }),
      'POST /prpc/swarming.v2.Tasks/CancelTask': rpc(cancelRequest, ({ taskId, killRunning = false }) =>
        cancel(find(taskId), killRunning),
      ),
      'POST /prpc/swarming.v2.Tasks/ListTasks': rpc(listRequest, ({ tags, state, limit }) => {
        if (!tags.some(tag => tag.startsWith('pool:')))
          throw new FakeError(403, 'PERMISSION_DENIED', 'no permission "swarming.pools.listTasks" in the server');
        const items = tasks
          .filter(task => state === 'QUERY_ALL' || task.result.state === 'PENDING')
          .filter(task => tags.every(tag => tagsOf(task).includes(tag)))
          .toReversed();
        return { items: items.slice(0, limit).map(resultOf), now: new Date(now()).toISOString() };
      }),
    },
    writeError,
    serveWith,
  );

  function resultOrError(taskId: string): object {
    try {
      return { taskId, result: resultOf(find(taskId)) };
    } catch (error) {
      if (!(error instanceof FakeError) || error.code === 'INVALID_ARGUMENT') throw error;
      return { taskId, error: { code: GRPC_CODES[error.code], message: error.message } };
    }
  }

  function cancel(task: FakeTask, killRunning: boolean): { canceled: boolean; wasRunning: boolean } {
    const wasRunning = task.result.state === 'RUNNING';
    if (task.result.state === 'PENDING') {
      task.result = { state: 'CANCELED' };
      return { canceled: true, wasRunning };
    }
    if (!wasRunning || !killRunning || task.killing) return { canceled: false, wasRunning };
    task.killing = true;
    // The bot hears of it with its next report.
    setTimeout(() => {
      if (task.result.state === 'RUNNING') task.result = { ...task.result, state: 'KILLED', exitCode: '-1' };
    }, 20);
    return { canceled: true, wasRunning };
  }

  const pin = ({ packageName, version, path: folder }: z.infer<typeof cipdPackage>) => {
    const resolved = packageName.replace('${platform}', 'linux-amd64');
    const moving = /^[a-z]+$/.test(version);
    return {
      packageName: resolved,
      version: moving ? createHash('sha1').update(`${resolved} ${version} ${generation}`).digest('hex') : version,
      path: folder,
    };
  };

  return Object.assign(service, {
    tasks,
    taskOf(executionId: ExecutionId): FakeTask {
      const tag = `distributor_execution:${executionName(executionId)}`;
      const task = tasks.find(({ request }) => request.tags.includes(tag));
      if (task === undefined) throw new Error(`fake: no task of ${executionId}`);
      return task;
    },
    start(task: FakeTask) {
      task.result = { ...task.result, state: 'RUNNING', botId: 'bot-1', startedTs: new Date(now()).toISOString() };
    },
    complete(task: FakeTask, exitCode = 0) {
      const { cipdInput, outputs } = task.request.taskSlices[0]?.properties ?? {};
      const pins = [...(cipdInput?.packages ?? []), TEMPLATE_PACKAGE].map(pin);
      task.result = {
        ...task.result,
        state: 'COMPLETED',
        botId: 'bot-1',
        duration: 12.5,
        exitCode: String(exitCode),
        failure: exitCode !== 0,
        cipdPins: { clientPackage: { packageName: 'infra/tools/cipd/linux-amd64', version: 'c' }, packages: pins },
        ...(outputs && {
          casOutputRoot: {
            casInstance: 'projects/cas-project/instances/default_instance',
            digest: { hash: 'ab'.repeat(32), sizeBytes: '123' },
          },
        }),
      };
    },
    message({ taskId, request: { pubsubUserdata = '', pubsubAuthToken } }: FakeTask) {
      return {
        data: JSON.stringify({ task_id: taskId, userdata: pubsubUserdata }, undefined, 2),
        attributes: pubsubAuthToken === undefined ? {} : { auth_token: pubsubAuthToken },
      };
    },
    moveRefs() {
      generation++;
    },
  });
}

function runId({ taskId }: FakeTask): string {
  return `${taskId.slice(0, -1)}1`;
}

function success(message: object): Answer {
  return {
    status: 200,
    headers: { 'content-type': 'application/json', 'x-prpc-grpc-code': '0' },
    body: `)]}'\n${JSON.stringify(message, withoutZeros)}\n`,
  };
}

/** As proto3 JSON: zeros are left out. */
function withoutZeros(_: string, value: unknown): unknown {
  const isZero = value === '' || value === '0' || value === 0 || value === false || value === 'INVALID';
  return isZero || (Array.isArray(value) && value.length === 0) ? undefined : value;
}

function writeError({ status, code, message }: FakeError): Answer {
  return {
    status,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'x-prpc-grpc-code': String(GRPC_CODES[code] ?? 2) },
    body: `${message}\n`,
  };
}
