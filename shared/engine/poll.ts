import type { CallError } from '../core/calls.ts';
import type { Docs } from '../core/decide/decision.ts';
import { decidePollRecorded } from '../core/decide/report.ts';
import { decideConfirmRecorded } from '../core/decide/stop.ts';
import { isCredentialError, messageOf, TransientError } from '../core/errors.ts';
import { type Claim, idOfExecution, tokenOf } from '../core/execution.ts';
import { normalizeStatus, type TaskStatus } from '../core/result.ts';
import { adapterOf, callAdapter } from './call.ts';
import { loadDocsOf } from './load.ts';
import { applyEvent, type Snapshot } from './loop.ts';
import type { Parts } from './parts.ts';

/** Makes a claimed call of `getStatus`, for an execution that goes on or for a job that should be gone. */
export async function performPoll(parts: Parts, claimed: Snapshot<Docs>, claim: Claim): Promise<void> {
  await recordPoll(parts, claimed, claim, await askStatus(parts, claimed.docs, claim));
}

/** What an executor said when it was asked. */
export type Asked = TaskStatus | { error: CallError };

export async function recordPoll(parts: Parts, claimed: Snapshot<Docs>, claim: Claim, outcome: Asked): Promise<void> {
  const id = idOfExecution(claimed.docs.execution);
  if ('error' in outcome) parts.log.warn('poll failed', { execution: id, error: outcome.error.message });
  await applyEvent(
    parts,
    () => loadDocsOf(parts, id),
    (docs, context) =>
      claim.call === 'confirm'
        ? decideConfirmRecorded(docs, { claim, outcome }, context)
        : decidePollRecorded(docs, { claim, outcome }, context),
    claimed,
  );
}

async function askStatus(parts: Parts, docs: Docs, claim: Claim): Promise<Asked> {
  const { execution, quest } = docs;
  const token = claim.token ?? tokenOf(execution);
  const call = await callAdapter(parts, claim.call, async () => {
    if (token === undefined) throw new Error('bug: a poll without a token');
    const handle = { executionId: idOfExecution(execution), token };
    const adapter = adapterOf(parts, execution.distributor);
    return statusOrAgain(await adapter.getStatus(handle, structuredClone(quest.desc)));
  });
  return 'value' in call ? call.value : { error: pollError(call) };
}

/** Credentials change: what is forbidden today says nothing about the job. */
export function pollError({ error, thrown }: { error: CallError; thrown: unknown }): CallError {
  return isCredentialError(thrown) ? { ...error, transient: true } : error;
}

/** An adapter that answers nonsense says nothing about the job: it is asked again. */
export function statusOrAgain(answer: unknown): TaskStatus {
  try {
    return normalizeStatus(answer);
  } catch (error) {
    throw new TransientError(messageOf(error), { cause: error });
  }
}
