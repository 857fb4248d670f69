import { buildRequest } from '../../samples/build/request.ts';
import type { Client } from './client.ts';
import { type BuildStep, readGraph } from './graph.ts';
import { type TreeNode, treeOf } from './tree.ts';

type Steps = ReadonlyMap<string, BuildStep>;

/** Two tests of `samples/build`, the second of which needs half of what the first has had made. Resolves with what is wrong. */
export async function showBuild(client: Client, print: (text: string) => void): Promise<string[]> {
  print('A build whose steps ask for what they need while they run. First its test "glossary":\n');
  const first = await build(client, 'glossary', new Map());
  print(first.text);
  print('\nThen its test "tally", which shares some of that:\n');
  const second = await build(client, 'tally', first.steps);
  print(second.text);
  return [...first.problems, ...second.problems];
}

interface Build {
  steps: Steps;
  text: string;
  problems: string[];
}

async function build(client: Client, name: string, before: Steps): Promise<Build> {
  const root = await client.submit(JSON.stringify(buildRequest([name])));
  while ((await client.wait(root, '30s')).result === undefined);
  const steps = await readGraph(client.walk, root);

  const all = [...steps.values()];
  const wasThere = ({ quest }: BuildStep) => before.has(quest);
  const problems = all.flatMap(step => {
    const known = before.get(step.quest);
    if (step.state !== 'FINISHED') return [`${step.title} is ${step.state}`];
    return known !== undefined && known.updateTime !== step.updateTime ? [`${step.title} was run again`] : [];
  });
  const there = all.filter(wasThere).length;
  const nodes = new Map(
    all.map((step): [string, TreeNode] => [
      step.quest,
      { ...step, below: step.needs, text: textOf(step, wasThere(step)) },
    ]),
  );
  const counts = `${all.length} quests: ${there} were there, ${all.length - there} were run.`;
  return { steps, problems, text: [...treeOf(nodes, root), '', counts].join('\n') };
}

function textOf({ state, executions }: BuildStep, wasThere: boolean): string {
  const run = executions === 1 ? 'run' : `run ${executions} times`;
  return `${state}  ${wasThere ? 'was there' : run}`;
}
