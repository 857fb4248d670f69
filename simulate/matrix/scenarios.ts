import { GRAPH_STORIES } from './graph-stories.ts';
import { SLOT_STORIES } from './slot-stories.ts';
import { INTERACTIVE, quest, type Story } from './story.ts';

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
    name: 'an executor that starts another job whenever it is called',
    quests: [quest({ retry: { expired: 1 } })],
    ends: ['FINISHED'],
    misfortunes: ['starts twice'],
  },
  {
    name: 'everything twice',
    quests: [quest({}), quest(INTERACTIVE)],
    ends: ['FINISHED', 'FINISHED'],
    misfortunes: ['doubled', 'tells twice', 'sweep doubled'],
  },
  ...GRAPH_STORIES,
  ...SLOT_STORIES,
];
