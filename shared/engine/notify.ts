import type { Notification } from '../adapters/contract.ts';
import { decideKeep, decidePoke } from '../core/decide/notify.ts';
import { decideReport } from '../core/decide/report.ts';
import { ApiError, isTransient, messageOf, UnreadableDocument } from '../core/errors.ts';
import { type Execution, isLive } from '../core/execution.ts';
import type { ExecutionId } from '../core/ids.ts';
import type { TopicMessage } from '../core/ports.ts';
import { normalizeStatus } from '../core/result.ts';
import { verifyAuthToken } from '../core/tokens.ts';
import { adapterOf, callAdapter } from './call.ts';
import { loadDocsOf, loadExecution, withAttemptAndQuest } from './load.ts';
import { applyEvent } from './loop.ts';
import type { Parts } from './parts.ts';

/** An `auth_token` holds until this long after its execution has ended. */
const AUTH_GRACE_MS = 48 * 60 * 60_000;

/**
 * A message of the notification topic. Resolves, with what became of it, when it need not come again; rejects with
 * TransientError when it must.
 */
export async function receiveMessage(parts: Parts, message: TopicMessage): Promise<string> {
  const { execution_id: named, auth_token, pubsub_key, ...attributes } = message.attributes;
  const claims = verifyAuthToken(parts.keyring, auth_token ?? pubsub_key ?? '');
  if (claims === undefined || (named !== undefined && named !== claims.execution))
    return drop(parts, 'notification', 'forged');
  const notification = { executionId: claims.execution, data: message.data, attributes };
  return orDropUnreadable(parts, claims.execution, () => handleNotification(parts, notification, claims.distributor));
}

/** For what is about a document that cannot be read: the sweep puts it off and says so; a message cannot do anything about it. */
export async function orDropUnreadable(parts: Parts, id: ExecutionId, handle: () => Promise<string>): Promise<string> {
  try {
    return await handle();
  } catch (error) {
    if (!(error instanceof UnreadableDocument)) throw error;
    return drop(parts, 'notification', 'unreadable document', id);
  }
}

/** An executor that can call a URL but not Pub/Sub: what it says is published like everybody's. */
export async function publishNotification(
  parts: Parts,
  id: ExecutionId,
  authToken: string,
  data: string,
): Promise<void> {
  const claims = verifyAuthToken(parts.keyring, authToken);
  if (claims?.execution !== id) throw new ApiError('UNAUTHENTICATED', 'the auth token is not valid for this execution');
  await parts.topic.publish({ data, attributes: { execution_id: id, auth_token: authToken } });
}

/** A notification whose sender was checked; `distributor` is the one that it may speak for. */
export async function handleNotification(
  parts: Parts,
  notification: Notification,
  distributor?: string,
): Promise<string> {
  const { executionId: id, data, attributes } = notification;
  const found = await loadExecution(parts, id);
  if (found === undefined) return drop(parts, 'notification', 'unknown execution', id);
  const { execution } = found.docs;
  if (distributor !== undefined && distributor !== execution.distributor.name) {
    return drop(parts, 'notification', 'another distributor', id);
  }
  if (isExpired(execution, parts.clock.now())) return drop(parts, 'notification', 'too late', id);
  if (!isLive(execution) && execution.reported && execution.unwanted === undefined) return 'ended already';

  if (isLive(execution) && execution.launch.state === 'owed') {
    const kept = await applyEvent(
      parts,
      () => loadDocsOf(parts, id),
      (docs, context) => decideKeep(docs, { message: { data, attributes } }, context),
      await withAttemptAndQuest(parts, found),
    );
    if (kept.kind === 'committed') return 'kept';
    const { execution: now } = kept.docs;
    if (isLive(now) && now.launch.state === 'owed') return kept.reason;
    // Its token was recorded meanwhile.
    return handleNotification(parts, notification, distributor);
  }

  const snapshot = await withAttemptAndQuest(parts, found);
  const call = await callAdapter(parts, 'poll', async () => {
    const adapter = adapterOf(parts, execution.distributor);
    const answer = await adapter.handleNotification(notification, structuredClone(snapshot.docs.quest.desc));
    return answer === undefined ? undefined : normalizeStatus(answer);
  });
  if ('error' in call) {
    if (isTransient(call.thrown)) throw call.thrown;
    parts.log.warn('a notification cannot be read; the executor is asked instead', {
      execution: id,
      error: messageOf(call.thrown),
    });
    await poke(parts, id);
    return 'unreadable: polls instead';
  }
  const status = call.value;
  if (status === undefined) return 'nothing of interest';
  const outcome = await applyEvent(
    parts,
    () => loadDocsOf(parts, id),
    (docs, context) => decideReport(docs, { status }, context),
    snapshot,
  );
  return outcome.kind === 'ignored' ? outcome.reason : status.state;
}

/** Has the executor asked soon: the truth is there. */
export async function poke(parts: Parts, id: ExecutionId): Promise<void> {
  const found = await loadExecution(parts, id);
  if (found !== undefined) await applyEvent(parts, () => loadDocsOf(parts, id), decidePoke);
}

function isExpired(execution: Execution, now: number): boolean {
  return !isLive(execution) && now - execution.endedAt > AUTH_GRACE_MS;
}

/** What will never get better is acknowledged, counted and logged. */
export function drop(parts: Parts, what: 'notification' | 'task', reason: string, id?: string): string {
  parts.log.warn(`a ${what} was dropped`, { reason, execution: id, count: parts.count(`${what} dropped: ${reason}`) });
  return `dropped: ${reason}`;
}
