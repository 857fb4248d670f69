import { equalJitter } from '../core/backoff.ts';
import { messageOf, TransientError } from '../core/errors.ts';
import type { Clock, Log, Random } from '../core/ports.ts';
import { createAlarm } from './alarm.ts';
import type { Database } from './database.ts';
import { createDeliveryTable, type Delivery } from './delivery-table.ts';

export interface DeliveryOptions {
  clock: Clock;
  random: Random;
  log: Log;
  /** Deliveries going on at the same time. */
  maxConcurrent: number;
  /** After so many failures a delivery becomes a dead letter. */
  maxAttempts: number;
  minBackoffMs: number;
  maxBackoffMs: number;
}

export interface DeliveryCounts {
  /** Not accepted yet, those in flight among them. */
  pending: number;
  inFlight: number;
  dead: number;
}

export interface DeliveryControl {
  /** Begins to deliver, first of all what an earlier process left. */
  start: () => void;
  /** Begins no more deliveries and waits for those in flight, at most so long. What is left comes again after a start. */
  stop: (graceMs: number) => Promise<void>;
  counts: () => DeliveryCounts;
}

export interface Deliveries extends DeliveryControl {
  /** Resolves once it is durable, with true; with false when its name is taken, and nothing was added. */
  add: (payload: string, options?: { at?: number | undefined; name?: string | undefined }) => Promise<boolean>;
}

/** The database is the queue; of what is due in it, so many are kept in memory as well, and refilled at half. */
const MAX_READY = 1000;

/**
 * What the queue and the topic have in common: hands every payload to `deliver` until it resolves, in no order.
 * @param channel Tells several of these on one database apart.
 */
export function createDeliveries(
  database: Database,
  channel: string,
  deliver: (delivery: Delivery) => Promise<void>,
  options: DeliveryOptions,
): Deliveries {
  const { clock, random, log, maxConcurrent, maxAttempts, minBackoffMs, maxBackoffMs } = options;
  const table = createDeliveryTable(database, channel);
  const alarm = createAlarm(clock, () => {
    refill();
    dispatch();
  });

  let running = false;
  const ready: Delivery[] = [];
  const inFlight = new Set<Promise<void>>();
  /** Ids of what is ready or in flight: the database shows them as due, too. */
  const held = new Set<number>();
  /** Whether the database perhaps has due deliveries that are not held. */
  let more = false;

  function refill(): void {
    const now = clock.now();
    const limit = held.size + MAX_READY - ready.length;
    const due = table.due(now, limit);
    for (const id of due) if (!held.has(id)) hold(table.load(id));
    more = due.length === limit;
    alarm.set(table.nextAfter(now));
  }

  function hold(delivery: Delivery): void {
    held.add(delivery.id);
    ready.push(delivery);
  }

  function dispatch(): void {
    for (let next = take(); next !== undefined; next = take()) {
      const done = handOver(next).finally(() => {
        inFlight.delete(done);
        dispatch();
      });
      inFlight.add(done);
    }
  }

  function take(): Delivery | undefined {
    if (!running || inFlight.size >= maxConcurrent) return undefined;
    if (more && ready.length <= MAX_READY / 2) refill();
    return ready.shift();
  }

  async function handOver(delivery: Delivery): Promise<void> {
    const failure = await failureOf(deliver, delivery);
    let retryAt: number | undefined;
    try {
      retryAt = failure === undefined ? await accept(delivery) : await reject(delivery, failure.error);
    } catch (error) {
      log.error('could not record the outcome of a delivery; it comes again', about(delivery, error));
      retryAt = clock.now() + minBackoffMs;
    }
    held.delete(delivery.id);
    if (running) alarm.set(retryAt);
  }

  async function accept(delivery: Delivery): Promise<undefined> {
    await database.transact(() => table.remove(delivery, clock.now()));
  }

  /** Resolves with the time of the next try. */
  async function reject(delivery: Delivery, error: unknown): Promise<number | undefined> {
    const tries = delivery.retryCount + 1;
    if (tries >= maxAttempts) {
      await database.transact(() => table.bury(delivery, clock.now(), messageOf(error)));
      log.error('a delivery failed too often and is given up', about(delivery, error));
      return undefined;
    }
    const backoff = { initialMs: minBackoffMs, multiplier: 2, maxMs: maxBackoffMs };
    const askedMs = (error instanceof TransientError && error.retryAfterMs) || 0;
    const retryAt = clock.now() + Math.max(askedMs, equalJitter(backoff, tries, random.fraction()));
    await database.transact(() => table.postpone(delivery, retryAt));
    log.warn('a delivery failed and will be repeated', about(delivery, error));
    return retryAt;
  }

  function about({ id, name, retryCount }: Delivery, error: unknown) {
    return { channel, id, name, retryCount, error: messageOf(error) };
  }

  return {
    async add(payload, { at, name } = {}) {
      const dueAt = at ?? clock.now();
      const id = await database.transact(() => table.insert({ name, dueAt, payload }, clock.now()));
      if (id === undefined) return false;
      // A refill since the commit may have found it already.
      if (!running || held.has(id)) return true;
      if (dueAt > clock.now()) alarm.set(dueAt);
      else if (ready.length < MAX_READY) hold({ id, name, payload, retryCount: 0 });
      else more = true;
      dispatch();
      return true;
    },
    start() {
      running = true;
      refill();
      dispatch();
    },
    async stop(graceMs) {
      running = false;
      alarm.clear();
      const grace = new AbortController();
      const over = clock.sleep(graceMs, grace.signal).catch(() => {});
      await Promise.race([Promise.all(inFlight), over]);
      grace.abort();
    },
    counts: () => ({ ...table.count(), inFlight: inFlight.size }),
  };
}

/** Whatever was thrown, even before a promise was returned. */
async function failureOf<T>(
  deliver: (delivery: T) => Promise<void>,
  delivery: T,
): Promise<{ error: unknown } | undefined> {
  try {
    await deliver(delivery);
    return undefined;
  } catch (error) {
    return { error };
  }
}
