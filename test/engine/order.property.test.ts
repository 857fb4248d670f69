import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Attempt, isAttemptOver, rankOf, waitOf } from '../../shared/core/attempt.ts';
import { ApiError, type FieldViolation, TransientError } from '../../shared/core/errors.ts';
import type { Store } from '../../shared/core/ports.ts';
import { createGraph, type Graph } from '../support/graph.ts';
import { createMemoryStore } from '../support/memory-store.ts';

/** Those that a client asks for; all others exist once one of them does. */
const WANTED = ['a', 'b', 'c', 'd'] as const;
const NAMES = [...WANTED, 'e', 'f'] as const;
type Name = (typeof NAMES)[number];

interface Ask {
  of: Name;
  for: Name[];
  require: 'all' | 'any';
}
/** Asks that are made at the same time, or the end of a job. */
type Step = { asks: Ask[] } | { end: Name };

const names = fc.constantFrom(...NAMES);
const asks = fc.record({
  of: names,
  for: fc.uniqueArray(names, { minLength: 1, maxLength: 3 }),
  require: fc.constantFrom('all', 'all', 'any'),
}) satisfies fc.Arbitrary<Ask>;
const steps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ asks: fc.uniqueArray(asks, { maxLength: 4, selector: ask => ask.of }) }) },
    { weight: 1, arbitrary: fc.record({ end: names }) },
  ) satisfies fc.Arbitrary<Step>,
  { minLength: 3, maxLength: 14 },
);

/** A store whose calls, while `held`, are made and answered in the order that the scheduler chooses. */
function scheduledStore(scheduler: fc.Scheduler): { store: Store; hold(held: boolean): void } {
  const memory = createMemoryStore();
  let isHeld = false;
  const turn = async (label: string) => (isHeld ? scheduler.schedule(Promise.resolve(), label) : undefined);
  async function inTurn<T>(label: string, call: () => Promise<T>): Promise<T> {
    await turn(label);
    const answer = await call();
    await turn(`${label} answered`);
    return answer;
  }
  return {
    hold: held => void (isHeld = held),
    store: {
      ...memory,
      get: (kind, id) => inTurn(`get ${kind}`, () => memory.get(kind, id)),
      commit: writes => inTurn(`commit ${writes.map(({ kind }) => kind).join()}`, () => memory.commit(writes)),
      listEdges: query => inTurn('list edges', () => memory.listEdges(query)),
      countOpen: (wait, upTo) => inTurn('count open', () => memory.countOpen(wait, upTo)),
    },
  };
}

/** What each attempt waits for by what is committed. */
type Waits = Map<Name, Name[]>;

async function attemptOf(graph: Graph<Store>, name: Name): Promise<Attempt | undefined> {
  return (await graph.store.get('attempt', graph.id(name)))?.doc;
}

async function waitsOf(graph: Graph<Store>): Promise<Waits> {
  const nameOf = new Map(NAMES.map(name => [graph.id(name), name]));
  const entries = NAMES.map(async (name): Promise<[Name, Name[]]> => {
    const attempt = await attemptOf(graph, name);
    const wait = attempt && waitOf(attempt);
    if (wait === undefined) return [name, []];
    const { items } = await graph.store.listEdges({ wait: wait.id, limit: 100 });
    return [name, items.map(({ doc }) => nameOf.get(doc.dependency)!)];
  });
  return new Map(await Promise.all(entries));
}

/** Whether `from` is `to`, or waits for it, at whatever remove. */
function reaches(waits: Waits, from: Name, to: Name, seen = new Set<Name>()): boolean {
  if (from === to) return true;
  if (seen.has(from)) return false;
  seen.add(from);
  return waits.get(from)!.some(next => reaches(waits, next, to, seen));
}

async function expectInOrder(graph: Graph<Store>, waits: Waits): Promise<void> {
  for (const [name, dependencies] of waits)
    for (const dependency of dependencies) {
      expect(reaches(waits, dependency, name), `${name} waits for ${dependency}, and that for ${name}`).toBe(false);
      const [above, below] = await Promise.all([graph.attemptOf(name), graph.attemptOf(dependency)]);
      expect(isAttemptOver(below) || rankOf(below) > rankOf(above)).toBe(true);
    }
}

/** The path that a refusal names is one: the ask, and then waits that are committed. */
function expectPath(graph: Graph<Store>, waits: Waits, { of, for: wanted }: Ask, { details }: ApiError): void {
  const [{ field, description }] = details as [FieldViolation];
  const path = description.split(': ')[1]!.split(' → ');
  const [first, second, ...rest] = path.map(id => NAMES.find(name => graph.id(name) === id)!);
  expect(first).toBe(of);
  expect(field).toBe(`quests[${wanted.indexOf(second!)}].desc`);
  let above = second!;
  for (const next of rest) {
    expect(waits.get(above)).toContain(next);
    above = next;
  }
  expect(above).toBe(of);
}

