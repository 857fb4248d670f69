import type { ExecutionId } from '../../core/ids.ts';
import type { Log } from '../../core/ports.ts';
import type { TaskResult } from '../../core/result.ts';
import { markOf } from './environment.ts';
import { killLeftovers, type ProcessIdentity } from './identity.ts';
import { ORPHANED } from './outcome.ts';
import type { ProcessRecord, Records, RunningRecord, StoredRecord } from './records.ts';

export interface Household {
  /** Names this life of the stack: a process that was recorded under another name has lost its parent. */
  boot: string;
  records: Records;
  log: Log;
}

interface Orphan {
  id: ExecutionId;
  record: RunningRecord;
  version: StoredRecord['version'];
}

/**
 * How an execution ended that this process has no job of. `undefined`: its record was written by this very process, whose
 * write failed halfway, so that the command was never let go.
 */
export async function endingOf(
  id: ExecutionId,
  { record, version }: StoredRecord,
  household: Household,
): Promise<TaskResult | undefined> {
  if (record.state === 'exited') return record.result;
  if (!isOrphan(record, household.boot)) return undefined;
  await killOrphans([{ id, record, version }], household.log);
  return household.records.end(id, ORPHANED, version);
}

/** Ends all that an earlier life of the stack has left. Resolves with every execution whose end nobody has asked for yet. */
export async function endOrphans({ boot, records, log }: Household): Promise<ExecutionId[]> {
  const orphans: Orphan[] = [];
  const untold: ExecutionId[] = [];
  for await (const { id, record, version } of records.list()) {
    if (isOrphan(record, boot)) orphans.push({ id, record, version });
    else if (record.state === 'exited' && !record.told) untold.push(id);
  }
  await killOrphans(orphans, log);
  for (const { id, version } of orphans) await records.end(id, ORPHANED, version);
  return [...orphans.map(({ id }) => id), ...untold];
}

function isOrphan(record: ProcessRecord, boot: string): record is RunningRecord {
  return record.state === 'running' && record.boot !== boot;
}

async function killOrphans(orphans: readonly Orphan[], log: Log): Promise<void> {
  const processes = orphans.map(({ id, record: { boot, pid, startTime } }): ProcessIdentity => {
    return { pid, startTime, mark: markOf(boot, id) };
  });
  for (const { pid, mark } of await killLeftovers(processes))
    log.error('a process of an earlier stack cannot be killed', { pid, mark });
}
