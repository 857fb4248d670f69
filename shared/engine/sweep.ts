import { isTransient, messageOf } from '../core/errors.ts';
import { SHARDS } from '../core/ids.ts';
import type { DueDocument, QueueTask } from '../core/ports.ts';
import type { Parts } from './parts.ts';
import { targetOf, wakeTask } from './wake-task.ts';

/** A wake-up is enqueued once per document, revision and window: a slow queue is not filled twice with the same. */
const NAME_WINDOW_MS = 10 * 60_000;
const PAGE_SIZE = 250;
/** A sweep that finds nothing, as most do, is nothing but waiting for answers. Divides SHARDS. */
const SHARDS_AT_ONCE = 4;
const KINDS = ['execution', 'attempt'] as const;
/** Stops well before the caller's own time-out; the next sweep starts at another shard. */
const TIME_BUDGET_MS = 45_000;

export interface Swept {
  /** Documents found due and handed to the queue. */
  due: number;
  /** Whether everything that is due was seen. */
  complete: boolean;
}

/** The sure path: finds every document whose `wakeAt` has passed and enqueues its wake-up. Writes nothing itself. */
export async function sweep(parts: Parts): Promise<Swept> {
  const startedAt = parts.clock.now();
  const firstShard = Math.floor(parts.random.fraction() * SHARDS);
  const isOver = () => parts.clock.now() - startedAt > TIME_BUDGET_MS;
  let due = 0;
  let complete = true;
  for (let i = 0; i < SHARDS; i += SHARDS_AT_ONCE) {
    const shards = Array.from({ length: SHARDS_AT_ONCE }, (_, n) => (firstShard + i + n) % SHARDS);
    const swept = await Promise.all(
      shards.flatMap(shard => KINDS.map(kind => sweepShard(parts, kind, shard, startedAt, isOver))),
    );
    for (const one of swept) {
      due += one.due;
      complete &&= one.complete;
    }
  }
  if (due > 0 || !complete) parts.log.info('swept', { due, complete });
  return { due, complete };
}

/** One shard that cannot be read must not keep the others from being swept. */
async function sweepShard(
  parts: Parts,
  kind: 'attempt' | 'execution',
  shard: number,
  now: number,
  isOver: () => boolean,
): Promise<Swept> {
  let due = 0;
  try {
    for (let after: string | undefined; ; ) {
      if (isOver()) return { due, complete: false };
      const page = await parts.store.due(kind, shard, now, PAGE_SIZE, after);
      const known = page.items.filter(({ id }) => isKnown(parts, id));
      await Promise.all(known.map(item => parts.queue.enqueue(sweepTask(item, now))));
      due += page.items.length;
      if (page.next === undefined) return { due, complete: true };
      after = page.next;
    }
  } catch (error) {
    const severity = isTransient(error) ? 'warn' : 'error';
    parts.log[severity]('a shard could not be swept', { kind, shard, error: messageOf(error) });
    return { due, complete: false };
  }
}

/** A document whose name is no id can neither be woken nor have a task; whoever made it by hand has to take it away, as the log says. */
function isKnown({ log }: Parts, id: string): boolean {
  if (targetOf(id) !== undefined) return true;
  log.error('a document has a name that is no id; it is passed over', { id });
  return false;
}

function sweepTask({ id, revision }: DueDocument, now: number): QueueTask {
  // Names are spread by a hash in front, as Cloud Tasks asks for; ids begin with one. `|` is not allowed in a name.
  const name = `${id.replaceAll('|', '-')}-${revision}-${Math.floor(now / NAME_WINDOW_MS)}`;
  return wakeTask({ id, revision }, 'wake', { name });
}
