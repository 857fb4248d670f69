import { isTransient, isTransientHttpStatus, messageOf, TransientError } from '../../core/errors.ts';
import { MAX_TOKEN_CHARACTERS } from '../../core/execution.ts';
import { isJsonObject, MAX_JSON_BYTES, parseJson } from '../../core/json.ts';
import { type AbnormalStatus, abnormal, canonicalData, type TaskResult, type TaskStatus } from '../../core/result.ts';
import type { HttpResponse } from '../contract.ts';
import { errorOf, excerpt, isSuccess, retryAfter } from '../http-answer.ts';
import { readStatus } from '../status-message.ts';
import { strike } from '../strike.ts';

/** What a call came to. */
export type Outcome =
  | { kind: 'ended'; result: TaskResult }
  /** The service goes on by itself, under this token. */
  | { kind: 'accepted'; token: string }
  | { kind: 'retry'; reason: string; retryAfterMs?: number };

/** More than the largest result, since an answer may be written with spaces and escapes that do not count. */
export const MAX_BODY_BYTES = 2 * MAX_JSON_BYTES;

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
