import { decideActivate, decideFinish } from '../core/decide/job.ts';
import { ApiError, InvalidArgument, UnreadableDocument } from '../core/errors.ts';
import type { Execution } from '../core/execution.ts';
import type { ExecutionId } from '../core/ids.ts';
import { canonicalJson, sha256 } from '../core/json.ts';
import type { TopicMessage } from '../core/ports.ts';
import { canonicalData, type ResultData } from '../core/result.ts';
import { hashToken, isActivationToken, verifyAuthToken } from '../core/tokens.ts';
import { loadExecution } from './load.ts';
import { applyEvent, type Snapshot } from './loop.ts';
import type { Parts } from './parts.ts';

/** 32 random bytes are 43 characters of base64url. */
const EXECUTION_TOKEN = /^[A-Za-z0-9_=+/.~-]{43,512}$/;

/** A job exchanges its activation token for an execution token of its own choice. */
export async function activate(
  parts: Parts,
  id: ExecutionId,
  { activationToken, executionToken }: { activationToken: string; executionToken: string },
): Promise<void> {
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
    () => reload(parts, id),
    (docs, context) => decideActivate(docs, { tokenHash }, context),
    first,
  );
}

/** A job delivers its attempt's result. */
export async function finish(
  parts: Parts,
  id: ExecutionId,
  { executionToken, data }: { executionToken: string; data: ResultData },
): Promise<void> {
  const result = canonicalData(data, 'data');
  const first = await loadExecution(parts, id);
  if (first === undefined) throw new ApiError('UNAUTHENTICATED', 'the execution token is not valid, or not any more');
  const event = {
    tokenHash: hashToken(executionToken),
    callHash: sha256(canonicalJson(['finish', result.data, result.expiration ?? null])).toString('base64url'),
    result,
  };
  await applyEvent(
    parts,
    () => reload(parts, id),
    (docs, context) => decideFinish(docs, event, context),
    first,
  );
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
  const message: TopicMessage = { data, attributes: { execution_id: id, auth_token: authToken } };
  await parts.topic.publish(message);
}

async function reload(parts: Parts, id: ExecutionId): Promise<Snapshot<{ execution: Execution }>> {
  const found = await loadExecution(parts, id);
  if (found === undefined) throw new UnreadableDocument(`execution ${id} is gone`);
  return found;
}
