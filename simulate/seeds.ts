export interface Kept {
  seed: number;
  broke: string;
  /** It is older than graphs, and shows what it has shown in a world without. */
  plain?: true;
  /** It is older than limits. */
  unlimited?: true;
}

/** Seeds that have shown something, in the product or in the simulation itself. They are simulated in every run of the tests. */
export const INTERESTING: readonly Kept[] = [
  { seed: 358, broke: 'acknowledged means done', unlimited: true },
  { seed: 376, broke: 'everything settles' },
  { seed: 388, broke: 'what run answered is recorded', unlimited: true },
  { seed: 489, broke: 'predecessors are gone', unlimited: true },
  { seed: 782, broke: 'a settled world is left alone', unlimited: true },
  { seed: 111_752, broke: 'late outcomes are kept', plain: true },
  { seed: 1734, broke: 'a cascade reaches what nobody needs', unlimited: true },
  { seed: 2126, broke: 'what run answered is recorded' },
  { seed: 976, broke: 'unwanted jobs are stopped', unlimited: true },
  { seed: 200_388, broke: 'everything settles' },
  { seed: 207_321, broke: 'everything settles', plain: true },
  { seed: 341_817, broke: 'stopping ends', plain: true },
];
