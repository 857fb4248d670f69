import { randomBytes } from 'node:crypto';
import type { Clock, Log, LogFields, Random } from '../shared/core/ports.ts';

/** The machine's own time, chance, log and secrets. */

/** setTimeout counts in 31 bits. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  async sleep(milliseconds, signal) {
    for (let left = milliseconds; ; left -= LONGEST_TIMER_MS) {
      await timer(Math.min(left, LONGEST_TIMER_MS), signal);
      if (left <= LONGEST_TIMER_MS) return;
    }
  },
};

/** Most sleeps are cut short; node:timers/promises makes an error with a stack for each of these. */
function timer(milliseconds: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = () => {
    clearTimeout(timeout);
    reject(signal?.reason);
  };
  const timeout = setTimeout(() => {
    signal?.removeEventListener('abort', abort);
    resolve();
  }, milliseconds);
  if (signal?.aborted) abort();
  else signal?.addEventListener('abort', abort, { once: true });
  return promise;
}

export const systemRandom: Random = {
  fraction: () => Math.random(),
  token: bytes => randomBytes(bytes).toString('base64url'),
};

export const LOG_LEVELS = ['info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const SEVERITY: Record<LogLevel, number> = { info: 0, warn: 1, error: 2 };

/** JSON lines with the fields of Cloud Logging (https://cloud.google.com/logging/docs/structured-logging). */
export function createLog(level: LogLevel, write: (line: string) => void): Log {
  const at =
    (own: LogLevel, severity: string) =>
    (message: string, fields: LogFields = {}) => {
      if (SEVERITY[own] < SEVERITY[level]) return;
      write(`${JSON.stringify({ severity, time: new Date().toISOString(), message, ...fields })}\n`);
    };
  return { info: at('info', 'INFO'), warn: at('warn', 'WARNING'), error: at('error', 'ERROR') };
}

/** The value of `env:NAME`. Throws when there is none. */
export function readSecret(reference: string): string {
  const name = /^env:([A-Za-z_][A-Za-z0-9_]*)$/.exec(reference)?.[1];
  const value = name === undefined ? undefined : process.env[name];
  if (value === undefined) throw new Error(`the secret ${reference} is not set in the environment`);
  return value;
}
