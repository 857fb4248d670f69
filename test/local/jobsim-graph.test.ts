import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { step } from '../../shared/adapters/jobsim/phrase.ts';
import {
  freePorts,
  runStack,
  sim,
  startTestStack,
  temporaryFolder,
  type TestStack,
  writeDistributors,
} from '../support/stack.ts';

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
});
afterAll(() => stack.close());

const asks = (...deps: object[]) => ({ deps: { deps } });
const returns = (retval: number, name: string, ...stages: object[]) => ({ name, stages, returnStage: { retval } });
const success = (value: number) => ({ data: { success: true, value: String(value) } });

/** How many executions the attempts had that came to be since `before`. */
async function executionsSince(before: Set<string>): Promise<number[]> {
  const fresh = (await stack.api.listAll()).filter(({ quest, attempt }) => !before.has(`${quest}|${attempt}`));
  const attempts = await Promise.all(fresh.map(({ quest, attempt }) => stack.api.get(quest, attempt)));
  return attempts.map(({ executions }) => executions.length);
}

async function known(): Promise<Set<string>> {
  return new Set((await stack.api.listAll()).map(({ quest, attempt }) => `${quest}|${attempt}`));
}

test('dependencies of dependencies of dependencies add up, and what two need is run once', async () => {
  const before = await known();
  const shared = { phrase: { ...returns(1, 'shared'), seed: 5 } };
  const own = { mixSeed: true, phrase: returns(20, 'own') };
  const library = returns(300, 'library', asks(shared, own));
  const program = returns(4000, 'program', asks({ shards: 2, mixSeed: true, phrase: library }));
  const root = returns(50_000, 'root', asks({ phrase: program }, shared));

  const attempt = await stack.api.wait(await stack.api.submit(sim(root)));
  const library1 = 1 + 20 + 300;
  expect(attempt).toMatchObject({ state: 'FINISHED', result: success(50_000 + (4000 + 2 * library1) + 1) });
  // The root, the program, two libraries, the own one of each; and the shared one, which waits for nothing.
  const executions = await executionsSince(before);
  expect(executions).toHaveLength(7);
  const leaf = await stack.api.get(await stack.api.submit(sim(shared.phrase)));
  expect(leaf).toMatchObject({ result: success(1) });
  expect(leaf.executions).toHaveLength(1);
  expect(await executionsSince(before)).toHaveLength(7);
  expect(attempt.executions.map(({ result }) => result)).toEqual([
    { data: { stage: 0, sum: 0 } },
    { data: { stage: 1, sum: 4000 + 2 * library1 + 1 } },
  ]);
});

test('a phrase that is asked for beside the graph that needs it is the same quest', async () => {
  const before = await known();
  const leaf = returns(3, 'beside');
  const quests = await stack.api.submitAll([sim(leaf), sim(returns(4, 'above', asks({ phrase: leaf })))]);
  const attempts = await Promise.all(quests.map(quest => stack.api.wait(quest)));
  expect(attempts.map(({ result }) => result)).toEqual([success(3), success(7)]);
  expect(await executionsSince(before)).toHaveLength(2);
});

test('one that fails is asked for again, and its second attempt counts', async () => {
  const coin = { failure: { chance: 0.5 } };
  const fails = (seed: number, attempt: number) =>
    step({ seed, stages: [coin] }, { stage: 0, sum: 0 }, attempt).progress.stage === 0;
  const seed = Array.from({ length: 100 }, (_, n) => n + 1).find(n => fails(n, 1) && !fails(n, 2))!;
  const before = await known();
  const flaky = { ...returns(8, 'flaky', coin), seed };
  const steady = returns(1, 'steady');
  const quest = await stack.api.submit(sim(returns(0, 'top', asks({ retries: 2, phrase: flaky }, { phrase: steady }))));
  const attempt = await stack.api.wait(quest);
  expect(attempt.result).toEqual(success(9));
  expect(attempt.executions.map(({ result }) => result)).toContainEqual({
    data: { stage: 0, sum: 1, retry: { attempt: 2, places: [0] } },
  });
  expect(await executionsSince(before)).toHaveLength(4);
});

test('one that fails in all its attempts fails the phrase', async () => {
  const before = await known();
  const hopeless = returns(8, 'hopeless', { failure: { chance: 1 } });
  const quest = await stack.api.submit(sim(returns(0, 'top', asks({ retries: 2, phrase: hopeless }))));
  expect(await stack.api.wait(quest)).toMatchObject({ state: 'FINISHED', result: { data: { success: false } } });
  expect(await executionsSince(before)).toHaveLength(4);
});

test('each attempt of a list adds, in each of a hundred shards', async () => {
  const attempts = { items: [{ single: 1 }, { range: { low: 3, high: 4 } }] };
  const quest = await stack.api.submit(
    sim(returns(0, 'top', asks({ shards: 100, attempts, phrase: returns(2, 's') }))),
  );
  expect((await stack.api.wait(quest)).result).toEqual(success(100 * 3 * 2));
});

test('a kill -9 while some wait and others stall changes nothing of the sum', async () => {
  const folder = temporaryFolder();
  const environment = {
    DATA_DIR: join(folder, 'data'),
    PORT: String(await freePorts()),
    DISTRIBUTORS: writeDistributors(folder),
  };
  const slow = returns(1, 'slow', { stall: { delay: '4s' } });
  const middle = returns(10, 'middle', asks({ shards: 4, mixSeed: true, phrase: slow }));
  const root = returns(100, 'root', asks({ shards: 3, mixSeed: true, phrase: middle }));

  const first = await runStack(environment);
  const quest = await first.api.submit(sim(root));
  const countIn = async (state: string) => (await first.api.list(`state=${state}&pageSize=100`)).attempts.length;
  await vi.waitFor(async () => expect(await countIn('WAITING')).toBe(4), { timeout: 20_000 });
  await vi.waitFor(async () => expect(await countIn('EXECUTING')).toBeGreaterThan(0), { timeout: 20_000 });
  first.kill('SIGKILL');
  await first.exited;

  const second = await runStack(environment);
  const attempt = await second.api.wait(quest);
  expect(attempt.result).toEqual(success(100 + 3 * (10 + 4)));
  expect(attempt.executions).toHaveLength(2);
  expect(await second.api.listAll()).toHaveLength(1 + 3 + 12);
});
