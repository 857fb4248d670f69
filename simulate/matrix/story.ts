import type { Misfortune } from '../faults.ts';
import type { Ask, End } from '../plan.ts';
import type { Shape } from '../shape.ts';

/** A short story, and how each of its attempts must end. */
export interface Story {
  name: string;
  quests: readonly object[];
  /** The numbers of those that clients submit; all of them unless given. */
  clients?: readonly number[];
  /** Limits, and polls that are made together; none unless given. */
  shape?: Shape;
  /** Of the first attempt of each, in order: the state, or the status of an abnormal end; several if it depends. */
  ends: readonly (string | readonly string[])[];
  /** What goes wrong in it, besides the one fault. */
  misfortunes?: readonly Misfortune[];
}

export interface Job {
  mode?: 'interactive' | 'unattended';
  distributor?: 'plain' | 'hints' | 'blind';
  ends?: End[];
  pendingMs?: number;
  runMs?: number;
  notifies?: boolean;
  retry?: Partial<Record<'failed' | 'crashed' | 'expired' | 'timedOut' | 'preempted', number>>;
  run?: string;
  asks?: Ask[];
  /** Whether its client comes in a hurry. */
  together?: boolean;
}

/** Time-outs are long, so that no single fault makes another end of it. */
export function quest(job: Job): object {
  const { mode = 'unattended', distributor = 'plain', ends = ['data'], retry = {}, run = '3600s' } = job;
  const { pendingMs = 1000, runMs = 20_000, notifies = true, asks, together } = job;
  return {
    distributorConfigName: distributor,
    parameters: { ends, pendingMs, runMs, notifies, ...(asks && { asks }), ...(together && { together }) },
    meta: { mode, retry, backoff: { initial: '5s' }, timeouts: { start: '3600s', run, stop: '60s' } },
  };
}

export const INTERACTIVE = { mode: 'interactive' } as const;
