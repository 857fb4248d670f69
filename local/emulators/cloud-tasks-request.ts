import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { type ServiceDefinition, status } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';

/** What of google/cloud/tasks/v2/cloudtasks.proto and task.proto this server reads. */
export interface CreateTaskRequest {
  parent: string;
  task: Task;
}

export interface Task {
  name: string;
  scheduleTime?: { seconds: string; nanos: number } | null;
  dispatchDeadline?: { seconds: string } | null;
  httpRequest?: { url: string; httpMethod: string; headers: Record<string, string>; body: Buffer } | null;
}

/** A gRPC status. */
export interface Refusal {
  code: number;
  message: string;
}

/** A task as it is kept. */
export interface Payload {
  /** The last part of its name. */
  id: string;
  url: string;
  method: string;
  headers: Record<string, string>;
  /** base64 */
  body: string;
  deadlineMs: number;
  /** Epoch milliseconds. */
  scheduledAt: number;
}

/** The service as the client's own package defines it. */
export const SERVICE = loadService();

function loadService(): ServiceDefinition {
  const protos = dirname(createRequire(import.meta.url).resolve('@google-cloud/tasks/build/protos'));
  const json = JSON.parse(readFileSync(join(protos, 'protos.json'), 'utf8')) as Parameters<typeof fromJSON>[0];
  const definition = fromJSON(json, { longs: String, enums: String, defaults: true, oneofs: true });
  return definition['google.cloud.tasks.v2.CloudTasks'] as ServiceDefinition;
}

const LONGEST_SCHEDULE_MS = 30 * 24 * 60 * 60_000;
/** Of a task; URL, headers and body are all of it that can be large. */
const MAX_BYTES = 1024 * 1024;
const MAX_URL_LENGTH = 2083;
/** Ignored, or set by Cloud Tasks itself (target.proto, HttpRequest.headers). */
const OWN_HEADERS = /^(host|content-length|user-agent|x-google-.*|x-appengine-.*|x-cloudtasks-.*)$/i;
const DEADLINE_MS = { min: 15_000, default: 10 * 60_000, max: 30 * 60_000 };

/** Throws a Refusal for what the API refuses (https://cloud.google.com/tasks/docs/reference/rpc/google.cloud.tasks.v2). */
export function parseTask(
  parent: string,
  task: Task,
  now: number,
): { name?: string; at: number; payload: Omit<Payload, 'id'> } {
  const { httpRequest } = task;
  if (!httpRequest) throw invalid('Task.http_request: only HTTP targets are served here');
  if (!/^https?:\/\//.test(httpRequest.url)) throw invalid('HttpRequest.url: must start with http:// or https://');
  if (httpRequest.url.length > MAX_URL_LENGTH) throw invalid(`HttpRequest.url: longer than ${MAX_URL_LENGTH}`);
  const bytes = httpRequest.body.length + Buffer.byteLength(httpRequest.url + JSON.stringify(httpRequest.headers));
  if (bytes > MAX_BYTES) throw invalid(`Task size too large: more than ${MAX_BYTES} bytes`);
  const at = task.scheduleTime ? Number(task.scheduleTime.seconds) * 1000 + task.scheduleTime.nanos / 1e6 : now;
  if (at > now + LONGEST_SCHEDULE_MS) throw invalid('Task.schedule_time: more than 30 days in the future');
  const deadlineMs = task.dispatchDeadline ? Number(task.dispatchDeadline.seconds) * 1000 : DEADLINE_MS.default;
  if (deadlineMs < DEADLINE_MS.min || deadlineMs > DEADLINE_MS.max)
    throw invalid('Task.dispatch_deadline: must be between 15 s and 30 min');
  const payload = {
    url: httpRequest.url,
    method: httpRequest.httpMethod === 'HTTP_METHOD_UNSPECIFIED' ? 'POST' : httpRequest.httpMethod,
    headers: Object.fromEntries(Object.entries(httpRequest.headers).filter(([header]) => !OWN_HEADERS.test(header))),
    body: httpRequest.body.toString('base64'),
    deadlineMs,
    scheduledAt: Math.max(at, now),
  };
  return { ...(task.name !== '' && { name: taskId(parent, task.name) }), at: Math.max(at, now), payload };
}

function taskId(parent: string, name: string): string {
  const prefix = `${parent}/tasks/`;
  const id = name.slice(prefix.length);
  if (!name.startsWith(prefix) || !/^[\w-]{1,500}$/.test(id)) throw invalid(`Task.name: must be ${prefix}TASK_ID`);
  return id;
}

function invalid(message: string): Refusal {
  return { code: status.INVALID_ARGUMENT, message };
}
