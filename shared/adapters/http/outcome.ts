import { isTransient, isTransientHttpStatus, messageOf, TransientError } from '../../core/errors.ts';
import { MAX_TOKEN_CHARACTERS } from '../../core/execution.ts';
import { isJsonObject, MAX_JSON_BYTES, parseJson } from '../../core/json.ts';
import {
  type AbnormalStatus,
  abnormal,
  canonicalData,
  cut,
  type TaskResult,
  type TaskStatus,
} from '../../core/result.ts';
import type { HttpResponse } from '../contract.ts';
import { readStatus } from '../status-message.ts';
import { strike } from './strike.ts';

/** What a call came to. */
export type Outcome =
  | { kind: 'ended'; result: TaskResult }
  /** The service goes on by itself, under this token. */
  | { kind: 'accepted'; token: string }
  | { kind: 'retry'; reason: string; retryAfterMs?: number };

/** More than the largest result, since an answer may be written with spaces and escapes that do not count. */
export const MAX_BODY_BYTES = 2 * MAX_JSON_BYTES;

const MAX_EXCERPT_CHARACTERS = 500;
/** A service that names a time further away than this is asked again earlier. */
const MAX_RETRY_AFTER_MS = 60 * 60_000;

/** The answer to the call that is the job. `secrets` are struck out of it. */
export function outcomeOf(answer: HttpResponse, secrets: readonly string[], now: number): Outcome {
  const response = { ...answer, body: strike(answer.body, secrets) };
  const { status } = response;
  if (isTransientHttpStatus(status)) {
    const retryAfterMs = retryAfter(response, now);
    return {
      kind: 'retry',
      reason: `the service answered ${status}`,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    };
  }
  if (status === 202) return accepted(response);
  if (isSuccess(status)) return resultOf(response);
  if (status < 400) return ended('FAILED', `the service answered ${status}; redirects are not followed`);
  return ended('FAILED', `the service answered ${status}${excerpt(response.body)}`);
}

/** A call that got no answer. What is not transient was refused before it was made. */
export function outcomeOfError(error: unknown): Outcome {
  return isTransient(error) ? { kind: 'retry', reason: messageOf(error) } : ended('REJECTED', messageOf(error));
}

function accepted(response: HttpResponse): Outcome {
  const body = parseJson(response.body);
  const token = isJsonObject(body) ? body.token : undefined;
  if (typeof token === 'string' && token !== '' && token.length <= MAX_TOKEN_CHARACTERS)
    return { kind: 'accepted', token };
  return ended('RESULT_MALFORMED', 'the service answered 202 without {"token": "…"}');
}

function resultOf({ status, body, truncated }: HttpResponse): Outcome {
  if (truncated)
    return ended('RESULT_MALFORMED', `the service answered ${status} with more than ${MAX_BODY_BYTES} bytes`);
  const data = parseJson(body);
  if (!isJsonObject(data)) return ended('RESULT_MALFORMED', `the service answered ${status} without a JSON object`);
  try {
    return { kind: 'ended', result: canonicalData({ data }, 'result.data') };
  } catch (error) {
    return ended('RESULT_MALFORMED', messageOf(error));
  }
}

function ended(status: AbnormalStatus, reason: string): Outcome {
  return { kind: 'ended', result: abnormal(status, reason) };
}

function excerpt(body: string): string {
  const text = cut(body.replaceAll(/\s+/g, ' ').trim(), MAX_EXCERPT_CHARACTERS);
  return text === '' ? '' : `: ${text}`;
}

/** The answer of `statusUrl`. Throws: finally when the service knows no such job. */
export function statusOf(response: HttpResponse, now: number): TaskStatus {
  if (isSuccess(response.status)) {
    const status = readStatus(response.body);
    if (status === undefined) throw new TransientError('statusUrl did not answer with a status');
    return status;
  }
  throw errorOf('statusUrl', response, now);
}

/** The answer of `cancelUrl`; to be gone is as good as to be cancelled. Throws when the job perhaps lives on. */
export function checkCancelled(response: HttpResponse, now: number): void {
  if (isSuccess(response.status) || [404, 409, 410].includes(response.status)) return;
  throw errorOf('cancelUrl', response, now);
}

/** Carries the HTTP status, by which missing credentials are recognised. */
class HttpStatusError extends Error {
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

function errorOf(what: string, response: HttpResponse, now: number): Error {
  const { status } = response;
  const message = `${what} answered ${status}`;
  // A redirect says nothing about the job.
  if (status >= 400 && !isTransientHttpStatus(status)) return new HttpStatusError(message, status);
  const retryAfterMs = retryAfter(response, now);
  return new TransientError(message, retryAfterMs === undefined ? {} : { retryAfterMs });
}

function isSuccess(status: number): boolean {
  return status >= 200 && status <= 299;
}

/** RFC 9110 §10.2.3: seconds, or a date. */
function retryAfter({ headers }: HttpResponse, now: number): number | undefined {
  const text = headers['retry-after'];
  if (text === undefined) return undefined;
  const milliseconds = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isNaN(milliseconds) ? undefined : Math.min(Math.max(milliseconds, 0), MAX_RETRY_AFTER_MS);
}
