import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';

/** What is kept in memory of a stream. */
export interface Output {
  /** Its first bytes, up to a limit. */
  head: Buffer;
  /** Its last bytes, up to another. */
  tail: Buffer;
  /** All that came. */
  bytes: number;
}

export interface Capture {
  add(chunk: Buffer): void;
  output(): Output;
}

export function createCapture(limits: { headBytes: number; tailBytes: number }): Capture {
  const chunks: Buffer[] = [];
  let tail: Buffer = Buffer.alloc(0);
  let bytes = 0;
  return {
    add(chunk) {
      if (bytes < limits.headBytes) chunks.push(chunk.subarray(0, limits.headBytes - bytes));
      tail = Buffer.concat([tail, chunk]).subarray(-limits.tailBytes);
      bytes += chunk.length;
    },
    output: () => ({ head: Buffer.concat(chunks), tail, bytes }),
  };
}

export interface LogFile {
  /** Resolves when it was written, so that whoever waits slows its source down to the disk. Never rejects. */
  append(chunk: Buffer): Promise<void>;
  /** Never rejects. */
  close(): Promise<void>;
}

/** Begins the file anew. What does not fit, or cannot be written, is dropped: a full disk does not end a command. */
export async function openLogFile(path: string, maxBytes: number): Promise<LogFile> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await open(path, 'w', 0o600);
  const note = Buffer.from(`\n[what follows the first ${maxBytes} bytes is not kept]\n`);
  let room = maxBytes;
  // Two streams write to one file, whose writes must not overlap.
  let written = Promise.resolve();

  function write(bytes: Buffer): Promise<void> {
    written = written.then(() => file.appendFile(bytes)).catch(() => undefined);
    return written;
  }

  return {
    append(chunk) {
      if (room < 0) return Promise.resolve();
      const fits = chunk.length <= room;
      const kept = fits ? chunk : Buffer.concat([chunk.subarray(0, room), note]);
      room = fits ? room - chunk.length : -1;
      return write(kept);
    },
    close: () => written.then(() => file.close()).catch(() => undefined),
  };
}
