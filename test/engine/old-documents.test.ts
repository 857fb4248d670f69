import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Distributor, TaskDescription } from '../../shared/adapters/contract.ts';
import {
  ATTEMPT_STATES,
  type Attempt,
  idOfAttempt,
  isAttemptOver,
  rankOf,
  SCHEMA_VERSION,
  waitOf,
} from '../../shared/core/attempt.ts';
import { idOf } from '../../shared/core/documents.ts';
import type { Edge } from '../../shared/core/edge.ts';
import {
  EXECUTION_STATES,
  type Execution,
  type ExecutionIn,
  idOfExecution,
  isLive,
} from '../../shared/core/execution.ts';
import { type ExecutionId, SHARDS } from '../../shared/core/ids.ts';
import type { Ids, Kind, Store, Write } from '../../shared/core/ports.ts';
import { MODES, type Quest } from '../../shared/core/quest.ts';
import { finished, type TaskStatus } from '../../shared/core/result.ts';
import { activationToken } from '../../shared/core/tokens.ts';
import { createStore } from '../../shared/embedded/store.ts';
import { createTestEngineOn, KEYRING, type TestEngine } from '../support/engine.ts';
import { createMemoryStore } from '../support/memory-store.ts';
import { freshDatabase } from '../support/sqlite.ts';

/**
 * What released versions left in their stores: a folder for each schema version, a file for each world, as it was when its
 * process died. A file that was released is not changed any more; another one may be added.
 */
interface World {
  about: string;
  /** How each attempt ends, by its number: FINISHED or its abnormal status. */
  ends: Record<string, string>;
  quest: Quest;
  attempts: Attempt[];
  executions: Execution[];
  /** Where attempts have asked for each other. */
  edges?: Edge[];
}

const ROOT = join(import.meta.dirname, '../fixtures/documents');
const FOLDERS = readdirSync(ROOT).toSorted();
const WORLDS = FOLDERS.flatMap(folder =>
  readdirSync(join(ROOT, folder)).map(file => {
    const world = JSON.parse(readFileSync(join(ROOT, folder, file), 'utf8')) as World;
    return { folder, name: `${folder}/${file}`, world };
  }),
);

const STORES: Record<string, () => Store> = {
  memory: createMemoryStore,
  SQLite: () => createStore(freshDatabase()),
};

test('there is a folder for each schema version up to the current one, and no other', () => {
  expect(FOLDERS).toEqual(Array.from({ length: SCHEMA_VERSION }, (_, i) => `v${i + 1}`));
  for (const { folder, world } of WORLDS)
    for (const { schemaVersion } of [...world.attempts, ...world.executions, ...(world.edges ?? [])])
      expect(`v${schemaVersion}`).toBe(folder);
});

/** What must occur in each folder besides the states. */
const IN_EXECUTIONS: [string, (execution: Execution) => boolean][] = [
  ...(['run', 'poll', 'cancel', 'confirm'] as const).map((call): (typeof IN_EXECUTIONS)[number] => [
    `a claim of ${call}`,
    ({ claim }) => claim?.call === call,
  ]),
  ...(['owed', 'launched', 'none'] as const).map((state): (typeof IN_EXECUTIONS)[number] => [
    `a launch that is ${state}`,
    ({ launch }) => launch.state === state,
  ]),
  ...(['cancel', 'confirm', 'learn'] as const).map((need): (typeof IN_EXECUTIONS)[number] => [
    `an unwanted job that needs ${need}`,
    ({ unwanted = [] }) => unwanted.some(job => job.need === need),
  ]),
  ['a job given up on', ({ unwanted = [] }) => unwanted.some(job => job.abandoned === true)],
  [
    'a stray that waits for the end',
    one => isLive(one) && one.unwanted?.some(job => job.nextAt === undefined) === true,
  ],
  ['an outbox', ({ launch }) => launch.state === 'launched' && launch.outbox !== undefined],
  ['kept notifications', one => isLive(one) && one.kept !== undefined],
  ['no deadline', one => isLive(one) && one.deadlineAt === undefined],
  ['a late outcome', one => !isLive(one) && one.lateOutcome !== undefined],
  ['an end after a halt', one => !isLive(one) && one.halt !== undefined],
  ['a state to go on from', ({ stateFrom }) => stateFrom !== undefined],
  ['one that asks for attempts', one => one.state === 'RUNNING' && one.asking !== undefined],
  ['one that stops to wait', one => one.state === 'STOPPING' && one.finish === undefined],
];
const IN_ATTEMPTS: [string, (attempt: Attempt) => boolean][] = [
  ['one that an execution holds back', one => one.state === 'SCHEDULING' && one.after !== undefined],
  ['one that waits for its backoff', one => one.state === 'SCHEDULING' && one.notBefore > one.updatedAt],
  ['retries of several classes', ({ retries }) => Object.keys(retries).length > 1],
  ['a result that expires', one => one.state === 'FINISHED' && one.result.expiration !== undefined],
  ['one that waits for all that it asked for', one => one.state === 'WAITING' && one.wait?.spare === 0],
  ['one that waits for some of it', one => one.state === 'WAITING' && (one.wait?.spare ?? 0) > 0],
  ['one that waits as nobody does any more', one => one.state === 'WAITING' && one.wait === undefined],
  ['one that is going to wait', one => one.state === 'EXECUTING' && one.wait !== undefined],
  ['one that has to count', one => one.state === 'WAITING' && one.uncounted === true],
  ['one that has to tell its dependents', one => isAttemptOver(one) && one.owes?.tell !== undefined],
  ['one that has to cancel its dependencies', one => isAttemptOver(one) && one.owes?.cascade !== undefined],
  ['one that is doomed', ({ doomed }) => doomed !== undefined],
  ['one that only others have asked for', one => one.awaited === true && one.requested !== true],
  ['one that ranks above others', one => rankOf(one) > 1],
];
const IN_EDGES: [string, (edge: Edge) => boolean][] = [
  ['an open one', ({ open }) => open],
  ['one that is settled', ({ open, withdrawn }) => !open && withdrawn !== true],
  ['one that was withdrawn', ({ withdrawn }) => withdrawn === true],
  ['one of which some are needed', ({ spare }) => spare > 0],
];

