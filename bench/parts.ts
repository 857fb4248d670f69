import { join } from 'node:path';
import { systemClock, systemRandom } from '../functions/system.ts';
import type { Clock, Log, Store, Write } from '../shared/core/ports.ts';
import { openDatabase } from '../shared/embedded/database.ts';
import { createQueue, type QueueOptions } from '../shared/embedded/queue.ts';
import { createStore } from '../shared/embedded/store.ts';
import { createTopic, type TopicOptions } from '../shared/embedded/topic.ts';
import type { Engine } from '../shared/engine/engine.ts';
import { pollsSchema } from '../shared/engine/polls.ts';
import { wakeSchema } from '../shared/engine/wake-task.ts';

/** A load that must succeed: every warning is worth a look. */
export const benchLog: Log = {
  info: () => {},
  warn: (message, fields) => console.error('warning:', message, fields),
  error: (message, fields) => console.error('error:', message, fields),
};

const DELIVERY = { maxConcurrent: 256, maxAttempts: 100, minBackoffMs: 100, maxBackoffMs: 60_000 };

interface Deliver {
  task: QueueOptions['deliver'];
  message: TopicOptions['deliver'];
}

/** What an engine needs of the world, on SQLite, with deliveries as the caller likes them. */
export function embeddedParts(directory: string, deliver: Deliver, other: { clock?: Clock; log?: Log } = {}) {
  const system = { clock: systemClock, random: systemRandom, log: benchLog, ...other };
  const database = openDatabase(join(directory, 'bench.sqlite'));
  const queue = createQueue(database, { ...DELIVERY, ...system, deliver: deliver.task });
  const topic = createTopic(database, {
    ...DELIVERY,
    ...system,
    name: 'projects/bench/topics/notifications',
    subscription: 'projects/bench/subscriptions/notify',
    deliver: deliver.message,
  });
  return {
    ...system,
    store: createStore(database),
    queue,
    topic,
    keyring: { current: 'k1', keys: { k1: Buffer.alloc(32, 1) } },
    secret: (reference: string): string => {
      throw new Error(`unexpected secret: ${reference}`);
    },
    accessToken: (scope: string) => Promise.reject(new Error(`unexpected access token: ${scope}`)),
    start() {
      queue.start();
      topic.start();
    },
    async stop() {
      await Promise.all([queue.stop(5000), topic.stop(5000)]);
      database.close();
    },
  };
}

/** Straight into an engine, without HTTP. Its adapters enqueue nothing for themselves. */
export function deliverTo(engine: () => Engine): Deliver {
  return {
    async task({ path, body }) {
      if (path === 'polls') await engine().pollTogether(pollsSchema.parse(body));
      else await engine().wake(wakeSchema.parse(body));
    },
    async message({ message: { data = '', attributes } }) {
      await engine().receiveMessage({ data: Buffer.from(data, 'base64').toString(), attributes });
    },
  };
}

/** Tells of every commit, once it is durable, and of every one that is refused. */
export function watchedStore(
  store: Store,
  { committed, refused = () => {} }: { committed(writes: readonly Write[]): void; refused?(): void },
): Store {
  return {
    ...store,
    async commit(writes) {
      try {
        const versions = await store.commit(writes);
        committed(writes);
        return versions;
      } catch (error) {
        refused();
        throw error;
      }
    },
  };
}
