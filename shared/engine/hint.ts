import { decideHint } from '../core/decide/hint.ts';
import { isLive, type PinnedDistributor } from '../core/execution.ts';
import { type ExecutionId, isExecutionId } from '../core/ids.ts';
import type { TopicMessage } from '../core/ports.ts';
import { loadExecution, loadExecutionOf } from './load.ts';
import { applyEvent } from './loop.ts';
import { drop, orDropUnreadable } from './notify.ts';
import type { Parts } from './parts.ts';

const NOTHING = 'nothing of interest';

/**
 * A message of a distributor's own topic. Whoever may publish there could have sent it, so nothing in it is believed: it says
 * that an executor is worth asking, which happens at most once in 30 s. Resolves, with what became of it, when it need not
 * come again; rejects with TransientError when it must.
 */
export async function receiveHint(parts: Parts, name: string, message: TopicMessage): Promise<string> {
  const distributor = parts.distributors.get(name);
  if (distributor === undefined) return drop(parts, 'notification', 'unknown distributor');
  // Tokens are for the notification topic; here they prove nothing, and must not be stored.
  const { auth_token: _, pubsub_key: __, ...attributes } = message.attributes;
  const hint: TopicMessage = { data: message.data, attributes };
  const id = executionOf(parts, distributor, hint);
  // Jobs of others are told of on such a topic, too: that is no reason to log anything.
  return id === undefined ? NOTHING : orDropUnreadable(parts, id, () => follow(parts, distributor, id, hint));
}

async function follow(
  parts: Parts,
  distributor: PinnedDistributor,
  id: ExecutionId,
  message: TopicMessage,
): Promise<string> {
  const found = await loadExecution(parts, id);
  if (found === undefined) return NOTHING;
  const owner = found.docs.execution.distributor;
  if (owner.name !== distributor.name) {
    // Distributors that share a topic hear of each other's jobs.
    const { topic } = distributor.config;
    return topic !== undefined && topic === owner.config.topic
      ? NOTHING
      : drop(parts, 'notification', 'another distributor', id);
  }
  const outcome = await applyEvent(
    parts,
    () => loadExecutionOf(parts, id),
    (docs, context) => decideHint(docs, { message }, context),
    found,
  );
  if (outcome.kind === 'ignored') return outcome.reason;
  const { execution } = outcome.docs;
  return isLive(execution) && execution.launch.state === 'owed' ? 'kept' : 'asks the executor';
}

/** Undefined for what is not about a job of ours, and for what an adapter did not expect. */
function executionOf(parts: Parts, distributor: PinnedDistributor, message: TopicMessage): ExecutionId | undefined {
  let id: unknown;
  try {
    id = parts.registry.instance(distributor)?.executionOf?.(message);
  } catch {
    // The error may quote the message, which is not for the log.
    parts.log.info('a message of an own topic was not understood', { distributor: distributor.name });
  }
  return typeof id === 'string' && isExecutionId(id) ? id : undefined;
}
