import { publish } from './adapter-task.ts';
import { loadExecution } from './load.ts';
import type { Parts } from './parts.ts';
import { servicesFactory } from './services.ts';

/**
 * For types whose jobs die with their process: looks for the jobs of an earlier life and publishes what became of them.
 * Called once, before anything else is.
 */
export async function recover(parts: Parts): Promise<void> {
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
