import { median } from '../bench/figures.ts';
import type { Life } from './lives.ts';
import type { Usage } from './processes.ts';

/** Whether the lives of the second half of a run needed more than those of the first. */
export interface Flatness {
  measure: keyof Usage;
  first: number;
  second: number;
  isFlat: boolean;
}

/** Below that, a life is still growing to what it needs. */
const SEASONED_MS = 2000;
/** In each half; of fewer nobody can tell. */
const MIN_LIVES = 8;

/**
 * What the second half may have more. SQLite's page cache (32 MiB at most) fills as far as the data does, which grow
 * all the time.
 */
const ALLOWANCE: Readonly<Record<keyof Usage, { factor: number; plus: number }>> = {
  resident: { factor: 1.1, plus: 32 * 2 ** 20 },
  handles: { factor: 1.1, plus: 4 },
};

/** Of the medians of each life's peak. Undefined when there were too few lives to tell. */
export function flatnessOf(lives: readonly Life[]): Flatness[] | undefined {
  const seasoned = lives.filter(({ servedMs, peak }) => servedMs >= SEASONED_MS && peak.resident > 0);
  const middle = Math.floor(seasoned.length / 2);
  if (middle < MIN_LIVES) return undefined;
  return (['resident', 'handles'] as const).map(measure => {
    const peaks = seasoned.map(({ peak }) => peak[measure]);
    const [first, second] = [median(peaks.slice(0, middle)), median(peaks.slice(middle))];
    const { factor, plus } = ALLOWANCE[measure];
    return { measure, first, second, isFlat: second <= first * factor + plus };
  });
}