describe.each(FOLDERS)('the documents of %s', folder => {
  const worlds = WORLDS.filter(one => one.folder === folder).map(({ world }) => world);
  const attempts = worlds.flatMap(world => world.attempts);
  const executions = worlds.flatMap(world => world.executions);
  const edges = worlds.flatMap(world => world.edges ?? []);

  test('show every state in every mode', () => {
    // A job that knows nothing of us says nothing that could halt it.
    const possible = MODES.flatMap(mode => EXECUTION_STATES.map(state => `${mode} ${state}`)).filter(
      one => one !== 'unattended STOPPING',
    );
    expect(new Set(executions.map(({ mode, state }) => `${mode} ${state}`))).toEqual(new Set(possible));
    expect(new Set(attempts.map(({ state }) => state))).toEqual(new Set(ATTEMPT_STATES));
  });

  test.each(IN_EXECUTIONS)('show %s', (_, occurs) => expect(executions.some(occurs)).toBe(true));

  test.each(IN_ATTEMPTS)('show %s', (_, occurs) => expect(attempts.some(occurs)).toBe(true));

  test.each(IN_EDGES)('show, of edges, %s', (_, occurs) => expect(edges.some(occurs)).toBe(true));
});

describe.each(Object.keys(STORES))('on %s', storeName => {
  test.each(WORLDS)('$name ($world.about) is read, and comes to its end', async ({ folder, world }) => {
    const store = STORES[storeName]!();
    await store.commit(writesOf(world));
    // Those of older versions are read as what they mean today.
    if (folder === `v${SCHEMA_VERSION}`)
      for (const write of writesOf(world))
        expect((await store.get(write.kind, idOf(write) as Ids[Kind]))?.doc).toEqual(write.doc);

    const engine = await createGoodWorld(store, world);
    await comeToRest(engine);
    for (const attempt of world.attempts) {
      const after = (await store.get('attempt', idOfAttempt(attempt)))!.doc;
      expect(isAttemptOver(after) && endOf(after)).toBe(world.ends[attempt.attempt]);
      if (isAttemptOver(attempt)) expect(after).toMatchObject({ state: attempt.state, result: attempt.result });
    }
    for (const execution of world.executions) {
      const after = (await store.get('execution', idOfExecution(execution)))!.doc;
      expect(isLive(after)).toBe(false);
      expect(after.unwanted?.filter(({ abandoned }) => abandoned !== true) ?? []).toEqual([]);
      if (!isLive(execution)) expect(after).toMatchObject({ state: execution.state, result: execution.result });
    }
  });
});

