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

/** A time limit as a service takes it, in whole seconds. One that is unlimited is as long as the service allows. */
export function limitSeconds(milliseconds: number, maxSeconds: number): number {
  return milliseconds === 0 ? maxSeconds : Math.min(maxSeconds, Math.ceil(milliseconds / 1000));
}

/** For `run`'s answer: how soon to poll where nothing is notified and the config does not say. */
export function pollUnlessTold(
  { topic, pollInterval }: CommonConfig & { topic?: string | undefined },
  pollAfterMs: number,
): { pollAfterMs?: number } {
  return topic === undefined && pollInterval === undefined ? { pollAfterMs } : {};
}
