import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { startTimeOf } from '../../shared/adapters/exec/identity.ts';
import type { JsonObject } from '../../shared/core/json.ts';
import type { AbnormalStatus } from '../../shared/core/result.ts';
import type { AttemptView } from './client.ts';

/** A file of `samples/` and how it should end. */
export interface Sample {
  name: string;
  expected: string;
  cancel?: true;
  /** Throws what is wrong with how it ended. */
  check(attempt: AttemptView): Promise<void>;
}

export const SAMPLES: readonly Sample[] = [
  {
    name: 'hash-files',
    expected: 'the hashes that the demo computes itself',
    async check(attempt) {
      const files = ['README.md', 'package.json', 'shared/adapters/contract.ts'];
      const hashes = await Promise.all(files.map(async file => [file, await sha256(file)]));
      expectData(attempt, { sha256: Object.fromEntries(hashes) as JsonObject });
    },
  },
  {
    name: 'http-call',
    expected: '10 words',
    check: async attempt => expectData(attempt, { words: 10, characters: 46 }),
  },
  {
    name: 'http-async',
    expected: 'answered later by :notify',
    check: async attempt => expectData(attempt, { scene: 'sunrise', frames: 24, pixels: 49_766_400 }),
  },
  {
    name: 'flaky-command',
    expected: 'two failures, then success',
    async check(attempt) {
      const statuses = attempt.executions.map(({ result }) => statusOf(result));
      if (!isDeepStrictEqual(statuses, ['FAILED', 'FAILED', 'FINISHED'])) throw new Error(`was ${statuses.join(', ')}`);
      expectData(attempt, { succeeded: 3 });
    },
  },
  {
    name: 'overrun',
    expected: 'TIMED_OUT after 2 s, processes gone',
    check: attempt => expectStopped(attempt, 'TIMED_OUT'),
  },
  {
    name: 'cancelled',
    expected: 'CANCELLED, processes gone',
    cancel: true,
    check: attempt => expectStopped(attempt, 'CANCELLED'),
  },
  {
    name: 'simulated-job',
    expected: 'success, value 42',
    check: async attempt => expectData(attempt, { success: true, value: '42' }),
  },
];

/** `FINISHED`, or in which way it ended otherwise. */
export function statusOf(result: AttemptView['result']): AbnormalStatus | 'FINISHED' | undefined {
  if (result === undefined) return undefined;
  return 'data' in result ? 'FINISHED' : result.abnormalFinish.status;
}

function expectData({ state, result }: AttemptView, data: JsonObject): void {
  if (state !== 'FINISHED' || result === undefined || !('data' in result)) throw new Error(`is ${state}`);
  if (!isDeepStrictEqual(result.data, data)) throw new Error(`expected ${JSON.stringify(data)}`);
}

const GONE_WITHIN_MS = 10_000;
const GONE_POLL_MS = 50;

/** Also that nothing is left of the processes, whose numbers are in the log that `infoUrl` names. */
async function expectStopped(attempt: AttemptView, status: AbnormalStatus): Promise<void> {
  if (statusOf(attempt.result) !== status) throw new Error(`is ${statusOf(attempt.result) ?? attempt.state}`);
  const pids = await loggedProcesses(attempt);
  if (pids === undefined) throw new Error('did not log its processes');
  const deadline = Date.now() + GONE_WITHIN_MS;
  for (;;) {
    const alive = await aliveOf(pids);
    if (alive.length === 0) return;
    if (Date.now() > deadline) throw new Error(`processes ${alive.join(', ')} are still there`);
    await sleep(GONE_POLL_MS);
  }
}

/** What a sample that must be stopped says of itself in its log, once it is on its way. */
export async function loggedProcesses({ executions }: AttemptView): Promise<number[] | undefined> {
  const { infoUrl } = executions.at(-1)?.distributor ?? {};
  if (infoUrl === undefined) return undefined;
  const [, pids] = /^processes: ([\d ]+)$/m.exec(await readFile(new URL(infoUrl), 'utf8')) ?? [];
  return pids?.split(' ').map(Number);
}

async function aliveOf(pids: number[]): Promise<number[]> {
  const startTimes = await Promise.all(pids.map(startTimeOf));
  return pids.filter((_, i) => startTimes[i] !== undefined);
}

async function sha256(file: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
}
