import { answering } from '../answering.ts';
import { type Cell, cellsOf, tryCell } from './matrix.ts';
import { STORIES } from './scenarios.ts';

/** What became of all cells of a story. */
export interface Told {
  story: string;
  cells: number;
  failures: (Cell & { problem: string })[];
}

/** Tells the story of this number with each of its faults. */
answering(async (number: number): Promise<Told> => {
  const story = STORIES[number]!;
  const cells = await cellsOf(story);
  const failures: Told['failures'] = [];
  for (const cell of cells) {
    const problem = await tryCell(cell);
    if (problem !== undefined) failures.push({ ...cell, problem });
  }
  return { story: story.name, cells: cells.length, failures };
});
