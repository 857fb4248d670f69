import { setTimeout as sleep } from 'node:timers/promises';
import { FUNCTION_NAMES, type FunctionName, wire } from '../functions/wiring.ts';
import { openServers } from '../local/servers.ts';
import { parseDistributors } from '../shared/adapters/distributors.ts';
import { createHttpClient } from '../shared/adapters/http-client.ts';
import { typeTable } from '../shared/adapters/registry.ts';
import { ADAPTER_TYPES } from '../shared/adapters/types.ts';
import { attemptId } from '../shared/core/ids.ts';
import type { Queue, Store } from '../shared/core/ports.ts';
import { createPoster } from '../shared/embedded/http-delivery.ts';
import { createCaller } from './caller.ts';
import { startExecutor } from './executor.ts';
import type { Figure, Scale } from './figures.ts';
import { repeat } from './load.ts';
import { benchLog, embeddedParts } from './parts.ts';

export interface Counts {
  reads: number;
  writes: number;
  tasks: number;
  calls: number;
}
export const COUNTED = {
  reads: 'document reads',
  writes: 'document writes',
  tasks: 'tasks',
  calls: 'function calls',
} as const satisfies Record<keyof Counts, string>;

/** What an execution may cost at most. */
export const BUDGETS = {
  unattended: { reads: 8, writes: 7, tasks: 2, calls: 4 },
  interactive: { reads: 11, writes: 9, tasks: 2, calls: 6 },
} as const satisfies Record<string, Counts>;
export type Kind = keyof typeof BUDGETS;
export const KINDS = Object.keys(BUDGETS) as Kind[];

/** The quest of each kind that is counted; the executor is for the unattended one. */
export function describe(kind: Kind, name: string, executorUrl: string): object {
  if (kind === 'interactive') return { distributorConfigName: 'sim', parameters: { name, stages: [] } };
  return { distributorConfigName: 'web', parameters: { name }, distributorParameters: { url: executorUrl } };
}

/** Counted after a first one of each kind; their quests are new, so that no cache knows them. */
const EXECUTIONS = 20;

/**
 * What one execution costs, submitting it included. The client's calls of the api are not counted, nor what adapters store
 * for themselves. Each function has an engine of its own, as when it is deployed: no cache is shared.
 */
export async function budget({ runs }: Scale): Promise<Figure[]> {
  const measured = await repeat(runs, async directory => {
    const bed = await createBed(directory);
    const costs: Partial<Record<Kind, Counts>> = {};
    for (const kind of KINDS) {
      await bed.execute(kind, 'first');
      bed.reset();
      for (let n = 0; n < EXECUTIONS; n++) await bed.execute(kind, `counted ${n}`);
      costs[kind] = { ...bed.counts };
    }
    await bed.stop();
    return costs as Record<Kind, Counts>;
  });
  return KINDS.flatMap(kind =>
    (Object.keys(COUNTED) as (keyof Counts)[]).map(what => ({
      name: `${COUNTED[what]}, ${kind}`,
      unit: 'each',
      runs: measured.map(costs => costs[kind][what] / EXECUTIONS),
      target: { atMost: BUDGETS[kind][what] },
    })),
  );
}

/** All functions in this process, whose calls, and what they ask of store and queue, are counted. */
export async function createBed(directory: string) {
  const counts: Counts = { reads: 0, writes: 0, tasks: 0, calls: 0 };
  const reset = () => void Object.assign(counts, { reads: 0, writes: 0, tasks: 0, calls: 0 });
  const servers = await openServers(0);
  const poster = createPoster();
  const caller = createCaller();
  const executor = await startExecutor(caller);
  const parts = embeddedParts(directory, {
    task: ({ path, body }, info) => poster.postTask(`${servers.urls.tasks}/${path}`, body, info),
    message: body => poster.post(`${servers.urls.notify}/`, body),
  });
  const types = typeTable(ADAPTER_TYPES);
  const options = {
    ...parts,
    store: countedStore(parts.store, counts),
    queue: countedQueue(parts.queue, counts),
    types,
    distributors: parseDistributors(
      {
        web: { type: 'http', config: { allowedHosts: ['127.0.0.1'] } },
        sim: { type: 'jobsim', config: { pool: 'bench' } },
      },
      types,
    ),
    http: createHttpClient({ local: true }),
    jobUrl: servers.urls.job,
  };
  const wired = FUNCTION_NAMES.map(name => [name, wire(options, { log: benchLog, local: true })] as const);
  const { engine: client } = wired.find(([name]) => name === 'api')![1];
  const counted = wired.map(([name, { functions }]) => {
    const handle = functions[name];
    const counting: typeof handle = (request, response) => {
      counts.calls++;
      return handle(request, response);
    };
    return [name, counting] as const;
  });
  servers.serve(Object.fromEntries(counted) as Record<FunctionName, (typeof counted)[number][1]>);
  parts.start();

  /** Submits quests, and resolves once all of them are finished and nothing is under way any more. */
  async function finish(descs: readonly object[]): Promise<void> {
    const { questIds } = await client.ensureGraph({ quests: descs.map(desc => ({ desc })) });
    for (const quest of questIds) {
      for (;;) {
        // Past the counting store, and until the last delivery is acknowledged.
        const { state } = (await parts.store.get('attempt', attemptId(quest, 1)))!.doc;
        const left = parts.queue.counts().pending + parts.topic.counts().pending;
        if (state === 'FINISHED' && left === 0) break;
        if (state === 'ABNORMAL_FINISHED') throw new Error(`quest ${quest} failed`);
        await sleep(1);
      }
    }
  }

  return {
    counts,
    reset,
    execute: (kind: Kind, name: string) => finish([describe(kind, name, executor.url)]),
    finish,
    async stop() {
      await parts.stop();
      await servers.close();
      executor.close();
      poster.close();
      caller.close();
    },
  };
}

function countedStore(store: Store, counts: Counts): Store {
  return {
    ...store,
    get(kind, id) {
      counts.reads++;
      return store.get(kind, id);
    },
    async commit(writes) {
      const versions = await store.commit(writes);
      // What is refused writes nothing.
      counts.writes += writes.length;
      return versions;
    },
    async listExecutions(id, first, last) {
      counts.reads += last - first + 1;
      return store.listExecutions(id, first, last);
    },
    async listEdges(query) {
      const page = await store.listEdges(query);
      // A query that finds nothing is billed as one read.
      counts.reads += Math.max(1, page.items.length);
      return page;
    },
    countOpen(wait, upTo) {
      // Up to 1,000 index entries are one read.
      counts.reads += Math.ceil(Math.max(1, upTo) / 1000);
      return store.countOpen(wait, upTo);
    },
    postpone(kind, id, until) {
      counts.writes++;
      return store.postpone(kind, id, until);
    },
  };
}

function countedQueue(queue: Queue, counts: Counts): Queue {
  return {
    enqueue(task) {
      counts.tasks++;
      return queue.enqueue(task);
    },
  };
}
