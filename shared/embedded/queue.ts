import type { Queue, QueueTask } from '../core/ports.ts';
import type { Database } from './database.ts';
import { createDeliveries, type DeliveryControl, type DeliveryOptions } from './deliveries.ts';

export interface TaskInfo {
  /** The task's own name, or one that it was given. */
  name: string;
  /** How often it was delivered before. */
  retryCount: number;
}

export interface QueueOptions extends DeliveryOptions {
  /** A task is repeated until this resolves. */
  deliver: (task: Pick<QueueTask, 'path' | 'body'>, info: TaskInfo) => Promise<void>;
}

/** A durable task queue on SQLite. One process needs one queue; shards are ignored. */
export function createQueue(database: Database, options: QueueOptions): Queue & DeliveryControl {
  const { add, ...control } = createDeliveries(
    database,
    'tasks',
    ({ id, name = `task-${id}`, payload, retryCount }) =>
      options.deliver(JSON.parse(payload) as Pick<QueueTask, 'path' | 'body'>, { name, retryCount }),
    options,
  );
  return {
    ...control,
    enqueue: async ({ path, body, at, name }) => void (await add(JSON.stringify({ path, body }), { at, name })),
  };
}