type Answer = { halted: boolean } | { refused: ApiError } | 'again';

async function answerOf(graph: Graph<Store>, ask: Ask): Promise<Answer> {
  try {
    return { halted: (await graph.ask(ask.of, ask.for, { require: ask.require })).shouldHalt };
  } catch (error) {
    if (error instanceof TransientError) return 'again';
    if (error instanceof ApiError && error.status === 'FAILED_PRECONDITION') return { refused: error };
    throw error;
  }
}

async function stateOf(graph: Graph<Store>, name: Name): Promise<string> {
  const attempt = await attemptOf(graph, name);
  if (attempt?.state !== 'EXECUTING') return attempt?.state ?? 'absent';
  return (await graph.execution(graph.id(name), attempt.executions)).state;
}

/** The job does what is left for it to do; false when there is nothing. */
async function move(graph: Graph<Store>, name: Name): Promise<boolean> {
  switch (await stateOf(graph, name)) {
    case 'SCHEDULING':
      await graph.settle();
      await graph.activate(name);
      return true;
    case 'RUNNING':
      await graph.finish(name);
      return true;
    case 'STOPPING':
      await graph.exit(name);
      return true;
    default:
      return false;
  }
}

async function activateAll(graph: Graph<Store>): Promise<void> {
  await graph.settle();
  for (const name of NAMES) if ((await stateOf(graph, name)) === 'SCHEDULING') await graph.activate(name);
}

test('whoever asks for whatever, waits form no cycle, only what would close one is refused, and all come to an end', async () => {
  const seen = { halted: 0, refused: 0, passed: 0, together: 0 };

  async function askAll(graph: Graph<Store>, wanted: Ask[], answersOf: () => Promise<Answer[]>): Promise<Ask[]> {
    const before = await waitsOf(graph);
    const answers = await answersOf();
    const after = await waitsOf(graph);
    await expectInOrder(graph, after);
    for (const [n, answer] of answers.entries()) {
      const ask = wanted[n]!;
      const closes = (waits: Waits) => ask.for.some(dependency => reaches(waits, dependency, ask.of));
      if (answer === 'again') continue;
      if ('refused' in answer) expectPath(graph, after, ask, answer.refused);
      if ('halted' in answer && answer.halted) expect(closes(before)).toBe(false);
      // Nobody else was at work.
      if (wanted.length === 1 && ask.require === 'all') expect('refused' in answer).toBe(closes(before));
      seen['refused' in answer ? 'refused' : answer.halted ? 'halted' : 'passed']++;
      if (wanted.length > 1 && 'refused' in answer && !closes(before)) seen.together++;
    }
    return wanted.filter((_, n) => answers[n] === 'again');
  }

  const property = fc.asyncProperty(fc.scheduler(), steps, async (scheduler, taken) => {
    const { store, hold } = scheduledStore(scheduler);
    const graph = createGraph({ store });
    await graph.begin(...WANTED);
    for (const step of taken) {
      await activateAll(graph);
      if ('end' in step) {
        await move(graph, step.end);
        continue;
      }
      const states = await Promise.all(step.asks.map(({ of }) => stateOf(graph, of)));
      const possible = step.asks.filter((ask, n) => states[n] === 'RUNNING' && !ask.for.includes(ask.of));
      const again = await askAll(graph, possible, async () => {
        hold(true);
        const answers = await scheduler.waitFor(Promise.all(possible.map(ask => answerOf(graph, ask))));
        hold(false);
        return answers;
      });
      for (const ask of again) {
        const left = await askAll(graph, [ask], async () => [await answerOf(graph, ask)]);
        expect(left).toEqual([]);
      }
    }

    for (let isMoving = true; isMoving; ) {
      const moved = [];
      for (const name of NAMES) moved.push(await move(graph, name));
      isMoving = moved.includes(true);
    }
    const ends = await Promise.all(NAMES.map(name => stateOf(graph, name)));
    expect(ends.slice(0, WANTED.length)).toEqual(WANTED.map(() => 'FINISHED'));
    for (const end of ends.slice(WANTED.length)) expect(end).toMatch(/^(FINISHED|absent)$/);
  });
  await fc.assert(property, { numRuns: 150 });
  // It has seen what it is about.
  expect(Math.min(...Object.values(seen))).toBeGreaterThan(0);
}, 120_000);
