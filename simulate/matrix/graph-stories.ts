import type { Ask } from '../plan.ts';
import { INTERACTIVE, type Job, quest, type Story } from './story.ts';

/** Where it hears for ten minutes nothing of its halt, it does not exit in time. */
const asking = (asks: Ask[], job: Job = {}) =>
  quest({ ...INTERACTIVE, pendingMs: 0, runMs: 0, retry: { expired: 1 }, ...job, asks });
const all = (quests: number[], require?: Ask['require']): Ask => ({
  quests,
  raw: [],
  attempts: [1],
  ...(require !== undefined && { require }),
});
/** Two quests that say the same are one. */
const short = quest({ pendingMs: 0, runMs: 1000 });
const long = quest({ pendingMs: 0, runMs: 30_000 });
const failing = quest({ pendingMs: 0, runMs: 2000, ends: ['failed'] });
const endless = quest({ pendingMs: 0, ends: ['never'] });

const CANCELLED_OR_NOT = ['CANCELLED', 'FINISHED'];
const MADE_OR_NOT = ['FINISHED', 'nothing'];

/** Attempts that need others: the first quest is that of which the story tells. */
export const GRAPH_STORIES: readonly Story[] = [
  {
    name: 'a job that waits for another',
    quests: [asking([all([1])]), short],
    clients: [0],
    ends: ['FINISHED', 'FINISHED'],
  },
  {
    name: 'a job that waits for two of which one fails',
    quests: [asking([all([1, 2])]), long, failing],
    clients: [0],
    ends: ['FINISHED', 'FINISHED', 'FAILED'],
  },
  {
    name: 'a job that waits for any of two',
    quests: [asking([all([1, 2], 'any')]), short, long],
    clients: [0],
    // Where a call hangs that has made only one of them, that is over when it is repeated, and the other is not needed.
    ends: ['FINISHED', MADE_OR_NOT, MADE_OR_NOT],
  },
  {
    name: 'a job that waits twice',
    quests: [asking([all([1]), all([2])]), short, long],
    clients: [0],
    ends: ['FINISHED', 'FINISHED', 'FINISHED'],
  },
  {
    name: 'a diamond',
    quests: [asking([all([1, 2])]), asking([all([3])]), asking([all([3])], { runMs: 1 }), short],
    clients: [0],
    ends: ['FINISHED', 'FINISHED', 'FINISHED', 'FINISHED'],
  },
  {
    name: 'a job that needs what was over before',
    quests: [asking([{ quests: [], raw: [1], attempts: [1] }]), short],
    ends: ['FINISHED', 'FINISHED'],
  },
  {
    name: 'a job that needs what was at work before',
    quests: [asking([all([1])]), long],
    ends: ['FINISHED', 'FINISHED'],
  },
  {
    name: 'two jobs that need each other',
    quests: [asking([all([1])], { runMs: 5000 }), asking([{ quests: [], raw: [0], attempts: [1] }])],
    clients: [0],
    ends: ['FINISHED', 'FINISHED'],
  },
  {
    name: 'a job that makes the same call again, and another one, after it has halted',
    quests: [asking([all([1])]), short],
    clients: [0],
    ends: ['FINISHED', 'FINISHED'],
    misfortunes: ['uses its token again'],
  },
  {
    name: 'a job that asks for two things at once',
    quests: [asking([all([1])]), short],
    clients: [0],
    ends: ['FINISHED', 'FINISHED'],
    misfortunes: ['asks twice at once'],
  },
  {
    name: 'a job that halts and does not exit',
    quests: [asking([all([1])]), short],
    clients: [0],
    ends: ['FINISHED', 'FINISHED'],
    misfortunes: ['does not exit'],
  },
  {
    name: 'a client that cancels with all that nobody else needs',
    quests: [asking([all([1, 2])]), quest({ runMs: 240_000 }), endless],
    clients: [0, 1],
    // Where a call hangs for ten minutes, nobody knows in time that the other client needs his, or the job asks too late.
    ends: ['CANCELLED', CANCELLED_OR_NOT, ['CANCELLED', 'nothing']],
    misfortunes: ['client cancels all'],
  },
  {
    name: 'a client that cancels with all what another job begins to need',
    // The one with the patient client begins half a second after the other one was cancelled, long before the next sweep.
    quests: [quest({ runMs: 150_000 }), asking([all([0])]), endless, asking([all([0])], { pendingMs: 24_600 })],
    clients: [1, 3],
    // Where a call hangs for ten minutes a cancel may come too late, and that of the patient one in time.
    ends: [CANCELLED_OR_NOT, CANCELLED_OR_NOT, 'nothing', CANCELLED_OR_NOT],
    misfortunes: ['client cancels all'],
  },
];
