import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AttemptId, ExecutionId } from '../shared/core/ids.ts';
import type { Finding } from './audit.ts';
import { type Client, Refused, type ShownAttempt } from './client.ts';
import type { JobRecord } from './work.ts';

/** Reads at the same time. */
const CONCURRENCY = 16;
const PAUSE_MS = 500;
/** A job that nobody has to stop any more ends by itself by then, or not at all. */
const JOBS_END_WITHIN_MS = 10_000;

/** Every attempt that there is, read again until it is settled and no job is left; at the latest when `signal` aborts. */
export async function collectAttempts(
  client: Client,
  jobs: ReadonlyMap<ExecutionId, JobRecord>,
  signal: AbortSignal,
): Promise<Map<AttemptId, ShownAttempt>> {
  const attempts = new Map<AttemptId, ShownAttempt>();
  const unsettled = new Set(await client.list());
  let settledAt: number | undefined;
  while (!signal.aborted) {
    const ids = [...unsettled];
    const read = async () => {
      for (let id = ids.pop(); id !== undefined; id = ids.pop()) {
        const attempt = await client.get(id).catch(ifRefused);
        if (attempt !== undefined) attempts.set(id, attempt);
        if (attempt === undefined || isSettled(attempt)) unsettled.delete(id);
      }
    };
    // When time is up, what was read until then has to do.
    await Promise.all(Array.from({ length: CONCURRENCY }, read)).catch(() => undefined);
    if (unsettled.size === 0) settledAt ??= performance.now();
    const isTimeUp = settledAt !== undefined && performance.now() - settledAt > JOBS_END_WITHIN_MS;
    const haveJobsEnded = [...jobs.values()].every(({ end }) => end !== undefined);
    if (settledAt !== undefined && (haveJobsEnded || isTimeUp)) break;
    await sleep(PAUSE_MS);
  }
  return attempts;
}

/** One that the list names and that cannot be read: the audit finds it missing. */
function ifRefused(error: unknown): undefined {
  if (!(error instanceof Refused)) throw error;
}

function isSettled({ result, executions }: ShownAttempt): boolean {
  return result !== undefined && executions.every(one => one.result !== undefined && one.stoppingJobs === undefined);
}

/** What a store that nobody has open is still meant to do. */
export function readOwed(databaseFile: string): Finding[] {
  const database = new DatabaseSync(databaseFile, { readOnly: true });
  try {
    const owed = database.prepare('SELECT id, wake_at AS at FROM documents WHERE wake_at IS NOT NULL').all();
    const dead = database.prepare('SELECT id, channel, error FROM dead_letters').all();
    return [
      ...(owed as { id: string; at: number }[]).map(({ id, at }) => ({
        id,
        why: `has a wakeAt: ${new Date(at).toISOString()}`,
      })),
      ...(dead as { id: number; channel: string; error: string }[]).map(({ id, channel, error }) => ({
        id: `delivery ${id}`,
        why: `was given up (${channel}): ${error}`,
      })),
    ];
  } finally {
    database.close();
  }
}
