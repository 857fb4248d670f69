import { parseDuration } from '../core/duration.ts';
import { optionalDuration, type QuestDesc } from '../core/quest.ts';
import type { CommonConfig } from './contract.ts';

export type Phase = 'start' | 'run' | 'stop';

/** For quests and distributors that do not say, in milliseconds. */
const DEFAULTS_MS: Readonly<Record<Phase, number>> = {
  start: parseDuration('3600s'),
  run: parseDuration('86400s'),
  stop: parseDuration('300s'),
};

/** The time-outs of an execution's phases in milliseconds: the quest's, else the distributor's, else the defaults. 0 is unlimited. */
export function timeoutsMs({ meta }: QuestDesc, { timeouts }: CommonConfig): Record<Phase, number> {
  const pick = (phase: Phase) => optionalDuration(meta.timeouts?.[phase] ?? timeouts?.[phase]) ?? DEFAULTS_MS[phase];
  return { start: pick('start'), run: pick('run'), stop: pick('stop') };
}
