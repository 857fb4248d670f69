import { isTransientHttpStatus, TransientError } from '../core/errors.ts';
import { isJsonObject, parseJson } from '../core/json.ts';
import { cut } from '../core/result.ts';
import type { HttpResponse } from './contract.ts';

/** What the answers of services have in common. */

const MAX_EXCERPT_CHARACTERS = 500;
/** A service that names a time further away than this is asked again earlier. */
const MAX_RETRY_AFTER_MS = 60 * 60_000;

/** An answer that will not get better by asking again. It carries the HTTP status, by which missing credentials are recognised. */
export class HttpStatusError extends Error {
  override name = 'HttpStatusError';
  readonly status: number;
  /** The name of a google.rpc.Code, where the service gives one. */
  readonly code: string | undefined;

  constructor(message: string, status: number, code?: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export function isSuccess(status: number): boolean {
  return status >= 200 && status <= 299;
}

/** The error that an answer without success is: transient, with what the service asks us to wait, or final. */
export function errorOf(what: string, response: HttpResponse, now: number): Error {
  const { status, body } = response;
  const { code, text } = explanation(body);
  const message = `${what} answered ${status}${text}`;
  // A redirect says nothing about the job. ABORTED is a conflict that passes, and 409 (google/rpc/code.proto).
  if (status >= 400 && !isTransientHttpStatus(status) && code !== 'ABORTED')
    return new HttpStatusError(message, status, code);
  const retryAfterMs = retryAfter(response, now);
  return new TransientError(message, retryAfterMs === undefined ? {} : { retryAfterMs });
}

/** Google's errors (https://google.aip.dev/193) say more by their message than by their JSON. */
function explanation(body: string): { code?: string; text: string } {
  const answer = parseJson(body);
  const error = isJsonObject(answer) ? answer.error : undefined;
  if (!isJsonObject(error) || typeof error.message !== 'string') return { text: excerpt(body) };
  const text = excerpt(error.message);
  return typeof error.status === 'string' ? { code: error.status, text: `${text} (${error.status})` } : { text };
}

/** `: ` and the beginning of a text, on one line; nothing when there is none. */
export function excerpt(body: string): string {
  const text = cut(body.replaceAll(/\s+/g, ' ').trim(), MAX_EXCERPT_CHARACTERS);
  return text === '' ? '' : `: ${text}`;
}

/** RFC 9110 §10.2.3: seconds, or a date. */
export function retryAfter({ headers }: HttpResponse, now: number): number | undefined {
  const text = headers['retry-after'];
  if (text === undefined) return undefined;
  const milliseconds = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isNaN(milliseconds) ? undefined : Math.min(Math.max(milliseconds, 0), MAX_RETRY_AFTER_MS);
}
