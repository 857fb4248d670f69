import { type Execution, isLive, tokenOf } from '../../core/execution.ts';
import { abnormal } from '../../core/result.ts';
import type { ShownExecution } from '../read.ts';
import type { Budget, Withheld } from '../shown.ts';

/** An execution as a walk shows it. */
export interface WalkedExecution extends ShownExecution {
  /** Why its outcome is not shown. */
  withheld?: Withheld;
}

/** With its outcome, if that is wanted and fits. */
export function walkedExecution(
  { execution, infoUrl }: ShownExecution,
  { data, withResults }: { data: Budget; withResults: boolean },
): WalkedExecution {
  const shown = { execution: lean(execution), infoUrl };
  if (isLive(execution)) return shown;
  const outcomes = [execution.result, ...(execution.lateOutcome ? [execution.lateOutcome] : [])];
  const withhold = (withheld: Withheld) => ({ ...shown, execution: withoutOutcome(shown.execution), withheld });
  // How it failed is no data.
  if (!withResults && outcomes.some(outcome => 'data' in outcome)) return withhold('notLoaded');
  return data.take(Buffer.byteLength(JSON.stringify(outcomes))) ? shown : withhold('dataSizeLimit');
}

/** For who may know that there is such an execution, and no more. */
export function anonymousExecution({ execution }: ShownExecution): WalkedExecution {
  const { unwanted: _, ...rest } = withoutOutcome(lean(execution));
  const shown = { execution: { ...rest, launch: { state: 'none' as const } }, infoUrl: undefined };
  return isLive(execution) ? shown : { ...shown, withheld: 'notAuthorized' };
}

/** In bytes of JSON: what is shown of an execution besides its outcome. */
export function sizeOfExecution({ execution, infoUrl }: ShownExecution): number {
  const ofJobs = [tokenOf(execution), infoUrl, isLive(execution) ? undefined : execution.unwanted];
  return FIXED_BYTES + Buffer.byteLength(JSON.stringify(ofJobs));
}

/** Ids, state, times and names. */
const FIXED_BYTES = 640;

/** Without what is never shown and may be large: of many executions all are kept until the answer is written. */
function lean(execution: Execution): Execution {
  const { kept: _, ...rest } = execution;
  if (rest.state !== 'STOPPING') return rest;
  const { finish: __, ...stopping } = rest;
  return stopping;
}

function withoutOutcome(execution: Execution): Execution {
  if (isLive(execution)) return execution;
  const { lateOutcome: _, ...rest } = execution;
  if (rest.state === 'FINISHED') return { ...rest, result: { data: {} } };
  return { ...rest, result: abnormal(rest.result.abnormalFinish.status, '') };
}
