import { z } from 'zod';
import type { JsonObject } from '../../../shared/core/json.ts';
import { FakeError, type FakeService, serveFake, strictBody } from '../fake-service.ts';

/**
 * Cloud Batch v1 as its API definition has it: https://github.com/googleapis/googleapis/tree/master/google/cloud/batch/v1
 * (batch.proto, job.proto, task.proto), https://docs.cloud.google.com/batch/docs/reference/rest/v1 for `:cancel` and the
 * newer states, https://docs.cloud.google.com/batch/quotas for limits. Of its fields the ones that have to do with one
 * task group of one runnable. A start without a job id is a new job every time.
 */
export interface FakeBatch extends FakeService {
  /** By name, in the order in which they were created. */
  jobs: Map<string, FakeJob>;
  /** Of the only job. */
  only(): FakeJob;
  /** Aged out, or deleted by somebody. */
  forget(name: string): void;
}

export interface FakeJob {
  name: string;
  uid: string;
  definition: z.infer<typeof jobSchema>;
  status: { state?: string; statusEvents?: object[]; runDuration?: string; taskGroups?: object };
  /** Of group0; `state` is what tasks are filtered by. */
  tasks: { name: string; status: { state: string; statusEvents?: object[] } }[];
}

export const PROJECT = 'acme-jobs';
export const LOCATION = 'us-central1';
export const ACCOUNT = 'jobs@acme-jobs.iam.gserviceaccount.com';
const REQUEST_IDS_ARE_KEPT_MS = 60 * 60_000;
const MAX_DEFINITION_BYTES = 1_000_000;

/** https://protobuf.dev/programming-guides/json: 64-bit numbers may be given as either. */
const int64 = z.union([z.int(), z.string().regex(/^-?\d+$/)]);
const duration = z.string().regex(/^\d+(\.\d{1,9})?s$/);
const labels = z
  .record(z.string().regex(/^(?!goog(le)?-)[a-z][a-z0-9_-]{0,62}$/), z.string().regex(/^[a-z0-9_-]{0,63}$/))
  .refine(all => Object.keys(all).length <= 64);

const runnableSchema = z
  .strictObject({
    container: z
      .strictObject({
        imageUri: z.string().min(1),
        commands: z.array(z.string()).optional(),
        entrypoint: z.string().optional(),
      })
      .optional(),
    script: z.strictObject({ text: z.string().min(1) }).optional(),
  })
  .refine(({ container, script }) => (container === undefined) !== (script === undefined), 'one of executable');

const jobSchema = z.strictObject({
  taskGroups: z
    .array(
      z.strictObject({
        taskSpec: z.strictObject({
          runnables: z.array(runnableSchema).min(1),
          computeResource: z
            .strictObject({ cpuMilli: int64.optional(), memoryMib: int64.optional(), bootDiskMib: int64.optional() })
            .optional(),
          maxRunDuration: duration.optional(),
          maxRetryCount: z.int().min(0).max(10).optional(),
          environment: z
            .strictObject({
              variables: z.record(z.string(), z.string()).optional(),
              secretVariables: z.record(z.string(), z.string()).optional(),
            })
            .optional(),
        }),
        taskCount: int64.optional(),
        parallelism: int64.optional(),
      }),
    )
    .length(1, 'Only one TaskGroup is supported now'),
  allocationPolicy: z
    .strictObject({
      instances: z
        .array(
          z.strictObject({
            policy: z.strictObject({
              machineType: z.string().optional(),
              provisioningModel: z.enum(['STANDARD', 'SPOT', 'PREEMPTIBLE']).optional(),
              bootDisk: z.strictObject({ sizeGb: int64.optional(), type: z.string().optional() }).optional(),
            }),
            installGpuDrivers: z.boolean().optional(),
          }),
        )
        .max(1)
        .optional(),
      serviceAccount: z.strictObject({ email: z.email() }).optional(),
      network: z
        .strictObject({
          networkInterfaces: z.array(
            z.strictObject({
              network: z.string().optional(),
              subnetwork: z.string().optional(),
              noExternalIpAddress: z.boolean().optional(),
            }),
          ),
        })
        .optional(),
      labels: labels.optional(),
    })
    .optional(),
  labels: labels.optional(),
  logsPolicy: z.strictObject({ destination: z.enum(['CLOUD_LOGGING', 'PATH']) }).optional(),
  notifications: z
    .array(
      z.strictObject({
        pubsubTopic: z.string().regex(/^projects\/[^/]+\/topics\/[^/]+$/),
        message: z.strictObject({
          type: z.enum(['JOB_STATE_CHANGED', 'TASK_STATE_CHANGED']),
          newJobState: z.string().optional(),
        }),
      }),
    )
    .optional(),
});

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const CANCELLABLE = new Set(['QUEUED', 'SCHEDULED', 'RUNNING']);

