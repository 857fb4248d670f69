import type { Misfortune } from '../faults.ts';
import type { End } from '../plan.ts';

/** A short story, and how each of its attempts must end. */
export interface Story {
  name: string;
  quests: readonly object[];
  /** Of their attempts, in order: the state, or the status of an abnormal end. */
  ends: readonly string[];
  /** What goes wrong in it, besides the one fault. */
  misfortunes?: readonly Misfortune[];
}

interface Job {
  mode?: 'interactive' | 'unattended';
  distributor?: 'plain' | 'hints' | 'blind';
  ends?: End[];
  pendingMs?: number;
  runMs?: number;
  notifies?: boolean;
  retry?: Partial<Record<'failed' | 'crashed' | 'expired' | 'timedOut' | 'preempted', number>>;
  run?: string;
}

/** Time-outs are long, so that no single fault makes another end of it. */
function quest(job: Job): object {
  const { mode = 'unattended', distributor = 'plain', ends = ['data'], retry = {}, run = '3600s' } = job;
  const { pendingMs = 1000, runMs = 20_000, notifies = true } = job;
  return {
    distributorConfigName: distributor,
    parameters: { ends, pendingMs, runMs, notifies },
    meta: { mode, retry, backoff: { initial: '5s' }, timeouts: { start: '3600s', run, stop: '60s' } },
  };
}

const INTERACTIVE = { mode: 'interactive' } as const;

export const STORIES: readonly Story[] = [
  { name: 'an end that is told', quests: [quest({})], ends: ['FINISHED'] },
  {
    name: 'an end that is told before run is answered',
    quests: [quest({ pendingMs: 0, runMs: 0 })],
    ends: ['FINISHED'],
  },
  { name: 'an end that is found by a poll', quests: [quest({ notifies: false })], ends: ['FINISHED'] },
  { name: 'an end that the executor is asked for', quests: [quest({ distributor: 'hints' })], ends: ['FINISHED'] },
  { name: 'a job that takes part', quests: [quest(INTERACTIVE)], ends: ['FINISHED'] },
  {
    name: 'a job that takes part and does not exit',
    quests: [quest(INTERACTIVE)],
    ends: ['FINISHED'],
    misfortunes: ['does not exit'],
  },
  {
    name: 'a job that is started as two processes',
    quests: [quest(INTERACTIVE)],
    ends: ['FINISHED'],
    misfortunes: ['runs twice'],
  },
  {
    name: 'a failure, retried',
    quests: [quest({ ends: ['failed', 'data'], retry: { failed: 1 } })],
    ends: ['FINISHED'],
  },
  {
    name: 'failures until the budget is spent',
    quests: [quest({ ends: ['failed'], retry: { failed: 2 } })],
    ends: ['FAILED'],
  },
  {
    name: 'a crash of a job that takes part, retried',
    quests: [quest({ ...INTERACTIVE, ends: ['crashed', 'data'], retry: { crashed: 1 } })],
    ends: ['FINISHED'],
  },
  {
    name: 'a time-out, stopped and retried',
    quests: [quest({ ends: ['never', 'data'], run: '120s', retry: { timedOut: 1 } })],
    ends: ['FINISHED'],
  },
  {
    name: 'a time-out of a job that cannot be found without its token',
    quests: [quest({ distributor: 'blind', ends: ['never'], run: '120s' })],
    ends: ['TIMED_OUT'],
  },
  {
    name: 'a client that changes its mind',
    quests: [quest({ ends: ['never'] })],
    ends: ['CANCELLED'],
    misfortunes: ['client cancels'],
  },
  { name: 'an executor that refuses', quests: [quest({})], ends: ['REJECTED'], misfortunes: ['refuses to start'] },
  {
    name: 'an executor whose answer cannot be used',
    quests: [quest({})],
    ends: ['REJECTED'],
    misfortunes: ['is unusable'],
  },
  { name: 'a result that is malformed', quests: [quest({ ends: ['malformed'] })], ends: ['RESULT_MALFORMED'] },
  {
    name: 'everything twice',
    quests: [quest({}), quest(INTERACTIVE)],
    ends: ['FINISHED', 'FINISHED'],
    misfortunes: ['doubled', 'tells twice', 'sweep doubled'],
  },
];
