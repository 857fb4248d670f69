import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ExecutionId, isExecutionId } from '../shared/core/ids.ts';
import { isJsonObject, parseJson } from '../shared/core/json.ts';
import { createRecord, type JobRecord } from './work.ts';

/** Commands keep their own record in files of their folder: a line when they start, a line with their result. */

const START = 'echo "$EXECUTION_ID" >> started';
const COMPLETE = String.raw`line="{\"execution\": \"$EXECUTION_ID\", \"receipt\": \"$$ $EXECUTION_MARK\"}"
echo "$line" >> completed; echo "$line"`;

export const COMMANDS = {
  succeed: (seconds: string) => `${START}; sleep ${seconds}; ${COMPLETE}`,
  fail: (seconds: string) => `${START}; sleep ${seconds}; exit 3`,
} as const;

/** What the commands of a folder have left. */
export function readCommands(folder: string): Map<ExecutionId, JobRecord> {
  const records = new Map<ExecutionId, JobRecord>();
  const recordOf = (id: ExecutionId) => {
    const record = records.get(id) ?? createRecord();
    records.set(id, record);
    return record;
  };
  for (const id of linesOf(join(folder, 'started'))) if (isExecutionId(id)) recordOf(id).starts += 1;
  for (const line of linesOf(join(folder, 'completed'))) {
    const data = parseJson(line);
    if (isJsonObject(data) && typeof data.execution === 'string' && isExecutionId(data.execution))
      recordOf(data.execution).completions.push(data);
  }
  // A command whose stack is gone tells nobody how it ended; whether one is left, the processes themselves say.
  for (const record of records.values()) record.end = { data: {} };
  return records;
}

function linesOf(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
}
