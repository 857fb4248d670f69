import { z } from 'zod';
import { executionName } from '../../../shared/adapters/execution-name.ts';
import type { ExecutionId } from '../../../shared/core/ids.ts';
import type { JsonObject } from '../../../shared/core/json.ts';
import {
  type ErrorWriter,
  type FakeCall,
  FakeError,
  type FakeService,
  serveFake,
  strictBody,
} from '../fake-service.ts';

/**
 * Jobs of a Kubernetes cluster, by the definition of batch/v1
 * (https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/). Unknown fields are refused, as with
 * `fieldValidation=Strict`.
 */
export interface FakeCluster {
  service: FakeService;
  /** How many Jobs were created so far. */
  created(): number;
  /** How many pods run, those included whose Job is gone. */
  pods(): number;
  complete(id: ExecutionId): void;
  /** Adds a condition that holds; `Failed` ends the pods. */
  fail(id: ExecutionId, reason: string, message: string): void;
  /** The pod's containers run. */
  ready(id: ExecutionId): void;
  /** `ttlSecondsAfterFinished` is over. */
  expire(id: ExecutionId): void;
}

interface FakeJob {
  metadata: Record<string, unknown> & { name: string };
  spec: object;
  status: { conditions?: object[]; ready: number; active?: number; completionTime?: string };
}

/** How often a Job that is being deleted is still found: its pods are given time to stop. */
const READS_WHILE_STOPPING = 2;

const text = z.string().min(1);
const podSchema = z.strictObject({
  restartPolicy: z.enum(['Never', 'OnFailure']),
  automountServiceAccountToken: z.boolean().optional(),
  containers: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/),
        image: text,
        command: z.array(z.string()).optional(),
        args: z.array(z.string()).optional(),
        env: z.array(z.strictObject({ name: text, value: z.string() })).optional(),
      }),
    )
    .min(1),
});

const jobSchema = z.strictObject({
  apiVersion: z.literal('batch/v1'),
  kind: z.literal('Job'),
  metadata: z.strictObject({
    // Pods carry it as a label, which makes it shorter than other names.
    name: z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/),
    labels: z.record(text, z.string().max(63)).optional(),
    annotations: z.record(text, z.string()).optional(),
  }),
  spec: z.strictObject({
    backoffLimit: z.int().min(0).optional(),
    activeDeadlineSeconds: z.int().min(1).optional(),
    ttlSecondsAfterFinished: z.int().min(0).optional(),
    podFailurePolicy: z
      .strictObject({
        rules: z.array(
          z.strictObject({
            action: z.enum(['FailJob', 'Ignore', 'Count', 'FailIndex']),
            onPodConditions: z.array(z.strictObject({ type: text, status: z.enum(['True', 'False', 'Unknown']) })),
          }),
        ),
      })
      .optional(),
    template: z.strictObject({ spec: podSchema }),
  }),
});

/** https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/delete-options/ */
const deleteSchema = z.strictObject({
  apiVersion: z.literal('v1').optional(),
  kind: z.literal('DeleteOptions').optional(),
  gracePeriodSeconds: z.int().optional(),
  // The default of batch/v1: https://github.com/kubernetes/kubernetes/blob/master/pkg/registry/batch/job/strategy.go
  propagationPolicy: z.enum(['Orphan', 'Background', 'Foreground']).default('Orphan'),
  preconditions: z.strictObject({ uid: text.optional(), resourceVersion: text.optional() }).default({}),
});

/** https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/ */
const writeStatus: ErrorWriter = ({ status, code, message }) => ({
  status,
  body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason: code, code: status },
});

