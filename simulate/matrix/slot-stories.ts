import type { Limits } from '../../shared/core/slot.ts';
import { PLAIN_SHAPE, type Shape } from '../shape.ts';
import { quest, type Story } from './story.ts';

const limited = (plain: Limits): Shape => ({ ...PLAIN_SHAPE, limits: { plain } });
/** Two quests that say the same are one. Their clients come within ten seconds or so: each finds another one at work. */
const ofMs = (runMs: number) => quest({ pendingMs: 0, runMs, together: true });
const unheard = (runMs: number) => quest({ pendingMs: 0, runMs, notifies: false, together: true });

/** Attempts that wait for a slot, and executions that are polled together. */
export const SLOT_STORIES: readonly Story[] = [
  {
    name: 'three attempts and one slot',
    quests: [ofMs(8000), ofMs(8100), ofMs(8200)],
    shape: limited({ maxInFlight: 1 }),
    ends: ['FINISHED', 'FINISHED', 'FINISHED'],
  },
  {
    name: 'a job that is timed out and holds its slot until it is gone',
    // The client of the second one comes first.
    quests: [ofMs(8000), quest({ pendingMs: 0, ends: ['never'], run: '120s', together: true })],
    shape: limited({ maxInFlight: 1 }),
    ends: ['FINISHED', 'TIMED_OUT'],
  },
  {
    name: 'three attempts, two slots and one start in ten seconds',
    quests: [ofMs(20_000), ofMs(21_000), ofMs(22_000)],
    shape: limited({ maxInFlight: 2, maxStartsPerSecond: 0.1 }),
    ends: ['FINISHED', 'FINISHED', 'FINISHED'],
  },
  {
    name: 'three ends that are found by polls that are made together',
    quests: [unheard(5000), unheard(6000), unheard(7000)],
    shape: { ...PLAIN_SHAPE, grouped: ['plain'] },
    ends: ['FINISHED', 'FINISHED', 'FINISHED'],
  },
];
