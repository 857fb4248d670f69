import { setTimeout as sleep } from 'node:timers/promises';
import { createCaller } from './caller.ts';
import { startGraphJobs } from './graph-job.ts';
import { startStackProcess } from './stack-process.ts';

type Node = Record<string, number>;

export interface GraphBed extends AsyncDisposable {
  /** Submits these and waits until all of them are finished. Resolves with the time that it took, in seconds. */
  run(roots: readonly Node[]): Promise<number>;
  below(node: Node): Node[];
  nameOf(node: Node): string;
  parse(name: string): Node;
  /** When each execution of a job was begun, by the job's name, in milliseconds. */
  begunAt: ReadonlyMap<string, number[]>;
  /** When each job finished its attempt; its end is reported a little later. */
  endedAt: ReadonlyMap<string, number>;
}

/** The local stack in a process of its own, and a graph of jobs in this one. `below`: what a node depends on. */
export async function startGraphBed(directory: string, below: (node: Node) => Node[]): Promise<GraphBed> {
  const stack = await startStackProcess(directory);
  const caller = createCaller();
  const begunAt = new Map<string, number[]>();
  const endedAt = new Map<string, number>();
  const nameOf = ({ layer = 0, n = 0 }: Node) => `${layer}/${n}`;
  const parse = (name: string): Node => {
    const [layer = 0, n = 0] = name.split('/').map(Number);
    return { layer, n };
  };
  const descOf = (parameters: Node) => ({
    distributorConfigName: 'web',
    parameters,
    distributorParameters: { url: jobs.url },
    meta: { mode: 'interactive' },
  });
  const jobs = await startGraphJobs(caller, node => ({ name: nameOf(node), dependencies: below(node).map(descOf) }), {
    begun: ({ name, startedAt }) => void begunAt.set(name, [...(begunAt.get(name) ?? []), startedAt]),
    ended: name => void endedAt.set(name, performance.now()),
  });

  async function isFinished(quest: string): Promise<boolean> {
    const url = `${stack.apiUrl}/v1/quests/${quest}/attempts/1:wait?timeout=60s`;
    const { state } = (await caller.call('GET', url)) as { state: string };
    if (state === 'ABNORMAL_FINISHED') throw new Error(`quest ${quest} failed`);
    return state === 'FINISHED';
  }

  return {
    below,
    nameOf,
    parse,
    begunAt,
    endedAt,
    async run(roots) {
      const startedAt = performance.now();
      const body = { quests: roots.map(root => ({ desc: descOf(root) })) };
      const { questIds } = (await caller.call('POST', `${stack.apiUrl}/v1/graph:ensure`, body)) as {
        questIds: string[];
      };
      for (const quest of questIds) while (!(await isFinished(quest))) await sleep(1);
      return (performance.now() - startedAt) / 1000;
    },
    async [Symbol.asyncDispose]() {
      await stack.stop();
      jobs.close();
      caller.close();
    },
  };
}
