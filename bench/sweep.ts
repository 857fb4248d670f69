import { parseDistributors } from '../shared/adapters/distributors.ts';
import { typeTable } from '../shared/adapters/registry.ts';
import { ADAPTER_TYPES } from '../shared/adapters/types.ts';
import { SCHEMA_VERSION } from '../shared/core/attempt.ts';
import { type Execution, idOfExecution } from '../shared/core/execution.ts';
import { questId, shardOf } from '../shared/core/ids.ts';
import { sha256 } from '../shared/core/json.ts';
import { createEngine } from '../shared/engine/engine.ts';
import type { Figure, Scale } from './figures.ts';
import { inTemporaryDirectory } from './load.ts';
import { embeddedParts } from './parts.ts';

const DUE = 1000;
const BATCH = 1000;
const HOUR_MS = 60 * 60_000;
/** Wake-ups of one sweep are not enqueued again by another within this time. */
const NAME_WINDOW_MS = 10 * 60_000;

const refuse = () => Promise.reject(new Error('nothing is called here'));

/** A sweep that finds the few executions that are due among a great many that wait. */
export async function sweep({ runs, scaled }: Scale): Promise<Figure[]> {
  const waiting = scaled(1_000_000);
  return inTemporaryDirectory(async directory => {
    const parts = embeddedParts(directory, { task: refuse, message: refuse });
    const now = Date.now();
    for (let first = 0; first < waiting; first += BATCH) {
      const numbers = Array.from({ length: Math.min(BATCH, waiting - first) }, (_, i) => first + i);
      await parts.store.commit(
        numbers.map(n => ({ kind: 'execution', doc: runningExecution(n, now, n % (waiting / DUE) === 0) })),
      );
    }

    const types = typeTable(ADAPTER_TYPES);
    const elapsed = [];
    for (let run = 0; run < runs; run++) {
      const clock = { ...parts.clock, now: () => Date.now() + run * NAME_WINDOW_MS };
      const engine = createEngine({
        ...parts,
        clock,
        types,
        distributors: parseDistributors({}, types),
        http: { request: refuse },
        jobUrl: 'http://127.0.0.1',
      });
      const startedAt = performance.now();
      const { due } = await engine.sweep();
      elapsed.push(performance.now() - startedAt);
      if (due !== DUE) throw new Error(`the sweep found ${due} of ${DUE}`);
    }
    await parts.stop();
    const name = `sweep, ${DUE.toLocaleString('en')} due of ${waiting.toLocaleString('en')}`;
    return [{ name, unit: 'ms', runs: elapsed, target: { below: 1000 } }];
  });
}

function runningExecution(n: number, now: number, isDue: boolean): Execution {
  const ids = { quest: questId(sha256(String(n)).toString('base64url')), attempt: 1, execution: 1 };
  const id = idOfExecution(ids);
  const wakeAt = isDue ? now - HOUR_MS : now + HOUR_MS + n;
  return {
    ...ids,
    schemaVersion: SCHEMA_VERSION,
    revision: 2,
    shard: shardOf(id),
    createdAt: now - HOUR_MS,
    updatedAt: now - HOUR_MS,
    state: 'RUNNING',
    mode: 'unattended',
    distributor: { name: 'web', type: 'http', version: 'v', config: { allowedHosts: ['127.0.0.1'] } },
    auth: { nonce: 'n'.repeat(22), issuedAt: now - HOUR_MS, keyId: 'k1' },
    timeoutsMs: { start: HOUR_MS, run: 24 * HOUR_MS, stop: 300_000 },
    launch: { state: 'launched', token: id, at: now - HOUR_MS },
    poll: { intervalMs: 600_000, fruitless: 0, nextAt: wakeAt },
    enteredAt: now - HOUR_MS,
    deadlineAt: now + 23 * HOUR_MS,
    asked: 0,
    wakeAt,
  };
}
