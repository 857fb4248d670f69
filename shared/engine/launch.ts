import { type Attempt, idOfAttempt } from '../core/attempt.ts';
import type { Context } from '../core/decide/decision.ts';
import { decideLaunch, type Launch, type LaunchDocs } from '../core/decide/launch.ts';
import { loadAttemptOf, loadQuest } from './load.ts';
import { applyEvent, type Snapshot } from './loop.ts';
import type { Parts } from './parts.ts';
import { launchOf, withFreeNumber, withPrevious } from './prepare-launch.ts';
import { performRun } from './run.ts';
import { startInTurn } from './start.ts';

/** An attempt's wake-up: creates its next execution and runs it; where its distributor is limited, when it is its turn. */
export async function launch(parts: Parts, found: Snapshot<{ attempt: Attempt }>, revision: number): Promise<string> {
  const quest = await loadQuest(parts, found.docs.attempt.quest);
  const event = launchOf(parts, quest, revision);
  const first = await withPrevious(parts, found);
  const { limits, rejected } = event.resolution;
  if (limits !== undefined && rejected === undefined && isReady(parts, first.docs, event)) {
    return startInTurn(parts, found.docs.attempt, event.resolution.distributor.name, limits);
  }
  const outcome = await applyEvent(
    parts,
    async () =>
      withFreeNumber(parts, await withPrevious(parts, await loadAttemptOf(parts, idOfAttempt(found.docs.attempt)))),
    (docs, context: Context) => decideLaunch(docs, event, context),
    first,
  );
  if (outcome.kind === 'ignored') return outcome.reason;
  const { attempt, execution } = outcome.docs;
  const { claim } = outcome.answer;
  if (claim === undefined || execution === undefined) return 'not launched';
  await performRun(parts, { docs: { quest, attempt, execution }, versions: outcome.versions }, claim);
  return 'launched';
}

/** Whether the attempt would be started now, if there were no limits. */
function isReady(parts: Parts, docs: LaunchDocs, event: Launch): boolean {
  const decision = decideLaunch(docs, event, parts.context());
  return decision.kind === 'commit' && decision.answer.claim !== undefined;
}
