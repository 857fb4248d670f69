import { z } from 'zod';
import { isTransient, messageOf, TransientError } from '../core/errors.ts';
import { type JsonObject, parseJson } from '../core/json.ts';
import type { HttpResponse, Services } from './contract.ts';
import { errorOf, excerpt, isSuccess } from './http-answer.ts';
import { strike } from './strike.ts';

/** Calls to an executor's REST API: JSON in, JSON out. */
export interface Rest {
  /**
   * Resolves with the answer, which fits the schema. Rejects with TransientError for network errors, time-outs, 408, 429,
   * 5xx and an answer that is not what it should be (it says nothing about the job), with HttpStatusError for other 4xx.
   */
  call<T>(call: RestCall, schema: z.ZodType<T>): Promise<T>;
}

export interface RestCall {
  method: 'GET' | 'POST' | 'DELETE';
  /** Appended to the endpoint; its variable parts are encoded already. */
  path: string;
  /** What is undefined is left out. */
  query?: Readonly<Record<string, string | undefined>>;
  body?: JsonObject;
  /** What the request holds that must not come back in an error; its authorization is one without saying so. */
  secrets?: readonly string[];
  /** See HttpRequest. */
  once?: boolean;
}

/** More than is read of an answer: asking for less may help, asking again will not. */
export class AnswerTooLarge extends TransientError {
  override name = 'AnswerTooLarge';
}

export interface RestOptions {
  services: Pick<Services, 'http' | 'clock' | 'log' | 'random'>;
  /** Without a slash at its end. */
  endpoint: string;
  /** The value of the Authorization header, asked for at each call; none when it resolves with undefined. */
  authorization(): Promise<string | undefined>;
  /** Undoes what a protocol adds to its JSON. */
  decode?(response: HttpResponse): HttpResponse;
}

/** Of our own APIs' lists and of a job with its outputs, by far. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
/** Less than the engine gives a poll, so that what is reported says which call it was. */
const TIMEOUT_MS = 25_000;

/** Where an API is: https, and http for loopback on one machine only (the HTTP client sees to that). */
export const endpointSchema = z
  .url({ protocol: /^https?$/, error: 'must be an https URL', abort: true })
  .refine(text => {
    const { search, hash, username, password } = new URL(text);
    return search + hash + username + password === '';
  }, 'must be a plain URL, without credentials, query or fragment')
  .transform(text => text.replace(/\/+$/, ''));

export function createRest({ services, endpoint, authorization, decode = response => response }: RestOptions): Rest {
  const { http, clock, log } = services;
  const { host } = new URL(endpoint);

  return {
    async call({ method, path, query = {}, body, secrets = [], once = false }, schema) {
      const requestId = Math.floor(services.random() * 2 ** 32)
        .toString(16)
        .padStart(8, '0');
      const parameters = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
      const search = parameters.length === 0 ? '' : `?${new URLSearchParams(parameters).toString()}`;
      const what = `${method} ${endpoint}${path}`;
      const startedAt = clock.now();
      try {
        const token = await authorization();
        const response = decode(
          await http.request({
            method,
            url: `${endpoint}${path}${search}`,
            headers: {
              accept: 'application/json',
              'x-request-id': requestId,
              ...(token !== undefined && { authorization: token }),
              ...(body !== undefined && { 'content-type': 'application/json' }),
            },
            ...(body !== undefined && { body: JSON.stringify(body) }),
            allowedHosts: [host],
            timeoutMs: TIMEOUT_MS,
            maxBytes: MAX_ANSWER_BYTES,
            once,
          }),
        );
        const heard = { ...response, body: strike(response.body, [...secrets, token ?? '']) };
        if (!isSuccess(heard.status)) throw errorOf(what, heard, clock.now());
        return parseAnswer(what, heard, schema);
      } catch (error) {
        // The other side's logs can be searched for the id.
        const severity = isTransient(error) ? 'warn' : 'info';
        log[severity]('a call of an executor failed', {
          requestId,
          ms: clock.now() - startedAt,
          error: messageOf(error),
        });
        throw error;
      }
    },
  };
}

function parseAnswer<T>(what: string, { status, body, truncated }: HttpResponse, schema: z.ZodType<T>): T {
  if (truncated) throw new AnswerTooLarge(`${what} answered ${status} with more than ${MAX_ANSWER_BYTES} bytes`);
  const answer = parseJson(body === '' ? '{}' : body);
  if (answer === undefined)
    throw new TransientError(`${what} answered ${status} with what is not JSON${excerpt(body)}`);
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.map(String).join('.') || 'the answer';
  throw new TransientError(
    `${what} answered ${status} with something else: ${field}: ${issue?.message}${excerpt(body)}`,
  );
}

const CLOUD_PLATFORM = 'https://www.googleapis.com/auth/cloud-platform';

/** As the identity that we run under. */
export function asOurselves(
  services: Pick<Services, 'accessToken'>,
  scope = CLOUD_PLATFORM,
): RestOptions['authorization'] {
  return async () => `Bearer ${await services.accessToken(scope)}`;
}
