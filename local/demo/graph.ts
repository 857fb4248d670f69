import type { AttemptState } from '../../shared/core/attempt.ts';
import type { QuestDesc } from '../../shared/core/quest.ts';

/** A quest of the sample build, and how its first attempt stands. */
export interface BuildStep {
  quest: string;
  /** As `library text`. */
  title: string;
  state: AttemptState;
  executions: number;
  updateTime: string;
  /** The quests that it depends on, by their titles. */
  needs: string[];
}

/** A page of a walk that shows descriptions and the first attempts of quests. */
export interface GraphPage {
  graph: { quests: Record<string, { desc: QuestDesc; attempts: { 1: WalkedAttempt } }> };
  nextPageToken?: string;
}

interface WalkedAttempt {
  state: AttemptState;
  updateTime: string;
  numExecutions: number;
  dependencies: Record<string, number[]>;
}

/** What an attempt depends on, directly or not, and it itself, by quest. */
export async function readGraph(
  walk: (request: object) => Promise<GraphPage>,
  root: string,
): Promise<Map<string, BuildStep>> {
  const request = {
    query: { attempts: { [root]: [1] } },
    direction: 'forwards',
    limit: { maxDepth: -1 },
    include: { quest: true, result: false, dependencies: true },
  };
  const quests: GraphPage['graph']['quests'] = {};
  let pageToken: string | undefined;
  do {
    const page: GraphPage = await walk({ ...request, ...(pageToken !== undefined && { pageToken }) });
    Object.assign(quests, page.graph.quests);
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined);

  const titleOf = (quest: string) => titleIn(quests[quest]!.desc);
  const steps = Object.entries(quests).map(([quest, { desc, attempts }]): [string, BuildStep] => {
    const { state, updateTime, numExecutions, dependencies } = attempts[1];
    const needs = Object.keys(dependencies).toSorted((a, b) => titleOf(a).localeCompare(titleOf(b)));
    return [quest, { quest, title: titleIn(desc), state, executions: numExecutions, updateTime, needs }];
  });
  return new Map(steps);
}

function titleIn({ parameters }: QuestDesc): string {
  const { step, name } = parameters as { step: string; name: string };
  return `${step} ${name}`;
}