export async function serveKubernetesJobs(options: { token?: string; namespace?: string } = {}): Promise<FakeCluster> {
  const { token, namespace: known = 'default' } = options;
  const jobs = new Map<string, FakeJob>();
  /** By the name of their Job. */
  const pods = new Set<string>();
  const stopping = new Map<string, { reads: number }>();
  let created = 0;
  let version = 1000;

  function touch(job: FakeJob, status: Partial<FakeJob['status']> = {}): FakeJob {
    Object.assign(job.status, status);
    job.metadata['resourceVersion'] = String(++version);
    return job;
  }

  function authorize({ headers }: FakeCall): void {
    if (token !== undefined && headers['authorization'] !== `Bearer ${token}`)
      throw new FakeError(401, 'Unauthorized', 'Unauthorized');
  }

  function find(call: FakeCall): FakeJob {
    authorize(call);
    const { namespace, name = '' } = call.params;
    const job = namespace === known ? jobs.get(name) : undefined;
    if (job === undefined) throw new FakeError(404, 'NotFound', `jobs.batch "${name}" not found`);
    return job;
  }

  function jobOf(id: ExecutionId): FakeJob {
    const job = jobs.get(executionName(id));
    if (job === undefined) throw new Error(`fake: no job of ${id}`);
    return job;
  }

  function end(id: ExecutionId, conditions: object[], status: Partial<FakeJob['status']> = {}): void {
    const job = touch(jobOf(id), { conditions, ready: 0, ...status });
    pods.delete(job.metadata.name);
  }

  const service = await serveFake(
    {
      'POST /apis/batch/v1/namespaces/{namespace}/jobs': call => {
        authorize(call);
        const { namespace = '' } = call.params;
        const { apiVersion, kind, metadata, spec } = parse(jobSchema, call);
        if (namespace !== known) throw new FakeError(404, 'NotFound', `namespaces "${namespace}" not found`);
        const { name } = metadata;
        if (jobs.has(name)) throw new FakeError(409, 'AlreadyExists', `jobs.batch "${name}" already exists`);
        const uid = `00000000-0000-4000-8000-${String(++created).padStart(12, '0')}`;
        const job = touch({ metadata: { ...metadata, namespace, uid }, spec, status: { ready: 0 } });
        jobs.set(name, job);
        pods.add(name);
        return { status: 201, body: { apiVersion, kind, ...job, status: {} } };
      },
      'GET /apis/batch/v1/namespaces/{namespace}/jobs/{name}': call => {
        const { name = '' } = call.params;
        const stop = stopping.get(name);
        if (stop !== undefined && ++stop.reads > READS_WHILE_STOPPING) {
          pods.delete(name);
          jobs.delete(name);
        }
        return { body: { apiVersion: 'batch/v1', kind: 'Job', ...find(call) } };
      },
      'DELETE /apis/batch/v1/namespaces/{namespace}/jobs/{name}': call => {
        const job = find(call);
        const { propagationPolicy, preconditions } = parse(deleteSchema, call);
        const { name, resourceVersion } = job.metadata;
        if (preconditions.resourceVersion !== undefined && preconditions.resourceVersion !== resourceVersion) {
          const problem = `the ResourceVersion in the precondition (${preconditions.resourceVersion}) does not match`;
          throw new FakeError(409, 'Conflict', `Operation cannot be fulfilled on jobs.batch "${name}": ${problem}`);
        }
        if (propagationPolicy === 'Foreground' && pods.has(name)) {
          if (!stopping.has(name)) stopping.set(name, { reads: 0 });
          job.metadata['deletionTimestamp'] = '2026-11-24T00:00:00Z';
          return { body: { apiVersion: 'batch/v1', kind: 'Job', ...touch(job, { ready: 0 }) } };
        }
        if (propagationPolicy === 'Background') pods.delete(name);
        jobs.delete(name);
        return { body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' } };
      },
    },
    writeStatus,
  );

  return {
    service,
    created: () => created,
    pods: () => pods.size,
    ready: id => void touch(jobOf(id), { active: 1, ready: 1 }),
    complete: id =>
      end(id, [condition('SuccessCriteriaMet', 'CompletionsReached'), condition('Complete', 'CompletionsReached')], {
        completionTime: '2026-11-24T00:00:00Z',
      }),
    fail: (id, reason, message) =>
      end(id, [condition('FailureTarget', reason, message), condition('Failed', reason, message)]),
    expire: id => void jobs.delete(executionName(id)),
  };
}

function condition(type: string, reason: string, message = 'Reached expected number of succeeded pods'): JsonObject {
  return { type, status: 'True', reason, message, lastTransitionTime: '2026-11-24T00:00:00Z' };
}

/** As `strictBody`, in the words of the API server. */
function parse<T>(schema: z.ZodType<T>, call: FakeCall): T {
  try {
    return strictBody(schema, call);
  } catch (error) {
    throw new FakeError(400, 'BadRequest', `strict decoding error: ${(error as Error).message}`);
  }
}
