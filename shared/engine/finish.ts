import { decideFinish, tokenNotValid } from '../core/decide/job.ts';
import type { ExecutionId } from '../core/ids.ts';
import { canonicalJson, sha256 } from '../core/json.ts';
import { canonicalData, type ResultData } from '../core/result.ts';
import { hashToken } from '../core/tokens.ts';
import { loadExecution, loadExecutionOf } from './load.ts';
import { applyEvent } from './loop.ts';
import type { Parts } from './parts.ts';

/** A job delivers its attempt's result. */
export async function finish(
  parts: Parts,
  id: ExecutionId,
  { executionToken, data }: { executionToken: string; data: ResultData },
): Promise<void> {
  const result = canonicalData(data, 'data');
  const first = await loadExecution(parts, id);
  if (first === undefined) throw tokenNotValid();
  // As one canonical text, whose parts may each be as deep as is allowed.
  const call = `["finish",${canonicalJson(result.data)},${canonicalJson(result.expiration ?? null)}]`;
  const event = {
    tokenHash: hashToken(executionToken),
    callHash: sha256(call).toString('base64url'),
    result,
  };
  await applyEvent(
    parts,
    () => loadExecutionOf(parts, id),
    (docs, context) => decideFinish(docs, event, context),
    first,
  );
}
