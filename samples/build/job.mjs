// The calls of an interactive job in Node 18 or newer. What each of them means: docs/interactive-jobs.md.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

const TRIES = 8;
const CALL_TIMEOUT_MS = 60_000;

const { EXECUTION_URL, ACTIVATION_TOKEN } = process.env;
/** Of our own choice. Whoever activates first has the execution to himself. */
const executionToken = randomBytes(32).toString('base64url');

export const activate = () => call('activate', ACTIVATION_TOKEN, { executionToken });
export const ensureGraphData = request => call('ensureGraphData', executionToken, request);
export const finish = data => call('finish', executionToken, { data });

/** Repeats the call until it is answered, since its effect is the same however often it arrives. */
async function call(method, token, body) {
  for (let tries = 1; ; tries++) {
    const { answer, problem, isFinal } = await post(`${EXECUTION_URL}:${method}`, token, body);
    if (answer !== undefined) return answer;
    if (isFinal || tries === TRIES) throw new Error(`${method}: ${problem}`);
    await sleep(Math.min(1000 * 2 ** (tries - 1), 30_000));
  }
}

async function post(url, token, body) {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
    });
    if (response.ok) return { answer: await response.json() };
    const isFinal = response.status < 500 && response.status !== 408 && response.status !== 429;
    return { problem: await response.text(), isFinal };
  } catch (error) {
    return { problem: String(error.cause ?? error), isFinal: false };
  }
}
