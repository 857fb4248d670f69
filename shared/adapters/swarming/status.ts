import { z } from 'zod';
import { type AbnormalStatus, abnormal, finished, pending, running, type TaskStatus } from '../../core/result.ts';
import type { JsonObject } from '../../core/json.ts';
import { oneLine, told } from '../remote-text.ts';

/**
 * What Swarming says of a task, in ours. Fields and states are those of TaskResultResponse and TaskState:
 * https://github.com/luci/luci-go/blob/main/swarming/proto/api_v2/swarming.proto. Answers are proto3 JSON: zeros are left out,
 * and an int64 is a string.
 */

const int64 = z.union([z.string().regex(/^-?\d{1,19}$/), z.int()]).transform(Number);

const casReference = z.object({
  casInstance: z.string(),
  digest: z.object({ hash: z.string(), sizeBytes: int64.default(0) }),
});
const cipdPackage = z.object({ packageName: z.string(), version: z.string(), path: z.string().default('.') });
export const pinsSchema = z.array(cipdPackage);

/**
 * 63 bits, then 0 for a task as a whole (one of its runs has another digit there):
 * https://github.com/luci/luci-go/blob/main/swarming/server/model/taskid.go. One bad id and a whole batch is refused.
 */
export function isTaskId(text: string): boolean {
  return /^[0-7]?[0-9a-f]{1,15}0$/.test(text);
}

export const taskResultSchema = z.object({
  taskId: z.string(),
  /** A number where the server's JSON does not know the name. */
  state: z.union([z.string(), z.int()]).transform(String).default('INVALID'),
  exitCode: int64.default(0),
  failure: z.boolean().default(false),
  internalFailure: z.boolean().default(false),
  tags: told(z.array(z.string())),
  botId: told(z.string()),
  duration: told(z.number()),
  dedupedFrom: told(z.string()),
  casOutputRoot: told(casReference),
  cipdPins: told(z.object({ packages: pinsSchema })),
  missingCas: told(z.array(casReference)),
  missingCipd: told(z.array(cipdPackage)),
});
export type TaskResult = z.infer<typeof taskResultSchema>;

/** Every TaskState. INVALID, the zero, is "do not use". */
const STATES: ReadonlyMap<string, (task: TaskResult) => TaskStatus> = new Map([
  ['PENDING', pending],
  ['RUNNING', running],
  ['COMPLETED', completed],
  ['EXPIRED', ended('EXPIRED', () => 'no bot took it in time: the pool is busy or too small')],
  ['NO_RESOURCE', ended('EXPIRED', () => 'no bot that is alive has the dimensions that it asks for')],
  [
    'TIMED_OUT',
    ended('TIMED_OUT', ({ botId }) => `it ran too long or was silent too long, and was stopped${onBot(botId)}`),
  ],
  ['BOT_DIED', ended('CRASHED', ({ botId }) => `the bot died or had an internal failure${onBot(botId)}`)],
  ['CANCELED', ended('CANCELLED', () => 'it was cancelled at Swarming before it ran')],
  ['KILLED', ended('CANCELLED', ({ botId }) => `it was cancelled at Swarming while it ran${onBot(botId)}`)],
  ['CLIENT_ERROR', ended('REJECTED', task => `its inputs cannot be had${missingInputs(task)}`)],
]);

export function statusOf(task: TaskResult): TaskStatus {
  const unknown = ended(
    'RESULT_MALFORMED',
    ({ state }) => `its state is "${oneLine(state)}", which nobody here has heard of`,
  );
  return (STATES.get(task.state) ?? unknown)(task);
}

function completed(task: TaskResult): TaskStatus {
  const { exitCode, failure, internalFailure, botId } = task;
  if (internalFailure) return ended('CRASHED', () => `it completed with an internal failure${onBot(botId)}`)(task);
  if (failure || exitCode !== 0) return ended('FAILED', () => `it exited with code ${exitCode}${onBot(botId)}`)(task);
  return finished({ data: dataOf(task) });
}

function ended(status: AbnormalStatus, reasonOf: (task: TaskResult) => string): (task: TaskResult) => TaskStatus {
  return task => finished(abnormal(status, `task ${oneLine(task.taskId)}: ${reasonOf(task)}`));
}

const MAX_PINS_BYTES = 64 * 1024;
const MAX_MISSING = 10;

function onBot(botId: string | null | undefined): string {
  return botId ? ` (bot ${oneLine(botId)})` : '';
}

function missingInputs({ missingCas, missingCipd }: TaskResult): string {
  const packages = (missingCipd ?? []).map(
    one => `CIPD package ${oneLine(one.packageName)} at ${oneLine(one.version)}`,
  );
  const files = (missingCas ?? []).map(
    ({ casInstance, digest }) => `${oneLine(digest.hash)} in ${oneLine(casInstance)}`,
  );
  const missing = [...packages, ...files];
  if (missing.length === 0) return '';
  const more = missing.length > MAX_MISSING ? `, and ${missing.length - MAX_MISSING} more` : '';
  return `: missing ${missing.slice(0, MAX_MISSING).join(', ')}${more}`;
}

/** The persistent state. `cipdPins`: kept whole or not at all, since the next execution reads them by their order. */
function dataOf({ taskId, exitCode, duration, botId, dedupedFrom, casOutputRoot, cipdPins }: TaskResult): JsonObject {
  const pins = (cipdPins?.packages ?? []).map(({ packageName, version, path }) => ({
    packageName: packageName.toWellFormed(),
    version: version.toWellFormed(),
    path: path.toWellFormed(),
  }));
  return {
    taskId: oneLine(taskId),
    exitCode,
    ...(typeof duration === 'number' && { durationSeconds: duration }),
    ...(botId && { botId: oneLine(botId) }),
    ...(dedupedFrom && { dedupedFrom: oneLine(dedupedFrom) }),
    ...(casOutputRoot && {
      casOutputRoot: {
        casInstance: oneLine(casOutputRoot.casInstance),
        digest: { hash: oneLine(casOutputRoot.digest.hash), sizeBytes: casOutputRoot.digest.sizeBytes },
      },
    }),
    ...(pins.length > 0 && Buffer.byteLength(JSON.stringify(pins)) <= MAX_PINS_BYTES && { cipdPins: pins }),
  };
}
