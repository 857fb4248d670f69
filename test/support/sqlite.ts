import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { openDatabase } from '../../shared/embedded/database.ts';
import type { DeliveryOptions } from '../../shared/embedded/deliveries.ts';
import { realClock, recordingLog } from './services.ts';

/** A path for a database that is removed when the test ends. */
export function databasePath(): string {
  const directory = mkdtempSync(join(tmpdir(), 'sqlite-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, 'test.sqlite');
}

/** An open database that ends with the test. */
export function freshDatabase(path = databasePath()) {
  const database = openDatabase(path);
  let open = true;
  function close(): void {
    if (open) database.close();
    open = false;
  }
  onTestFinished(close);
  return { ...database, close };
}

/** Deliveries that are repeated at once. */
export function fastDelivery() {
  return {
    clock: realClock,
    random: { fraction: () => 0, token: () => 'token' },
    log: recordingLog(),
    maxConcurrent: 64,
    maxAttempts: 10,
    minBackoffMs: 4,
    maxBackoffMs: 16,
  } satisfies DeliveryOptions;
}
