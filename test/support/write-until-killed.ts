import { idOfAttempt } from '../../shared/core/attempt.ts';
import { openDatabase } from '../../shared/embedded/database.ts';
import { createQueue } from '../../shared/embedded/queue.ts';
import { createStore } from '../../shared/embedded/store.ts';
import { attemptIn, executionIn } from './documents.ts';
import { realClock } from './services.ts';

/** A process of its own: writes to the file argv[2] and prints the number of each write that was acknowledged. */
const silent = { info() {}, warn() {}, error() {} };
const database = openDatabase(process.argv[2]!);
const store = createStore(database);
const queue = createQueue(database, {
  clock: realClock,
  random: { fraction: () => 0, token: () => 'token' },
  log: silent,
  maxConcurrent: 1,
  maxAttempts: 1,
  minBackoffMs: 1,
  maxBackoffMs: 1,
  deliver: () => Promise.reject(new Error('never started')),
});

let next = 1;
async function writeForEver(): Promise<never> {
  for (;;) {
    const attempt = attemptIn('EXECUTING', { attempt: next++ });
    const execution = executionIn('SCHEDULING', { attempt: attempt.attempt });
    await store.commit([
      { kind: 'attempt', doc: attempt },
      { kind: 'execution', doc: execution },
    ]);
    await queue.enqueue({ path: 'run', body: { id: idOfAttempt(attempt) }, shard: attempt.shard });
    process.stdout.write(`${attempt.attempt}\n`);
  }
}
await Promise.all(Array.from({ length: 8 }, writeForEver));
