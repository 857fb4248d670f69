import { databaseFile } from '../local/settings.ts';
import { SCHEMA_VERSION } from '../shared/core/attempt.ts';
import { decideEdge, decideSettle } from '../shared/core/decide/depend.ts';
import { type AttemptId, attemptId, shardOf } from '../shared/core/ids.ts';
import type { Write } from '../shared/core/ports.ts';
import { normalizeQuest } from '../shared/core/quest.ts';
import { openDatabase } from '../shared/embedded/database.ts';
import { createStore } from '../shared/embedded/store.ts';
import { createCaller } from './caller.ts';
import type { Figure, Scale } from './figures.ts';
import { repeat } from './load.ts';
import { startStackProcess } from './stack-process.ts';

const ATTEMPTS = 10_000;
const WIDTH = 100;
const EDGES = 3;
const RESULT_BYTES = 1024;
const BATCH = 500;
const MIB = 2 ** 20;

/** A walk over a graph of 10,000 attempts with results of 1 KiB, on the local stack over HTTP; as one page, and as ten. */
export async function walk({ runs, scaled }: Scale): Promise<Figure[]> {
  const attempts = scaled(ATTEMPTS);
  const measured = await repeat(runs, directory => walkOnce(directory, attempts));
  const count = attempts.toLocaleString('en');
  return [
    { name: `${count} attempts, one page`, unit: 's', runs: measured.map(({ onePage }) => onePage.seconds) },
    { name: `${count} attempts, ten pages`, unit: 's', runs: measured.map(({ tenPages }) => tenPages.seconds) },
    {
      name: 'resident memory before',
      unit: 'MiB',
      runs: measured.map(({ before }) => before / MIB),
    },
    {
      name: 'peak resident memory',
      unit: 'MiB',
      runs: measured.map(({ peak }) => peak / MIB),
    },
  ];
}

async function walkOnce(directory: string, attempts: number) {
  await fill(directory, attempts);
  const stack = await startStackProcess(directory);
  const caller = createCaller();

  async function walkIn(pages: number): Promise<{ seconds: number }> {
    const roots = Object.fromEntries(Array.from({ length: WIDTH }, (_, n) => [questOf(n).id, [1]]));
    const pageSize = Math.ceil(attempts / pages);
    const startedAt = performance.now();
    let seen = 0;
    for (let pageToken: string | undefined; ; ) {
      const body = { query: { attempts: roots }, pageSize, ...(pageToken !== undefined && { pageToken }) };
      const answer = (await caller.call('POST', `${stack.apiUrl}/v1/graph:walk`, body)) as {
        graph: { quests: object };
        nextPageToken?: string;
      };
      seen += Object.keys(answer.graph.quests).length;
      if (answer.nextPageToken === undefined) break;
      pageToken = answer.nextPageToken;
    }
    if (seen !== attempts) throw new Error(`${seen} attempts were walked to, not ${attempts}`);
    return { seconds: (performance.now() - startedAt) / 1000 };
  }

  const before = (await stack.memory()).resident;
  const onePage = await walkIn(1);
  const { peak } = await stack.memory();
  const tenPages = await walkIn(10);
  await stack.stop();
  caller.close();
  return { before, onePage, tenPages, peak };
}

/** Layers of finished attempts, each of which depends on three of the next one. */
async function fill(directory: string, attempts: number): Promise<void> {
  const database = openDatabase(databaseFile({ dataDir: directory }));
  const store = createStore(database);
  const now = Date.now();
  const idOf = (n: number) => attemptId(questOf(n).id, 1);
  let writes: Write[] = [];
  for (let n = 0; n < attempts; n++) {
    const quest = questOf(n);
    const next = (Math.floor(n / WIDTH) + 1) * WIDTH;
    const below = Array.from({ length: EDGES }, (_, i) => next + ((n + i * 7) % WIDTH)).filter(one => one < attempts);
    writes.push(
      { kind: 'quest', doc: { ...quest, createdAt: now } },
      { kind: 'attempt', doc: finished(quest.id, idOf(n), now) },
      ...below.map((one): Write => ({ kind: 'edge', doc: settledEdge(idOf(n), idOf(one), now) })),
    );
    if (writes.length < BATCH && n + 1 < attempts) continue;
    await store.commit(writes);
    writes = [];
  }
  database.close();
}

function questOf(n: number) {
  return normalizeQuest({ distributorConfigName: 'web', parameters: { n } });
}

function finished(quest: ReturnType<typeof questOf>['id'], id: AttemptId, now: number) {
  return {
    schemaVersion: SCHEMA_VERSION,
    quest,
    attempt: 1,
    revision: 1,
    shard: shardOf(id),
    createdAt: now,
    updatedAt: now,
    distributor: 'web',
    executions: 1,
    retries: {},
    state: 'FINISHED',
    endedAt: now,
    result: { data: { text: 'x'.repeat(RESULT_BYTES) } },
  } as const;
}

function settledEdge(dependent: AttemptId, dependency: AttemptId, now: number) {
  const asking = { dependent, execution: 1, ask: 1, spare: 0 };
  return decideSettle(decideEdge(undefined, dependency, asking, now), now);
}
