import type { Database } from './database.ts';

export interface Delivery {
  /** Unique for ever. */
  id: number;
  name: string | undefined;
  payload: string;
  /** How often it failed before. */
  retryCount: number;
}

/** A name stays taken while its delivery exists and for so long after, as in Cloud Tasks (CreateTaskRequest.task). */
export const NAME_WINDOW_MS = 60 * 60_000;

/** The deliveries of one channel in the database. Everything but `due`, `load`, `nextAfter` and `count` needs `transact`. */
export interface DeliveryTable {
  /** Returns the new id, or undefined when the name is taken. */
  insert(delivery: { name: string | undefined; dueAt: number; payload: string }, now: number): number | undefined;
  /** Ids of deliveries due at `now`, the oldest first. */
  due(now: number, limit: number): number[];
  load(id: number): Delivery;
  /** When the first delivery falls due that is not due yet. */
  nextAfter(now: number): number | undefined;
  postpone(delivery: Delivery, until: number): void;
  remove(delivery: Delivery, now: number): void;
  /** Makes it a dead letter. */
  bury(delivery: Delivery, now: number, error: string): void;
  count(): { pending: number; dead: number };
}

export function createDeliveryTable(database: Database, channel: string): DeliveryTable {
  const insert = database.prepare(`
    INSERT INTO deliveries (channel, name, due_at, tries, payload) VALUES (?, ?, ?, 0, ?)`);
  const selectDue = database.prepare(`
    SELECT id FROM deliveries WHERE channel = ? AND due_at <= ? ORDER BY due_at, id LIMIT ?`);
  const selectNext = database.prepare('SELECT min(due_at) AS at FROM deliveries WHERE channel = ? AND due_at > ?');
  const load = database.prepare('SELECT name, payload, tries FROM deliveries WHERE id = ?');
  const postpone = database.prepare('UPDATE deliveries SET tries = tries + 1, due_at = ? WHERE id = ?');
  const remove = database.prepare('DELETE FROM deliveries WHERE id = ?');
  const bury = database.prepare(`
    INSERT INTO dead_letters (id, channel, name, tries, died_at, error, payload)
    SELECT id, channel, name, tries + 1, ?, ?, payload FROM deliveries WHERE id = ?`);
  const purgeNames = database.prepare('DELETE FROM delivery_names WHERE free_at <= ?');
  const takeName = database.prepare(`
    INSERT INTO delivery_names (channel, name, free_at) VALUES (?, ?, NULL) ON CONFLICT DO NOTHING`);
  const releaseName = database.prepare('UPDATE delivery_names SET free_at = ? WHERE channel = ? AND name = ?');
  const count = database.prepare(`
    SELECT (SELECT count(*) FROM deliveries WHERE channel = ?1) AS pending,
           (SELECT count(*) FROM dead_letters WHERE channel = ?1) AS dead`);

  function forget({ id, name }: Delivery, now: number): void {
    remove.run(id);
    if (name !== undefined) releaseName.run(now + NAME_WINDOW_MS, channel, name);
  }

  return {
    insert({ name, dueAt, payload }, now) {
      if (name !== undefined) {
        purgeNames.run(now);
        if (takeName.run(channel, name).changes === 0) return undefined;
      }
      return Number(insert.run(channel, name ?? null, dueAt, payload).lastInsertRowid);
    },
    due: (now, limit) => (selectDue.all(channel, now, limit) as unknown as { id: number }[]).map(({ id }) => id),
    load(id) {
      const row = load.get(id) as unknown as { name: string | null; payload: string; tries: number };
      return { id, name: row.name ?? undefined, payload: row.payload, retryCount: row.tries };
    },
    nextAfter: now => (selectNext.get(channel, now) as { at: number | null }).at ?? undefined,
    postpone: ({ id }, until) => void postpone.run(until, id),
    remove: forget,
    bury(delivery, now, error) {
      bury.run(now, error, delivery.id);
      forget(delivery, now);
    },
    count: () => count.get(channel) as unknown as { pending: number; dead: number },
  };
}
