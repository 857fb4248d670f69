import { decideRelease, LONGEST_CLAIM_MS } from '../core/decide/release.ts';
import { messageOf } from '../core/errors.ts';
import { isExecutionId, SHARDS } from '../core/ids.ts';
import { publish } from './adapter-task.ts';
import { loadExecution, loadExecutionOf } from './load.ts';
import { applyEvent } from './loop.ts';
import type { Parts } from './parts.ts';
import { servicesFactory } from './services.ts';

const PAGE_SIZE = 250;

/**
 * For a system of one process, when it starts and before anything else is done: makes due what its earlier life was in the
 * middle of, looks for that life's jobs and publishes what became of them.
 */
export async function recover(parts: Parts): Promise<void> {
  for (let shard = 0; shard < SHARDS; shard++) await releaseShard(parts, shard);
  const servicesFor = servicesFactory(parts, parts.outboxes);
  for (const [name, type] of parts.types) {
    if (type.recover === undefined) continue;
    const found = await type.recover(servicesFor({ name, type: name, version: '', config: {} }));
    for (const notification of found) {
      const execution = await loadExecution(parts, notification.executionId);
      if (execution !== undefined) await publish(parts, execution.docs.execution.distributor.name, notification);
    }
    if (found.length > 0) parts.log.info('jobs of an earlier life were found', { type: name, jobs: found.length });
  }
}

/** Whatever holds a claim or an outbox has a `wakeAt` no later than that lapses. */
async function releaseShard(parts: Parts, shard: number): Promise<void> {
  const before = parts.clock.now() + LONGEST_CLAIM_MS;
  for (let after: string | undefined; ; ) {
    const page = await parts.store.due('execution', shard, before, PAGE_SIZE, after);
    await Promise.all(page.items.map(({ id }) => release(parts, id)));
    if (page.next === undefined) return;
    after = page.next;
  }
}

async function release(parts: Parts, id: string): Promise<void> {
  if (!isExecutionId(id)) return;
  try {
    const found = await loadExecution(parts, id);
    if (found !== undefined) await applyEvent(parts, () => loadExecutionOf(parts, id), decideRelease, found);
  } catch (error) {
    // The sweep comes to it, and can put off what cannot be read.
    parts.log.warn('an execution was not released', { execution: id, error: messageOf(error) });
  }
}
