import { type Execution, isLive, type LiveExecution } from '../execution.ts';
import type { TopicMessage } from '../ports.ts';
import { type Context, commit, type Decision, ignored, reviseExecution } from './decision.ts';

const MAX_KEPT = 2;
const MAX_KEPT_BYTES = 300 * 1024;

/** A notification came before the token was known: its adapter could not read it. It is kept for when it is known. */
export function decideKeep(
  { execution }: { execution: Execution },
  { message }: { message: TopicMessage },
  { now }: Context,
): Decision {
  if (!isLive(execution) || execution.launch.state !== 'owed') return ignored('not waiting for its token');
  if (execution.kept?.some(known => isSame(known, message)) === true) return ignored('kept already');
  const kept = newest([...(execution.kept ?? []), message]);
  return commit({ execution: reviseExecution(execution, { ...execution, kept }, now) });
}

/** The same notification may be delivered twice, or this decision be made twice. */
function isSame(a: TopicMessage, b: TopicMessage): boolean {
  return a.data === b.data && JSON.stringify(a.attributes) === JSON.stringify(b.attributes);
}

/** Drops the oldest; the poll that follows the launch makes up for what is lost. */
function newest(messages: TopicMessage[]): TopicMessage[] {
  const kept = messages.slice(-MAX_KEPT);
  while (kept.length > 1 && kept.reduce((sum, message) => sum + bytesOf(message), 0) > MAX_KEPT_BYTES) kept.shift();
  // One that is too large alone still counts as "something happened".
  return kept.map(message => (bytesOf(message) > MAX_KEPT_BYTES ? { data: '', attributes: {} } : message));
}

function bytesOf({ data, attributes }: TopicMessage): number {
  return Buffer.byteLength(data) + Buffer.byteLength(JSON.stringify(attributes));
}

export const POKE_SPACING_MS = 30_000;

/** Something happened that its adapter could not read: the executor is asked, at most once in 30 s. */
export function decidePoke({ execution }: { execution: Execution }, { now }: Context): Decision {
  if (!isLive(execution) || execution.launch.state !== 'launched') return ignored('nobody to ask');
  const { poll } = execution;
  const nextAt = Math.max(now, (poll.lastAt ?? 0) + POKE_SPACING_MS);
  if (poll.nextAt !== undefined && poll.nextAt <= nextAt) return ignored('a poll is near');
  const poked: LiveExecution = { ...execution, poll: { ...poll, nextAt } };
  return commit({ execution: reviseExecution(execution, poked, now) });
}
