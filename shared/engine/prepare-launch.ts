import type { Attempt } from '../core/attempt.ts';
import type { Launch, LaunchDocs } from '../core/decide/launch.ts';
import type { Execution } from '../core/execution.ts';
import { executionId } from '../core/ids.ts';
import type { Quest } from '../core/quest.ts';
import type { Snapshot } from './loop.ts';
import type { Parts } from './parts.ts';

/** What a launch of this quest takes from outside of its documents. */
export function launchOf({ registry, random, keyring }: Parts, quest: Quest, revision: number): Launch {
  return {
    revision,
    resolution: registry.resolveOrReject(quest.desc),
    nonce: random.token(16),
    keyId: keyring.current,
  };
}

type LaunchSnapshot = Snapshot<LaunchDocs & { execution?: Execution }>;

export async function withPrevious(
  { store }: Parts,
  { docs: { attempt }, versions }: Snapshot<{ attempt: Attempt }>,
): Promise<LaunchSnapshot> {
  const after = attempt.state === 'SCHEDULING' ? attempt.after : undefined;
  const previous = after && (await store.get('execution', executionId(attempt.quest, attempt.attempt, after)));
  return { docs: { attempt, previous: previous ? previous.doc : undefined }, versions };
}

/**
 * For a second try: an execution may outlive the attempt that it was of, since after a retention period each document is
 * deleted by itself.
 */
export async function withFreeNumber({ store }: Parts, { docs, versions }: LaunchSnapshot): Promise<LaunchSnapshot> {
  const { quest, attempt, executions, state } = docs.attempt;
  if (state !== 'SCHEDULING') return { docs, versions };
  for (let next = executions + 1; ; next++) {
    if ((await store.get('execution', executionId(quest, attempt, next))) === undefined) {
      return { docs: { ...docs, next }, versions };
    }
  }
}
