import { attemptId } from '../../shared/core/ids.ts';
import { normalizeQuest } from '../../shared/core/quest.ts';
import { CALL_FAULTS, type CallFault, oneFault } from '../faults.ts';
import { type Report, simulate } from '../world.ts';
import { STORIES } from './scenarios.ts';
import type { Story } from './story.ts';

/** One run of a story with one fault. */
export interface Cell {
  story: string;
  /** Which of all calls, from 0. */
  index: number;
  fault: CallFault;
}

/** One in which the clients of the stories do nothing but what their story says. */
const SEED = 7;

/** Every call of a story, failing in every way. Rejects when the story does not even end well without a fault. */
export async function cellsOf(story: Story): Promise<Cell[]> {
  const faults = oneFault(-1, 'fails', story.misfortunes);
  const problem = problemOf(story, await tell(story, faults));
  if (problem !== undefined) throw new Error(`"${story.name}" without a fault: ${problem}`);
  const indexes = Array.from({ length: faults.calls() }, (_, index) => index);
  return indexes.flatMap(index => CALL_FAULTS.map(fault => ({ story: story.name, index, fault })));
}

/** What is wrong with the end of this run; undefined when nothing is. */
export async function tryCell(cell: Cell): Promise<string | undefined> {
  return problemOf(storyOf(cell.story), await runCell(cell));
}

export function runCell({ story: name, index, fault }: Cell, keepTrace = false): Promise<Report> {
  const story = storyOf(name);
  return tell(story, oneFault(index, fault, story.misfortunes), keepTrace);
}

function tell(story: Story, faults: ReturnType<typeof oneFault>, keepTrace = false): Promise<Report> {
  const { quests, clients, shape } = story;
  const scenario = { quests, ...(clients && { clients }), ...(shape && { shape }) };
  return simulate({ ...scenario, seed: SEED, faults, stormMs: 0, keepTrace });
}

function problemOf(story: Story, { violation, ends }: Report): string | undefined {
  if (violation !== undefined) return `"${violation.invariant}": ${violation.detail}`;
  const found = story.quests.map(quest => ends.get(attemptId(normalizeQuest(quest).id, 1)) ?? 'nothing');
  const isRight = found.every((end, number) => [story.ends[number]].flat().includes(end));
  return isRight ? undefined : `ends as ${found.join(', ')}, not ${story.ends.join(', ')}`;
}

export function storyOf(name: string): Story {
  const story = STORIES.find(one => one.name === name);
  if (story === undefined)
    throw new Error(`there is no story "${name}"; there are: ${STORIES.map(one => one.name).join('; ')}`);
  return story;
}
