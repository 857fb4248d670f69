import { isUtf8 } from 'node:buffer';
import { messageOf } from '../../core/errors.ts';
import { isJsonObject, MAX_JSON_BYTES, parseJson } from '../../core/json.ts';
import { abnormal, canonicalData, type TaskResult } from '../../core/result.ts';
import type { Output } from './output.ts';

/** How a process ended, and what it had written by then. */
export interface Exit {
  /** Absent when a signal ended it. */
  code: number | null;
  signal: string | null;
  stdout: Output;
  stderr: Output;
}

/** More than the largest result, since a result may be written with spaces that do not count. */
export const MAX_STDOUT_BYTES = MAX_JSON_BYTES + 64 * 1024;
export const STDOUT_TAIL_BYTES = 4096;
/** Short enough for the whole of it to fit into a reason. */
export const STDERR_TAIL_BYTES = 2048;

export type StopReason = 'cancelled' | 'shutdown';

export const STOPPED: Readonly<Record<StopReason, TaskResult>> = {
  cancelled: abnormal('CANCELLED', 'the process was stopped on request'),
  shutdown: abnormal('CRASHED', 'the stack was stopped'),
};

/** For a process of an earlier life of the stack: nobody saw how it ended. */
export const ORPHANED: TaskResult = abnormal('CRASHED', 'the stack that ran it stopped');

/** What the end of a process means for its execution. Whatever we stopped ourselves was stopped, however it then exited. */
export function resultOf(exit: Exit, stopped: StopReason | undefined): TaskResult {
  if (stopped !== undefined) return STOPPED[stopped];
  if (exit.signal !== null) return abnormal('CRASHED', withTail(`killed by ${exit.signal}`, exit.stderr));
  if (exit.code !== 0) return abnormal('FAILED', withTail(`exit status ${exit.code}`, exit.stderr));
  return resultOfOutput(exit.stdout);
}

/** A JSON object, and nothing else, is the result; of any other output the result is its tail. */
function resultOfOutput({ head, tail, bytes }: Output): TaskResult {
  const complete = bytes === head.length;
  if (!complete && beginsObject(head))
    return abnormal('RESULT_MALFORMED', `stdout: is ${bytes} bytes, more than ${MAX_STDOUT_BYTES}`);
  const value = complete && isUtf8(head) ? parseJson(head.toString()) : undefined;
  if (!isJsonObject(value)) return { data: { stdoutTail: textOf(tail) } };
  try {
    return canonicalData({ data: value }, 'stdout');
  } catch (error) {
    return abnormal('RESULT_MALFORMED', messageOf(error));
  }
}

/** Whether this is the beginning of an object, and not of lines that are one each. */
function beginsObject(head: Buffer): boolean {
  const text = head.toString().trimStart();
  const [firstLine = ''] = text.split('\n', 1);
  return text.startsWith('{') && parseJson(firstLine) === undefined;
}

function withTail(reason: string, { tail }: Output): string {
  const text = textOf(tail).trim();
  return text === '' ? reason : `${reason}: ${text}`;
}

/** The text of bytes that may begin in the middle of a character. */
function textOf(bytes: Buffer): string {
  const start = bytes.findIndex(byte => (byte & 0xc0) !== 0x80);
  return bytes.subarray(Math.max(start, 0)).toString();
}
