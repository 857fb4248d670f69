/** Seeds that have shown something, in the product or in the simulation itself. They are simulated in every run of the tests. */
export const INTERESTING: readonly { seed: number; broke: string }[] = [
  { seed: 358, broke: 'acknowledged means done' },
  { seed: 376, broke: 'everything settles' },
  { seed: 388, broke: 'what run answered is recorded' },
  { seed: 489, broke: 'predecessors are gone' },
  { seed: 782, broke: 'a settled world is left alone' },
  { seed: 111_752, broke: 'late outcomes are kept' },
  { seed: 976, broke: 'unwanted jobs are stopped' },
  { seed: 200_388, broke: 'everything settles' },
  { seed: 207_321, broke: 'everything settles' },
  { seed: 341_817, broke: 'stopping ends' },
];
