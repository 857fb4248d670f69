import { isTransientHttpStatus, TransientError } from '../../core/errors.ts';
import type { HttpClient, TaskDescription } from '../contract.ts';
import { MAX_ANSWER_BYTES } from './ask.ts';

/** What a job may call, what it waits for an answer, and how much of that it reads. */
const VERBS = {
  activate: { timeoutMs: 30_000, maxBytes: 64 * 1024 },
  finish: { timeoutMs: 30_000, maxBytes: 64 * 1024 },
  /** Ten thousand attempts take their time; what a call has not done when it is cut off, its repetition goes on with. */
  ensureGraphData: { timeoutMs: 2 * 60_000, maxBytes: MAX_ANSWER_BYTES },
};

/** ensureGraphData: the same job, handled twice at once, has asked for something else meanwhile. */
const SUPERSEDED = 409;

export type CallJobFunction = (
  task: TaskDescription,
  verb: keyof typeof VERBS,
  bearer: string,
  body: object,
) => Promise<string>;

/** Calls the `job` function; resolves with its answer. Rejects with TransientError, or with another Error if it is refused. */
export function createJobFunction(http: HttpClient): CallJobFunction {
  return async ({ executionUrl }, verb, bearer, body) => {
    const {
      status,
      body: answer,
      truncated,
    } = await http.request({
      url: `${executionUrl}:${verb}`,
      method: 'POST',
      headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      allowedHosts: [new URL(executionUrl).host],
      ...VERBS[verb],
    });
    const answered = `${verb}: the job function answered ${status}`;
    if (isTransientHttpStatus(status) || (verb === 'ensureGraphData' && status === SUPERSEDED))
      throw new TransientError(answered);
    if (status < 200 || status > 299) throw new Error(answered);
    if (truncated && verb === 'ensureGraphData')
      throw new Error(`${answered} with more than ${MAX_ANSWER_BYTES} bytes`);
    return answer;
  };
}
