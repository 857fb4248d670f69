import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { MARK_VARIABLE, markPrefixOf } from './environment.ts';

/** A number alone does not name a process, because it is used again. */
export interface ProcessIdentity {
  pid: number;
  startTime: string;
}

export interface MarkedProcess extends ProcessIdentity {
  /** In the environment of the process and of its descendants. */
  mark: string;
}

const ROUND_MS = 20;
const ROUNDS = 250;

const onLinux = process.platform === 'linux';

/** When the process started, in the system's own terms; `undefined` when it does not run. */
export function startTimeOf(pid: number): Promise<string | undefined> {
  return (onLinux ? startTimeOnLinux(pid) : startTimeByPs(pid)).catch(() => undefined);
}

export async function isAlive({ pid, startTime }: ProcessIdentity): Promise<boolean> {
  return (await startTimeOf(pid)) === startTime;
}

/** proc(5), /proc/pid/stat: field 3 is the state, field 22 the start in clock ticks since boot. */
async function startTimeOnLinux(pid: number): Promise<string | undefined> {
  const [boot, stat] = await Promise.all([
    readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    readFile(`/proc/${pid}/stat`, 'utf8'),
  ]);
  // Field 2 is the program's name in parentheses, which may hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, ticks] = [fields[0], fields[19]];
  return state === 'Z' || state === 'X' ? undefined : `${boot.trim()}/${ticks}`;
}

async function startTimeByPs(pid: number): Promise<string | undefined> {
  const env = { PATH: '/bin:/usr/bin', LC_ALL: 'C', TZ: 'UTC' };
  const { stdout } = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)], { env });
  return stdout.trim() === '' ? undefined : stdout.trim();
}

export function signalGroup(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  kill(-pid, signal);
}

/**
 * Kills what is left of these processes, with their groups, and waits until they are gone; a few seconds at most.
 * Resolves with those that are not.
 */
export async function killLeftovers(processes: readonly MarkedProcess[]): Promise<MarkedProcess[]> {
  let left = [...processes];
  for (let round = 0; left.length > 0 && round < ROUNDS; round++) {
    if (round > 0) await delay(ROUND_MS);
    const marked = await pidsByMark();
    const targets = await Promise.all(
      left.map(async identity => {
        const leads = await isAlive(identity);
        return { identity, targets: [...(leads ? [-identity.pid] : []), ...(marked.get(identity.mark) ?? [])] };
      }),
    );
    for (const target of targets.flatMap(({ targets: some }) => some)) kill(target, 'SIGKILL');
    left = targets.filter(({ targets: some }) => some.length > 0).map(({ identity }) => identity);
  }
  return left;
}

/** Kills all that a process launched which is gone itself, without asking any record. On Linux only. */
export async function killCommandsOf(owner: ProcessIdentity): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const marked = [...(await pidsByMark())].filter(([mark]) => mark.startsWith(markPrefixOf(owner)));
    if (marked.length === 0) return;
    for (const pid of marked.flatMap(([, pids]) => pids)) kill(pid, 'SIGKILL');
    await delay(ROUND_MS);
  }
}

/** The processes that carry a mark, also those whose leader is gone. On Linux only: elsewhere nobody can be asked. */
async function pidsByMark(): Promise<Map<string, number[]>> {
  const byMark = new Map<string, number[]>();
  if (!onLinux) return byMark;
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name)).map(Number);
  for (const pid of pids) {
    // Gone meanwhile, or somebody else's.
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    const mark = environment
      .split('\0')
      .find(entry => entry.startsWith(`${MARK_VARIABLE}=`))
      ?.slice(MARK_VARIABLE.length + 1);
    // A command may start the stack that now looks for it.
    if (mark !== undefined && pid !== process.pid) byMark.set(mark, [...(byMark.get(mark) ?? []), pid]);
  }
  return byMark;
}

function kill(target: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(target, signal);
  } catch {
    // Gone, or not ours to end.
  }
}
