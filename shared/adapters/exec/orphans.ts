import type { ExecutionId } from '../../core/ids.ts';
import type { Log } from '../../core/ports.ts';
import type { TaskResult } from '../../core/result.ts';
import { markOf } from './environment.ts';
import { isAlive, killLeftovers, type MarkedProcess } from './identity.ts';
import { ORPHANED } from './outcome.ts';
import type { Records, RunningRecord, StoredRecord } from './records.ts';

export interface Household {
  records: Records;
  log: Log;
}

interface Orphan {
  id: ExecutionId;
  record: RunningRecord;
  version: StoredRecord['version'];
}

/** How an execution stands that has a record. */
export type Standing =
  | { state: 'ended'; result: TaskResult }
  /** Another process of this machine owns it, and lives. */
  | { state: 'elsewhere' }
  /** This very process wrote the record. If it has no job of it, that write failed halfway and the command was never let go. */
  | { state: 'ours' };

/** A process whose owner is gone is ended by whoever asks first. */
export async function standingOf(
  id: ExecutionId,
  { record, version }: StoredRecord,
  { records, log }: Household,
): Promise<Standing> {
  if (record.state === 'exited') return { state: 'ended', result: record.result };
  // A process always finds itself alive.
  if (await isAlive(record.owner)) return { state: record.owner.pid === process.pid ? 'ours' : 'elsewhere' };
  await killOrphans([{ id, record, version }], log);
  return { state: 'ended', result: await records.end(id, ORPHANED, version) };
}

/** Ends all whose owner is gone. Resolves with every execution whose end nobody has asked for yet. */
export async function endOrphans({ records, log }: Household): Promise<ExecutionId[]> {
  const orphans: Orphan[] = [];
  const untold: ExecutionId[] = [];
  for await (const { id, record, version } of records.list()) {
    if (record.state === 'exited') untold.push(...(record.told ? [] : [id]));
    else if (!(await isAlive(record.owner))) orphans.push({ id, record, version });
  }
  await killOrphans(orphans, log);
  for (const { id, version } of orphans) await records.end(id, ORPHANED, version);
  return [...orphans.map(({ id }) => id), ...untold];
}

async function killOrphans(orphans: readonly Orphan[], log: Log): Promise<void> {
  const processes = orphans.map(({ id, record: { owner, pid, startTime } }): MarkedProcess => {
    return { pid, startTime, mark: markOf(owner, id) };
  });
  for (const { pid, mark } of await killLeftovers(processes))
    log.error('a process whose owner is gone cannot be killed', { pid, mark });
}
