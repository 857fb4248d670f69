import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CALL_BACKOFF, equalJitter } from '../../core/backoff.ts';
import { InvalidArgument, isTransient, messageOf, TransientError } from '../../core/errors.ts';
import type { ExecutionId } from '../../core/ids.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Version } from '../../core/ports.ts';
import { finished, running, type TaskStatus } from '../../core/result.ts';
import type { Services } from '../contract.ts';
import { markOf } from './environment.ts';
import { type GatedCommand, type GatedProcess, spawnGated } from './gate.ts';
import { startTimeOf } from './identity.ts';
import { type Household, standingOf } from './orphans.ts';
import { resultOf, type StopReason } from './outcome.ts';
import { openLogFile } from './output.ts';

const MAX_LOG_BYTES = 64 * 1024 * 1024;

export interface Launch extends GatedCommand {
  logPath: string;
  previousState: { path: string; value: JsonObject } | undefined;
}

export interface JobOptions extends Household {
  executionId: ExecutionId;
  /** Called only if the command has not run before. May throw. */
  describe: (mark: string) => Launch;
  /** From TERM to KILL. */
  graceMs: number;
  services: Services;
  /** Aborted when this process is about to end. */
  shutdown: AbortSignal;
}

/** One child of this process, from before its spawn until its end is on record. */
export interface Job {
  /** Resolves when the command was let go, or is known to have run before; rejects when it was not let go. */
  started: Promise<TaskStatus>;
  /** Resolves when nothing is left to do. Never rejects. */
  ended: Promise<void>;
  stop(reason: StopReason): void;
  /** At once, for a process that is about to exit: its end is not recorded. */
  kill(): void;
}

/**
 * Spawns a gate, records it, then opens it: whatever fails in between, the gate ends without becoming the command. Of two
 * processes that begin the same execution only one can write the record.
 */
export function startJob(options: JobOptions): Job {
  const { executionId: id, records, services, shutdown } = options;
  const { clock, log } = services;
  const over = new AbortController();
  let child: GatedProcess | undefined;
  let stopReason: StopReason | undefined;
  let followed = Promise.resolve();

  async function begin(): Promise<TaskStatus> {
    const stored = await records.read(id);
    const standing = stored && (await standingOf(id, stored, options));
    if (standing?.state === 'ended') return finished(standing.result);
    // Its owner is asked again, or is gone by then.
    if (standing?.state === 'elsewhere') throw new TransientError('another process runs it');
    const owner = { pid: process.pid, startTime: await ownStartTime() };
    const launch = options.describe(markOf(owner, id));
    try {
      child = await spawnChild(launch);
      const { pid, startTime } = child;
      if (startTime === undefined) throw new TransientError('the process ended before it was recorded');
      const version = await records.write(id, { state: 'running', owner, pid, startTime }, stored?.version);
      followed = follow(child, launch, version);
    } catch (error) {
      child?.signal('SIGKILL');
      await cleanUp(launch);
      throw beginError(error);
    }
    if (stopReason === undefined) child.open();
    else child.signal('SIGKILL');
    return running();
  }

  async function follow({ ended }: GatedProcess, launch: Launch, version: Version): Promise<void> {
    const exit = await ended;
    await cleanUp(launch);
    const result = resultOf(exit, stopReason);
    await insist(() => records.end(id, result, version));
    await insist(() => services.enqueueTask({ executionId: id, payload: {} }));
  }

  /** What is not on record by the end of this process counts as crashed, and is told by the next. */
  async function insist(operation: () => Promise<unknown>): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await operation();
        return;
      } catch (error) {
        log.warn('the end of a process could not be recorded', { execution: id, error: messageOf(error) });
        if (shutdown.aborted || !isTransient(error)) return;
      }
      await clock.sleep(equalJitter(CALL_BACKOFF, tries, services.random()), shutdown).catch(() => undefined);
    }
  }

  const started = begin();
  return {
    started,
    ended: started
      .then(
        () => followed,
        () => undefined,
      )
      .finally(() => over.abort()),
    stop(reason) {
      if (stopReason !== undefined || child?.hasExited()) return;
      stopReason = reason;
      child?.signal('SIGTERM');
      void clock.sleep(options.graceMs, over.signal).then(
        () => child?.signal('SIGKILL'),
        () => undefined,
      );
    },
    kill: () => child?.signal('SIGKILL'),
  };
}

async function ownStartTime(): Promise<string> {
  const startTime = await startTimeOf(process.pid);
  if (startTime === undefined) throw new TransientError('this process cannot tell when it started');
  return startTime;
}

async function spawnChild(launch: Launch): Promise<GatedProcess> {
  if (launch.previousState !== undefined) {
    const { path, value } = launch.previousState;
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(path, JSON.stringify(value), { mode: 0o600 });
  }
  const log = await openLogFile(launch.logPath, MAX_LOG_BYTES);
  return spawnGated(launch, log).catch(async (error: unknown) => {
    await log.close();
    throw error;
  });
}

async function cleanUp({ previousState }: Launch): Promise<void> {
  if (previousState !== undefined) await rm(previousState.path, { force: true }).catch(() => undefined);
}

const CWD = ['cwd', 'is not a directory that can be entered'] as const;

/** System errors that are the quest's fault. The shell is always there, so what cannot be entered is the directory. */
const REFUSALS: Readonly<Record<string, readonly [field: string, description: string]>> = {
  ENOENT: CWD,
  ENOTDIR: CWD,
  EACCES: CWD,
  ELOOP: CWD,
  ENAMETOOLONG: CWD,
  E2BIG: ['command', 'is too long for this machine, together with its environment'],
};

function beginError(error: unknown): Error {
  const { code = '', syscall = '' } = error as NodeJS.ErrnoException;
  const refusal = syscall.startsWith('spawn') ? REFUSALS[code] : undefined;
  if (refusal !== undefined) return new InvalidArgument(`distributorParameters.${refusal[0]}`, refusal[1]);
  return new TransientError(`the process could not be started: ${messageOf(error)}`, { cause: error });
}
