import { isTransient, messageOf } from '../core/errors.ts';
import { SHARDS, shardOf } from '../core/ids.ts';
import { sha256 } from '../core/json.ts';
import type { DueDocument, OwedKind, QueueTask } from '../core/ports.ts';
import { SLOT_SHARD } from '../core/slot.ts';
import type { Parts } from './parts.ts';
import { targetOf, wakeTask } from './wake-task.ts';

/** A wake-up is enqueued once per document, revision and window: a slow queue is not filled twice with the same. */
const NAME_WINDOW_MS = 10 * 60_000;
const PAGE_SIZE = 250;
/** A sweep that finds nothing, as most do, is nothing but waiting for answers. Divides SHARDS. */
const SHARDS_AT_ONCE = 4;
const KINDS = ['execution', 'attempt'] as const;
/** Polls that one task makes at most; more than their executor takes at once would only take longer. */
const MAX_GROUP = 1000;
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
  const sweeping: Sweeping = {
    startedAt,
    isOver: () => parts.clock.now() - startedAt > TIME_BUDGET_MS,
    groups: new Map(),
  };
  const swept: Swept = { due: 0, complete: true };
  const add = (one: Swept) => {
    swept.due += one.due;
    swept.complete &&= one.complete;
  };
  for (let i = 0; i < SHARDS; i += SHARDS_AT_ONCE) {
    const shards = Array.from({ length: SHARDS_AT_ONCE }, (_, n) => (firstShard + i + n) % SHARDS);
    const ranges = shards.flatMap(shard => KINDS.map(kind => ({ kind, shard })));
    const slots = i === 0 ? [{ kind: 'slot', shard: SLOT_SHARD } as const] : [];
    const all = await Promise.all([...ranges, ...slots].map(range => sweepShard(parts, range, sweeping)));
    all.forEach(add);
  }
  add(await enqueueGroups(parts, sweeping, 'all'));
  if (swept.due > 0 || !swept.complete) parts.log.info('swept', { ...swept });
  return swept;
}

interface Sweeping {
  startedAt: number;
  isOver(): boolean;
  /** Polls that were found and may be made together, by group, across all shards. */
  groups: Map<string, DueDocument[]>;
}

/** One shard that cannot be read must not keep the others from being swept. */
async function sweepShard(
  parts: Parts,
  { kind, shard }: { kind: OwedKind; shard: number },
  sweeping: Sweeping,
): Promise<Swept> {
  const { startedAt: now, isOver, groups } = sweeping;
  let due = 0;
  try {
    for (let after: string | undefined; ; ) {
      if (isOver()) return { due, complete: false };
      const page = await parts.store.due(kind, shard, now, PAGE_SIZE, after);
      const known = page.items.filter(({ id }) => isKnown(parts, id));
      const [grouped, alone] = [known.filter(isGrouped), known.filter(item => !isGrouped(item))];
      for (const item of grouped) groups.set(item.group, [...(groups.get(item.group) ?? []), item]);
      await Promise.all(alone.map(item => parts.queue.enqueue(sweepTask(item, now))));
      due += page.items.length;
      const { complete } = await enqueueGroups(parts, sweeping, 'full');
      if (page.next === undefined) return { due, complete };
      after = page.next;
    }
  } catch (error) {
    const severity = isTransient(error) ? 'warn' : 'error';
    parts.log[severity]('a shard could not be swept', { kind, shard, error: messageOf(error) });
    return { due, complete: false };
  }
}

function isGrouped(item: DueDocument): item is DueDocument & { group: string } {
  return item.group !== undefined;
}

/** Enqueues the polls of groups that are as large as they may be, or of all; what fails is found again by the next sweep. */
async function enqueueGroups(parts: Parts, { groups, startedAt }: Sweeping, which: 'full' | 'all'): Promise<Swept> {
  const tasks: QueueTask[] = [];
  for (const [group, items] of groups) {
    const size = groupSize(parts, group);
    while (items.length >= (which === 'full' ? size : 1)) tasks.push(pollsTask(items.splice(0, size), startedAt));
    if (items.length === 0) groups.delete(group);
  }
  try {
    await Promise.all(tasks.map(task => parts.queue.enqueue(task)));
    return { due: 0, complete: true };
  } catch (error) {
    parts.log.warn('polls could not be enqueued', { error: messageOf(error) });
    return { due: 0, complete: false };
  }
}

/** As many as the group's executor takes at once. */
function groupSize({ registry, distributors }: Parts, group: string): number {
  const distributor = distributors.get(group.slice(0, group.indexOf(' ')));
  return Math.min(MAX_GROUP, (distributor && registry.maxStatuses(distributor)) ?? MAX_GROUP);
}

/** A document whose name is no id can neither be woken nor have a task; whoever made it by hand has to take it away, as the log says. */
function isKnown({ log }: Parts, id: string): boolean {
  if (targetOf(id) !== undefined) return true;
  log.error('a document has a name that is no id; it is passed over', { id });
  return false;
}

function sweepTask({ id, revision }: DueDocument, now: number): QueueTask {
  return wakeTask({ id, revision }, 'wake', { name: taskName(id, revision, now) });
}

function pollsTask(items: readonly DueDocument[], now: number): QueueTask {
  const wakes = items.map(({ id, revision }) => ({ id, revision }));
  const name = taskName(sha256(JSON.stringify(wakes)).toString('base64url'), 0, now);
  return { path: 'polls', body: { wakes }, shard: shardOf(name), name };
}

/** Names are spread by a hash in front, as Cloud Tasks asks for; ids of quests begin with one. They know no `|`, `#` and `.`. */
function taskName(id: string, revision: number, now: number): string {
  const plain = id.replaceAll('|', '-');
  const name = /^[\w-]+$/.test(plain) ? plain : sha256(id).toString('base64url');
  return `${name}-${revision}-${Math.floor(now / NAME_WINDOW_MS)}`;
}
