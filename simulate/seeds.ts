export interface Kept {
  seed: number;
  broke: string;
  /** It is older than graphs, and shows what it has shown in a world without. */
  plain?: true;
}

/** Seeds that have shown something, in the product or in the simulation itself. They are simulated in every run of the tests. */
export const INTERESTING: readonly Kept[] = [
  { seed: 358, broke: 'acknowledged means done' },
  { seed: 376, broke: 'everything settles' },
  { seed: 388, broke: 'what run answered is recorded' },
  { seed: 489, broke: 'predecessors are gone' },
  { seed: 782, broke: 'a settled world is left alone' },
  { seed: 111_752, broke: 'late outcomes are kept', plain: true },
  { seed: 1734, broke: 'a cascade reaches what nobody needs' },
  { seed: 976, broke: 'unwanted jobs are stopped' },
  { seed: 200_388, broke: 'everything settles' },
  { seed: 207_321, broke: 'everything settles', plain: true },
  { seed: 341_817, broke: 'stopping ends', plain: true },
];