export async function serveCloudBatch(
  options: { accounts?: readonly string[]; now?: () => number } = {},
): Promise<FakeBatch> {
  const { accounts = [ACCOUNT], now = Date.now } = options;
  const jobs = new Map<string, FakeJob>();
  const requests = new Map<string, { name: string; at: number }>();
  let created = 0;

  function find({ project, location, job }: Record<string, string>): FakeJob {
    const name = `projects/${project}/locations/${location}/jobs/${job}`;
    const found = jobs.get(name);
    if (found === undefined) throw new FakeError(404, 'NOT_FOUND', `Resource '${name}' was not found`);
    return found;
  }

  function authorize(headers: Record<string, string | undefined>): void {
    if (headers['authorization'] !== 'Bearer ya29.secret')
      throw new FakeError(401, 'UNAUTHENTICATED', 'Request had invalid authentication credentials.');
  }

  const service = await serveFake({
    'POST /v1/projects/{project}/locations/{location}/jobs': call => {
      authorize(call.headers);
      const { project, location } = call.params;
      if (project !== PROJECT || location !== LOCATION)
        throw new FakeError(
          404,
          'NOT_FOUND',
          `Location ${location} of ${project} is not found or access is unauthorized.`,
        );
      for (const key of call.query.keys())
        if (key !== 'job_id' && key !== 'request_id') throw invalid(`Cannot bind query parameter "${key}"`);
      const id = call.query.get('job_id') ?? `job-${++created}`;
      if (!/^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/.test(id)) throw invalid(`job_id field is invalid: ${id}`);
      const requestId = call.query.get('request_id');
      if (requestId !== null && !UUID.test(requestId)) throw invalid('request_id is not a valid UUID');
      const definition = strictBody(jobSchema, call);
      if (JSON.stringify(definition).length > MAX_DEFINITION_BYTES) throw invalid('the job definition is too large');
      const account = definition.allocationPolicy?.serviceAccount?.email ?? 'default';
      if (!accounts.includes(account)) {
        const message = `caller does not have access to act as the specified service account: ${account}`;
        throw new FakeError(400, 'INVALID_ARGUMENT', message);
      }
      const known = requestId === null ? undefined : requests.get(requestId);
      if (known !== undefined && now() - known.at < REQUEST_IDS_ARE_KEPT_MS) return shown(jobs.get(known.name)!);
      const name = `projects/${project}/locations/${location}/jobs/${id}`;
      if (jobs.has(name)) throw new FakeError(409, 'ALREADY_EXISTS', `Resource '${name}' already exists`);
      const job: FakeJob = { name, uid: `${id.slice(0, 20)}-uid`, definition, status: { state: 'QUEUED' }, tasks: [] };
      jobs.set(name, job);
      if (requestId !== null) requests.set(requestId, { name, at: now() });
      return shown(job);
    },

    'GET /v1/projects/{project}/locations/{location}/jobs/{job}': ({ params, query, headers }) => {
      authorize(headers);
      const job = find(params);
      const answer = shown(job);
      if (job.status.state === 'CANCELLATION_IN_PROGRESS') job.status = { ...job.status, state: 'CANCELLED' };
      const fields = query.get('fields')?.split(',');
      return Object.fromEntries(Object.entries(answer).filter(([key]) => fields === undefined || fields.includes(key)));
    },

    'POST /v1/projects/{project}/locations/{location}/jobs/{job}:cancel': call => {
      authorize(call.headers);
      strictBody(z.strictObject({ requestId: z.string().regex(UUID).optional() }), call);
      const job = find(call.params);
      const { state = 'STATE_UNSPECIFIED' } = job.status;
      if (!CANCELLABLE.has(state)) throw new FakeError(400, 'FAILED_PRECONDITION', `the job is in state ${state}`);
      job.status = { ...job.status, state: 'CANCELLATION_IN_PROGRESS' };
      return { name: `projects/${PROJECT}/locations/${LOCATION}/operations/operation-1`, done: false };
    },

    'GET /v1/projects/{project}/locations/{location}/jobs/{job}/taskGroups/{group}/tasks': ({
      params,
      query,
      headers,
    }) => {
      authorize(headers);
      const { tasks } = find(params);
      if (params['group'] !== 'group0') throw new FakeError(404, 'NOT_FOUND', 'no such task group');
      const [, state] = /^State=([A-Z]+)$/.exec(query.get('filter') ?? '') ?? [];
      const wanted = tasks.filter(({ status }) => state === undefined || status.state === state);
      const page = wanted.slice(0, Number(query.get('pageSize') ?? 1000));
      return { ...(page.length > 0 && { tasks: page }), ...(page.length < wanted.length && { nextPageToken: 'next' }) };
    },
  });

  return {
    ...service,
    jobs,
    forget: name => void jobs.delete(name),
    only() {
      const [job, ...others] = jobs.values();
      if (job === undefined || others.length > 0) throw new Error(`fake: there are ${jobs.size} jobs`);
      return job;
    },
  };
}

/** As the service answers it: zeros are left out. */
function shown({ name, uid, definition, status }: FakeJob): JsonObject {
  return JSON.parse(
    JSON.stringify({ name, uid, ...definition, status, createTime: '2026-11-24T00:00:00Z' }),
  ) as JsonObject;
}

function invalid(message: string): FakeError {
  return new FakeError(400, 'INVALID_ARGUMENT', message);
}
