import { z } from 'zod';
import { messageOf } from './errors.ts';
import { canonicalObject, isJsonObject, type JsonObject, jsonObjectSchema, parseJson } from './json.ts';
import type { RetryClass } from './quest.ts';

/** How an execution or attempt can end other than by a result, and which retry budget such an end is charged to. */
export const ABNORMAL = {
  FAILED: 'failed',
  CRASHED: 'crashed',
  EXPIRED: 'expired',
  TIMED_OUT: 'timedOut',
  PREEMPTED: 'preempted',
  CANCELLED: undefined,
  REJECTED: undefined,
  MISSING: undefined,
  RESULT_MALFORMED: undefined,
} as const satisfies Record<string, RetryClass | undefined>;

export type AbnormalStatus = keyof typeof ABNORMAL;
export const ABNORMAL_STATUSES = Object.keys(ABNORMAL) as [AbnormalStatus, ...AbnormalStatus[]];

/** Reasons are for people; what is longer is cut. */
export const MAX_REASON_CHARACTERS = 4096;

export const abnormalFinishSchema = z.object({ status: z.enum(ABNORMAL_STATUSES), reason: z.string() });
export type AbnormalFinish = z.infer<typeof abnormalFinishSchema>;

/** `expiration` is a protobuf-JSON timestamp after which the data is of no use. */
export const dataSchema = z.object({ data: jsonObjectSchema, expiration: z.iso.datetime({ offset: true }).optional() });
export type ResultData = z.infer<typeof dataSchema>;

const abnormalSchema = z.object({ abnormalFinish: abnormalFinishSchema });

export const taskResultSchema = z.union([dataSchema, abnormalSchema]);
export type TaskResult = z.infer<typeof taskResultSchema>;

/** What an executor says of an execution. */
export type TaskStatus = { state: 'pending' } | { state: 'running' } | { state: 'finished'; result: TaskResult };

const strictData = z.strictObject(dataSchema.shape);
const strictAbnormal = z.strictObject(abnormalSchema.shape);

/** As `taskResultSchema`, for what comes from outside: says what is wrong, and refuses a result that is both. */
const givenResultSchema = z.unknown().transform((value, context): TaskResult => {
  const isAbnormal = isJsonObject(value) && 'abnormalFinish' in value;
  const parsed = (isAbnormal ? strictAbnormal : strictData).safeParse(value);
  if (parsed.success) return parsed.data;
  for (const { message, path } of parsed.error.issues) context.addIssue({ code: 'custom', message, path });
  return z.NEVER;
});

export const taskStatusSchema = z.discriminatedUnion('state', [
  z.object({ state: z.literal('pending') }),
  z.object({ state: z.literal('running') }),
  z.object({ state: z.literal('finished'), result: givenResultSchema }),
]);

export function abnormal(status: AbnormalStatus, reason: string): { abnormalFinish: AbnormalFinish } {
  return { abnormalFinish: { status, reason: cut(reason, MAX_REASON_CHARACTERS) } };
}

export function pending(): TaskStatus {
  return { state: 'pending' };
}

export function running(): TaskStatus {
  return { state: 'running' };
}

export function finished(result: TaskResult): TaskStatus {
  return { state: 'finished', result };
}

/**
 * A status as an adapter gave it, made fit to be stored: canonical, at most 256 KiB. A result that is not fit becomes
 * RESULT_MALFORMED with the reason. Throws for what is no status at all: it says nothing of the job.
 */
export function normalizeStatus(status: unknown): TaskStatus {
  const parsed = taskStatusSchema.safeParse(status);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const problem = `${issue?.path.join('.') || 'status'}: ${issue?.message ?? 'not valid'}`;
    if (!isJsonObject(status) || status.state !== 'finished') throw new Error(`the adapter gave no status: ${problem}`);
    return finished(abnormal('RESULT_MALFORMED', problem));
  }
  if (parsed.data.state !== 'finished') return parsed.data;
  const { result } = parsed.data;
  if ('abnormalFinish' in result) return finished(abnormal(result.abnormalFinish.status, result.abnormalFinish.reason));
  try {
    return finished(canonicalData(result, 'result.data'));
  } catch (error) {
    return finished(abnormal('RESULT_MALFORMED', messageOf(error)));
  }
}

/** Throws InvalidArgument when the data is not a JSON object of at most 256 KiB. */
export function canonicalData({ data, expiration }: ResultData, field: string): ResultData {
  const canonical = parseJson(canonicalObject(data, field)) as JsonObject;
  return expiration === undefined ? { data: canonical } : { data: canonical, expiration };
}

export function cut(text: string, characters: number): string {
  // A cut may go through a character of two halves.
  return text.length <= characters ? text : `${text.slice(0, characters - 1).toWellFormed()}…`;
}
