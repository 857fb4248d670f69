import type { Limits } from '../../shared/core/slot.ts';
import { PLAIN_SHAPE, type Shape } from '../shape.ts';
import { quest, type Story } from './story.ts';

const limited = (plain: Limits): Shape => ({ ...PLAIN_SHAPE, limits: { plain } });
/** Two quests that say the same are one. */
const ofMs = (runMs: number) => quest({ pendingMs: 0, runMs });
const unheard = (runMs: number) => quest({ pendingMs: 0, runMs, notifies: false });

/** Attempts that wait for a slot, and executions that are polled together. */
export const SLOT_STORIES: readonly Story[] = [
  {
    name: 'three attempts and one slot',
    quests: [ofMs(5000), ofMs(6000), ofMs(7000)],
    shape: limited({ maxInFlight: 1 }),
    ends: ['FINISHED', 'FINISHED', 'FINISHED'],
  },
  {
    name: 'a job that is timed out and holds its slot until it is gone',
    quests: [quest({ pendingMs: 0, ends: ['never'], run: '120s' }), ofMs(5000)],
    shape: limited({ maxInFlight: 1 }),
    ends: ['TIMED_OUT', 'FINISHED'],
  },
  {
    name: 'three attempts, two slots and one start in two seconds',
    quests: [ofMs(5000), ofMs(6000), ofMs(7000)],
    shape: limited({ maxInFlight: 2, maxStartsPerSecond: 0.5 }),
    ends: ['FINISHED', 'FINISHED', 'FINISHED'],
  },
  {
    name: 'three ends that are found by polls that are made together',
    quests: [unheard(5000), unheard(6000), unheard(7000)],
    shape: { ...PLAIN_SHAPE, grouped: ['plain'] },
    ends: ['FINISHED', 'FINISHED', 'FINISHED'],
  },
];