test('an old execution that is run now receives the state that the one before it left', async () => {
  const { world } = WORLDS.find(({ name }) => name.endsWith('interactive-second-execution.json'))!;
  const store = createMemoryStore();
  await store.commit(writesOf(world));
  const engine = await createGoodWorld(store, world);
  await comeToRest(engine);
  expect(engine.executor.argsOf('run')).toMatchObject([
    { executionId: `${world.quest.id}|1|2`, previousState: { stage: 1 } },
  ]);
});

test('an attempt that waited is run once more, and receives what its execution left when it halted', async () => {
  for (const { world } of WORLDS.filter(one => one.world.attempts.some(waitOf))) {
    const store = createMemoryStore();
    await store.commit(writesOf(world));
    const engine = await createGoodWorld(store, world);
    await comeToRest(engine);
    for (const attempt of world.attempts.filter(waitOf)) {
      const { executions } = await engine.attempt(idOfAttempt(attempt));
      expect(executions).toBe(attempt.executions + 1);
      const halted = await engine.execution(idOfAttempt(attempt), attempt.executions);
      const runs = (engine.executor.argsOf('run') as TaskDescription[]).filter(
        ({ executionId }) => executionId === `${idOfAttempt(attempt)}|${executions}`,
      );
      expect(runs).toMatchObject([{ previousState: (halted as ExecutionIn<'FINISHED'>).result.data }]);
    }
  }
});

function writesOf({ quest, attempts, executions, edges = [] }: World): Write[] {
  return [
    { kind: 'quest', doc: quest },
    ...attempts.map(doc => ({ kind: 'attempt', doc }) as const),
    ...executions.map(doc => ({ kind: 'execution', doc }) as const),
    ...edges.map(doc => ({ kind: 'edge', doc }) as const),
  ];
}

function endOf(attempt: Attempt): string {
  return 'result' in attempt && 'abnormalFinish' in attempt.result
    ? attempt.result.abnormalFinish.status
    : attempt.state;
}

/** What the fixtures' jobs chose when they activated. */
const EXECUTION_TOKEN = 'm'.repeat(43);
const DONE = finished({ data: { answer: 42 } });

/** A new version of the program on that store, with an executor whose jobs all end well, and clients that give up waiting. */
async function createGoodWorld(store: Store, world: World): Promise<TestEngine<Store>> {
  const engine = createTestEngineOn(store);
  /** An interactive job says to us what its executor is going to say of it. */
  async function work(id: ExecutionId): Promise<TaskStatus> {
    const { doc } = (await store.get('execution', id))!;
    if (doc.mode === 'unattended' || !isLive(doc) || doc.state === 'STOPPING') return DONE;
    const tokens = { activationToken: activationToken(KEYRING, id, doc.auth), executionToken: EXECUTION_TOKEN };
    await engine.engine.activate(id, tokens);
    await engine.engine.finish(id, { executionToken: EXECUTION_TOKEN, data: { data: { answer: 42 } } });
    return DONE;
  }
  const script: Partial<Distributor> = {
    run: async ({ executionId }: TaskDescription) => ({
      token: `job of ${executionId}`,
      status: await work(executionId),
    }),
    getStatus: ({ executionId }) => work(executionId),
    cancel: async () => {},
    handleNotification: async ({ data }) => JSON.parse(data) as TaskStatus,
    handleTaskQueueTask: async () => [],
  };
  Object.assign(engine.executor.script, script);
  const lastWriteAt = Math.max(...[...world.attempts, ...world.executions].map(({ updatedAt }) => updatedAt));
  engine.clock.advance(lastWriteAt - engine.clock.now());
  for (const attempt of world.attempts)
    if (attempt.state === 'WAITING' && attempt.wait === undefined)
      await engine.engine.cancelAttempt(idOfAttempt(attempt), 'nobody can unblock it');
  return engine;
}

async function comeToRest(engine: TestEngine<Store>): Promise<void> {
  for (let rests = 0; ; rests++) {
    const times = await owedTimes(engine.store);
    if (times.length === 0) return;
    if (rests === 100) throw new Error('something is owed for ever');
    await engine.elapse(Math.max(0, Math.min(...times) - engine.clock.now()));
  }
}

/** When whatever the store holds falls due, as its own index for the sweep says. */
async function owedTimes(store: Store): Promise<number[]> {
  const pages = await Promise.all(
    Array.from({ length: SHARDS }, (_, shard) => shard).flatMap(shard =>
      (['attempt', 'execution'] as const).map(kind => store.due(kind, shard, Number.MAX_SAFE_INTEGER, 100)),
    ),
  );
  return pages.flatMap(({ items }) => items.map(({ wakeAt }) => wakeAt));
}
