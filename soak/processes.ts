import { readdir, readFile } from 'node:fs/promises';
import { MARK_VARIABLE } from '../shared/adapters/exec/environment.ts';

/** What /proc tells of processes (proc(5)). On Linux only: elsewhere it tells nothing. */

export interface Usage {
  /** Resident memory in bytes. */
  resident: number;
  /** Open file descriptors. */
  handles: number;
}

/** Undefined when the process is gone. */
export async function usageOf(pid: number): Promise<Usage | undefined> {
  try {
    const [status, handles] = await Promise.all([readFile(`/proc/${pid}/status`, 'utf8'), readdir(`/proc/${pid}/fd`)]);
    const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? [];
    return kibibytes === undefined ? undefined : { resident: Number(kibibytes) * 1024, handles: handles.length };
  } catch {
    return undefined;
  }
}

export interface Command {
  pid: number;
  /** Who launched it for which execution. */
  mark: string;
}

/** The commands, and what they started, that have `variable` in their environment. */
export async function commandsWith(variable: string): Promise<Command[]> {
  const names = await readdir('/proc').catch(() => []);
  const found = await Promise.all(
    names
      .filter(name => /^\d+$/.test(name))
      .map(async (pid): Promise<Command[]> => {
        const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
        const variables = environment.split('\0');
        if (!variables.includes(variable)) return [];
        const mark = variables.find(entry => entry.startsWith(`${MARK_VARIABLE}=`)) ?? '';
        return [{ pid: Number(pid), mark: mark.slice(MARK_VARIABLE.length + 1) }];
      }),
  );
  return found.flat();
}
