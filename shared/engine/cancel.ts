import type { Attempt } from '../core/attempt.ts';
import type { CallError } from '../core/calls.ts';
import { type CancelWish, decideCancelAttempt } from '../core/decide/cancel.ts';
import type { Docs } from '../core/decide/decision.ts';
import { decideCancelRecorded } from '../core/decide/stop.ts';
import { type Claim, type Execution, idOfExecution } from '../core/execution.ts';
import { type AttemptId, executionId, parseAttemptId } from '../core/ids.ts';
import type { Quest } from '../core/quest.ts';
import { adapterOf, callAdapter } from './call.ts';
import { loadAttempt, loadDocsOf, loadQuest } from './load.ts';
import { applyEvent, type Snapshot } from './loop.ts';
import type { Parts } from './parts.ts';

/** An attempt is no longer wanted; its job is stopped afterwards, for as long as it takes. Resolves with what it is then. */
export async function cancelAttempt(parts: Parts, id: AttemptId, wish: CancelWish): Promise<Attempt> {
  const { docs } = await applyEvent(
    parts,
    () => loadForCancel(parts, id),
    (loaded, context) => decideCancelAttempt(loaded, wish, context),
  );
  return docs.attempt;
}

interface CancelDocs {
  quest: Quest;
  attempt: Docs['attempt'];
  execution: Execution | undefined;
}

async function loadForCancel(parts: Parts, id: AttemptId): Promise<Snapshot<CancelDocs>> {
  const { quest: questId, attempt: number } = parseAttemptId(id);
  const attempt = await loadAttempt(parts, id);
  const quest = await loadQuest(parts, questId);
  const execution =
    attempt.doc.executions > 0
      ? await parts.store.get('execution', executionId(questId, number, attempt.doc.executions))
      : undefined;
  return {
    docs: { quest, attempt: attempt.doc, execution: execution?.doc },
    versions: { attempt: attempt.version, ...(execution && { execution: execution.version }) },
  };
}

/** Makes a claimed call of `cancel` for a job that is not wanted any more. */
export async function performCancel(parts: Parts, claimed: Snapshot<Docs>, claim: Claim): Promise<void> {
  const { execution, quest } = claimed.docs;
  const id = idOfExecution(execution);
  const call = await callAdapter(parts, 'cancel', async () => {
    const handle = claim.token === undefined ? { executionId: id } : { executionId: id, token: claim.token };
    await adapterOf(parts, execution.distributor).cancel(handle, structuredClone(quest.desc));
  });
  const outcome: 'cancelled' | { error: CallError } = 'value' in call ? 'cancelled' : { error: call.error };
  if (outcome !== 'cancelled') parts.log.warn('cancel failed', { execution: id, error: outcome.error.message });
  await applyEvent(
    parts,
    () => loadDocsOf(parts, id),
    (docs, context) => decideCancelRecorded(docs, { claim, outcome }, context),
    claimed,
  );
}
