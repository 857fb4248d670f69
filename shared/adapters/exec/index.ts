import { ApiError, TransientError } from '../../core/errors.ts';
import type { ExecutionId } from '../../core/ids.ts';
import { finished, running, type TaskStatus } from '../../core/result.ts';
import type { Distributor, DistributorType, Notification, Services, TaskDescription } from '../contract.ts';
import { type Environment, environmentOf, inheritedFrom } from './environment.ts';
import { filesIn, tokenOf } from './files.ts';
import { type Job, type Launch, startJob } from './job.ts';
import { endOrphans, type Household, standingOf } from './orphans.ts';
import { STOPPED } from './outcome.ts';
import { configSchema, type ExecConfig, graceMsOf, parametersOf } from './parameters.ts';
import { createRecords, type Records, type StoredRecord } from './records.ts';

export interface ExecOptions {
  /** For logs of commands and files handed to them. */
  directory: string;
  /** The stack's own; a command gets PATH, HOME, LANG, TMPDIR and USER of it. */
  environment: Readonly<Record<string, string | undefined>>;
}

export interface ExecType extends DistributorType<ExecConfig> {
  recover(services: Services): Promise<Notification[]>;
  /** Stops all that runs and resolves when its end is on record. Nothing is started from then on. */
  close(): Promise<void>;
  /** For a process that exits without waiting: kills all that runs. Who asks later finds that it has crashed. */
  kill(): void;
}

/**
 * Runs a command as a child of this process, so it is for one machine only. Several processes of it may share their
 * documents: each can tell how any execution stands, and its owner alone stops it. When the owner is gone, its commands
 * are killed and CRASHED.
 */
export function createExecType({ directory, environment }: ExecOptions): ExecType {
  const files = filesIn(directory);
  const inherited = inheritedFrom(environment);
  const jobs = new Map<ExecutionId, Job>();
  const shutdown = new AbortController();

  function householdOf({ documents, clock, log }: Services): Household {
    return { records: createRecords(documents, clock), log };
  }

  function create(config: ExecConfig, services: Services): Distributor {
    const household = householdOf(services);
    const { records } = household;

    function describe(task: TaskDescription, mark: string): Launch {
      const { command, cwd, env } = parametersOf(task.quest);
      const token = tokenOf(task.executionId);
      const previousState = task.previousState && { path: files.previousState(token), value: task.previousState };
      return {
        command,
        cwd,
        env: {
          ...inherited,
          ...resolveSecrets(config.env ?? {}, services),
          ...env,
          ...environmentOf(task, mark, previousState?.path),
        },
        input: `${JSON.stringify(task.quest.parameters)}\n`,
        logPath: files.log(token),
        previousState,
      };
    }

    function start(task: TaskDescription): Job {
      const { executionId } = task;
      if (shutdown.signal.aborted) throw new TransientError('the stack is stopping');
      const job = startJob({
        ...household,
        executionId,
        describe: mark => describe(task, mark),
        graceMs: graceMsOf(config),
        services,
        shutdown: shutdown.signal,
      });
      // Before anything is awaited, so that a call at the same time finds it; one after a failure must not.
      jobs.set(executionId, job);
      const forget = () => jobs.delete(executionId);
      void job.started.then(() => job.ended.then(forget), forget);
      return job;
    }

    async function statusOf(id: ExecutionId): Promise<TaskStatus> {
      // Asked first: a job that is gone when the record has been read may have ended in between.
      const isJob = jobs.has(id);
      const stored = await records.read(id);
      const standing = stored && (await standingOf(id, stored, household));
      if (standing?.state === 'ended') {
        await markTold(records, id, stored!);
        return finished(standing.result);
      }
      if (isJob || standing?.state === 'elsewhere') return running();
      throw new ApiError('NOT_FOUND', 'no such process');
    }

    return {
      async run(task) {
        const job = jobs.get(task.executionId) ?? start(task);
        return { token: tokenOf(task.executionId), status: await job.started };
      },

      async cancel({ executionId: id }) {
        const job = jobs.get(id);
        if (job !== undefined) {
          job.stop('cancelled');
          await job.started;
          return;
        }
        const stored = await records.read(id);
        const standing = stored && (await standingOf(id, stored, household));
        if (standing?.state === 'ended') return;
        if (standing?.state === 'elsewhere') throw new TransientError('another process runs it, and has to stop it');
        // A `run` that comes later, or is about to write its record, finds the end and lets nothing go.
        await records.end(id, STOPPED.cancelled, stored?.version);
      },

      getStatus: ({ executionId }) => statusOf(executionId),
      infoUrl: token => files.logUrl(token),
      handleNotification: ({ executionId }) => statusOf(executionId),
      handleTaskQueueTask: async ({ executionId }) => (executionId === undefined ? [] : [endOf(executionId)]),
      validate: quest => void parametersOf(quest),
    };
  }

  return {
    type: 'exec',
    modes: ['unattended', 'interactive'],
    configSchema,
    create,

    async recover(services) {
      return (await endOrphans(householdOf(services))).map(endOf);
    },

    async close() {
      shutdown.abort();
      for (const job of jobs.values()) job.stop('shutdown');
      await Promise.all([...jobs.values()].map(job => job.ended));
    },

    kill() {
      for (const job of jobs.values()) job.kill();
    },
  };
}

/** A hint only: how it ended is on record. */
function endOf(executionId: ExecutionId): Notification {
  return { executionId, data: '{}', attributes: {} };
}

function resolveSecrets(variables: Environment, services: Services): Environment {
  const resolve = (value: string) => (value.startsWith('env:') ? services.secret(value) : value);
  return Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, resolve(value)]));
}

/** Spares a duplicate after the next restart, no more: so it may fail. */
async function markTold(records: Records, id: ExecutionId, { record, version }: StoredRecord): Promise<void> {
  if (record.state !== 'exited' || record.told) return;
  await records.write(id, { ...record, told: true }, version).catch(() => undefined);
}
