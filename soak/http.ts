import { setTimeout as sleep } from 'node:timers/promises';

export interface Call {
  method: 'GET' | 'POST';
  body?: object;
  bearer?: string;
}

export interface Answered {
  status: number;
  body: unknown;
}

/** Longer than any long poll asked for here. */
const CALL_TIMEOUT_MS = 60_000;
const PAUSE_MS = 100;

/**
 * Calls again and again while nobody is there, as everybody has to whose stack may just have been killed. Resolves with the
 * first answer other than "try again"; rejects once `signal` aborts.
 */
export async function insist(url: string, { method, body, bearer }: Call, signal: AbortSignal): Promise<Answered> {
  const headers = {
    ...(body !== undefined && { 'content-type': 'application/json' }),
    ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
  };
  const init: RequestInit = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) };
  for (;;) {
    signal.throwIfAborted();
    const answered = await once(url, init, signal);
    if (answered !== undefined && answered.status !== 503) return answered;
    await sleep(PAUSE_MS, undefined, { signal });
  }
}

/** Undefined when there was no answer, or half of one. */
async function once(url: string, init: RequestInit, signal: AbortSignal): Promise<Answered | undefined> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(CALL_TIMEOUT_MS)]);
  try {
    const response = await fetch(url, { ...init, signal: limited });
    return { status: response.status, body: await response.json() };
  } catch {
    return undefined;
  }
}
