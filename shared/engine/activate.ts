import { decideActivate } from '../core/decide/job.ts';
import { ApiError, InvalidArgument } from '../core/errors.ts';
import type { ExecutionId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import { hashToken, isActivationToken } from '../core/tokens.ts';
import { loadPreviousState } from './describe.ts';
import { loadExecution, loadExecutionOf } from './load.ts';
import { applyEvent } from './loop.ts';
import type { Parts } from './parts.ts';

/** 32 random bytes are 43 characters of base64url. */
const EXECUTION_TOKEN = /^[A-Za-z0-9_=+/.~-]{43,512}$/;

/** A job exchanges its activation token for an execution token of its own choice. Resolves with its persistent state. */
export async function activate(
  parts: Parts,
  id: ExecutionId,
  { activationToken, executionToken }: { activationToken: string; executionToken: string },
): Promise<JsonObject | undefined> {
  if (!EXECUTION_TOKEN.test(executionToken)) {
    throw new InvalidArgument(
      'executionToken',
      'must be at least 32 random bytes as 43 to 512 characters of base64 or hex',
    );
  }
  const first = await loadExecution(parts, id);
  // Whoever cannot prove a right learns nothing, not even whether the execution exists.
  if (first === undefined || !isActivationToken(parts.keyring, id, first.docs.execution.auth, activationToken)) {
    throw new ApiError('UNAUTHENTICATED', 'the activation token is not valid for this execution');
  }
  const tokenHash = hashToken(executionToken);
  await applyEvent(
    parts,
    () => loadExecutionOf(parts, id),
    (docs, context) => decideActivate(docs, { tokenHash }, context),
    first,
  );
  return loadPreviousState(parts, first.docs.execution);
}
