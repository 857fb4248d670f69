import { describe, expect, onTestFinished, test } from 'vitest';
import { decideEdge } from '../../shared/core/decide/depend.ts';
import { parseAttemptId } from '../../shared/core/ids.ts';
import type { Version, Write } from '../../shared/core/ports.ts';
import { abnormal } from '../../shared/core/result.ts';
import { createStore } from '../../shared/embedded/store.ts';
import { MINUTE_MS } from '../support/decide.ts';
import { attemptIn, CREATED_AT } from '../support/documents.ts';
import { answerOf } from '../support/engine.ts';
import { createGraph, type Graph } from '../support/graph.ts';
import { freshDatabase } from '../support/sqlite.ts';

const statesOf = async (graph: Graph, ...names: string[]) =>
  Promise.all(names.map(async name => (await graph.attemptOf(name)).state));

describe('a job that needs other attempts', () => {
  test('halts, and is executed again with its state when they are over', async () => {
    const graph = createGraph();
    await graph.begin('top');
    expect(await graph.ask('top', ['a', 'b'])).toMatchObject({
      shouldHalt: true,
      attempts: [{ attempt: { state: 'SCHEDULING' } }, { attempt: { state: 'SCHEDULING' } }],
    });
    expect(await graph.execution(graph.id('top'))).toMatchObject({ state: 'STOPPING' });
    expect(await statesOf(graph, 'top', 'a', 'b')).toEqual(['EXECUTING', 'SCHEDULING', 'SCHEDULING']);
    await graph.exit('top', { data: { stage: 1 } });
    expect(await graph.attemptOf('top')).toMatchObject({ state: 'WAITING', stateFrom: 1 });

    for (const name of ['a', 'b']) {
      await graph.activate(name);
      expect(await graph.attemptOf('top')).toMatchObject({ state: 'WAITING' });
      await graph.finish(name);
    }
    expect(await graph.attemptOf('top')).toMatchObject({ state: 'EXECUTING', executions: 2 });
    expect(graph.taskOf(await graph.current('top')).previousState).toEqual({ stage: 1 });

    expect(await graph.activate('top')).toEqual({ stage: 1 });
    expect(await graph.activate('top')).toEqual({ stage: 1 });
    expect(await graph.ask('top', ['a', 'b'])).toMatchObject({
      shouldHalt: false,
      attempts: [{ attempt: { result: { data: { done: 'a' } } } }, { attempt: { result: { data: { done: 'b' } } } }],
    });
    await graph.finish('top');
    expect(await statesOf(graph, 'top')).toEqual(['FINISHED']);
    expect(graph.store.wakeTimes()).toEqual({});
  });

  test('does not halt when they are over', async () => {
    const graph = createGraph();
    await graph.begin('top', 'a');
    await graph.finish('a');
    expect(await graph.ask('top', ['a'])).toMatchObject({ shouldHalt: false });
    expect(await graph.execution(graph.id('top'))).toMatchObject({ state: 'RUNNING' });
    expect(await graph.ask('top', ['a', 'b'])).toMatchObject({ shouldHalt: true });
  });

  test('sees how a dependency ended that failed, and decides', async () => {
    const graph = createGraph();
    await graph.begin('top');
    await graph.ask('top', ['a']);
    await graph.exit('top');
    await graph.exit('a', abnormal('FAILED', 'exit code 1'));
    expect(await graph.attemptOf('top')).toMatchObject({ state: 'EXECUTING', executions: 2 });
    await graph.activate('top');
    expect(await graph.ask('top', ['a'])).toMatchObject({
      shouldHalt: false,
      attempts: [{ attempt: { result: { abnormalFinish: { status: 'FAILED' } } } }],
    });
  });

  test('gets the same answer again to the same call, however it is written, and to no other', async () => {
    const graph = createGraph();
    await graph.begin('top', 'a');
    const raw = { rawAttempts: { [graph.id('a').split('|')[0]!]: [1] } };
    expect(await graph.ask('top', ['a'])).toMatchObject({ shouldHalt: true });
    expect(await graph.ask('top', ['a'])).toMatchObject({ shouldHalt: true });
    expect(await graph.ask('top', [], raw)).toMatchObject({ shouldHalt: true });
    expect(await answerOf(graph.ask('top', ['a', 'b']))).toBe('UNAUTHENTICATED');
    const unknown = { rawAttempts: { ['u'.repeat(43)]: [1] } };
    expect(await answerOf(graph.ask('top', ['a'], unknown))).toBe('UNAUTHENTICATED');
    expect(await answerOf(graph.ask('top', ['a'], { require: { atLeast: 1 } }))).toBe('OK');
    await graph.exit('top');
    await graph.finish('a');
    expect(await graph.attemptOf('top')).toMatchObject({ executions: 2 });
    expect(await graph.ask('top', ['a'], {}, 1)).toMatchObject({ shouldHalt: true });
  });

  test('is executed again when its job died before it left its state', async () => {
    const graph = createGraph({ meta: { top: { retry: { crashed: 1 } } } });
    await graph.begin('top', 'a');
    await graph.ask('top', ['a']);
    await graph.exit('top', abnormal('CRASHED', 'gone'));
    expect(await graph.attemptOf('top')).toMatchObject({ state: 'EXECUTING', executions: 2, retries: { crashed: 1 } });
    await graph.activate('top');
    expect(await graph.ask('top', ['a'])).toMatchObject({ shouldHalt: true });
    await graph.exit('top');
    expect(await graph.attemptOf('top')).toMatchObject({ state: 'WAITING', retries: {} });
    await graph.finish('a');
    expect(await graph.attemptOf('top')).toMatchObject({ executions: 3 });
  });

  test.each([
    ['any', 1],
    [{ atLeast: 2 }, 2],
    [{ atLeast: 3 }, 3],
    ['all', 3],
  ] as const)('that requires %j of three goes on after %i', async (require, needed) => {
    const graph = createGraph();
    await graph.begin('top');
    await graph.ask('top', ['a', 'b', 'c'], { require });
    await graph.exit('top');
    let over = 0;
    for (const name of ['a', 'b', 'c']) {
      expect(await statesOf(graph, 'top')).toEqual([over < needed ? 'WAITING' : 'EXECUTING']);
      await graph.activate(name);
      await graph.finish(name);
      over++;
    }
    expect(await graph.attemptOf('top')).toMatchObject({ state: 'EXECUTING', executions: 2 });
    await graph.activate('top');
    expect(await graph.ask('top', ['a', 'b', 'c'], { require })).toMatchObject({ shouldHalt: false });
  });

  test('makes nothing, and depends on nothing, that it does not have to wait for', async () => {
    const graph = createGraph();
    await graph.begin('a', 'c');
    await graph.ask('a', ['first']);
    await graph.exit('a');
    await graph.begin('b');
    await graph.ask('b', ['a']);
    await graph.exit('b');
    await graph.finish('c');
    await graph.activate('first');
    await graph.finish('first');
    await graph.activate('a');
    // `b` waits for `a`: to wait for it would be a cycle, but there is no need to.
    const answer = await graph.ask('a', ['c', 'b', 'new'], { require: 'any' });
    expect(answer).toMatchObject({ shouldHalt: false, attempts: [{ attempt: { state: 'FINISHED' } }, {}] });
    expect(answer.attempts).toHaveLength(2);
    expect(await graph.store.get('attempt', graph.id('new'))).toBeUndefined();
    const { items } = await graph.store.listEdges({ dependent: graph.id('a'), limit: 10 });
    const kept = items.filter(({ doc }) => doc.withdrawn !== true).map(({ doc }) => doc.dependency);
    expect(kept.toSorted()).toEqual([graph.id('c'), graph.id('first')].toSorted());
  });

  test('may ask for something else after it has gone on with some', async () => {
    const graph = createGraph();
    await graph.begin('top');
    await graph.ask('top', ['a', 'b'], { require: 'any' });
    await graph.exit('top');
    await graph.activate('a');
    await graph.finish('a');
    await graph.activate('top');
    await graph.ask('top', ['b', 'c']);
    await graph.exit('top');
    await graph.activate('b');
    await graph.finish('b');
    expect(await statesOf(graph, 'top')).toEqual(['WAITING']);
    await graph.activate('c');
    await graph.finish('c');
    expect(await graph.attemptOf('top')).toMatchObject({ state: 'EXECUTING', executions: 3 });
  });

  test('is told once by 250 dependencies, and tells 250 dependents', async () => {
    const graph = createGraph();
    const names = Array.from({ length: 250 }, (_, n) => `n${n}`);
    await graph.begin('top');
    await graph.ask('top', names);
    await graph.exit('top');
    await graph.settle();
    for (const name of names) {
      await graph.activate(name);
      await graph.ask(name, ['leaf']);
      await graph.exit(name);
    }
    await graph.activate('leaf');
    await graph.finish('leaf');
    for (const name of names) {
      await graph.activate(name);
      await graph.finish(name);
    }
    expect(await graph.attemptOf('top')).toMatchObject({ state: 'EXECUTING', executions: 2 });
    expect((await graph.attemptOf('top')).revision).toBeLessThan(10);
    expect((await graph.attemptOf('leaf')).revision).toBeLessThan(20);
  });
});

describe('nothing is lost', () => {
  test('when a dependency ends while its edge is written', async () => {
    const graph = createGraph();
    await graph.begin('top', 'a');
    // Its edge is there; it ends before it is read.
    graph.store.beforeGet('attempt', () => graph.finish('a'));
    expect(await graph.ask('top', ['a'])).toMatchObject({ shouldHalt: false });
  });

  test('when a dependency ends after it was read, while the execution is about to halt', async () => {
    const graph = createGraph();
    await graph.begin('top', 'a');
    await graph.ask('top', ['a', 'b']);
    await graph.exit('top');
    await graph.finish('a');
    await graph.activate('b');
    await graph.finish('b');
    expect(await graph.attemptOf('top')).toMatchObject({ executions: 2 });
    await graph.activate('top');
    await graph.begin('c');
    const step = async <T>(apply: () => Promise<T>) => {
      const applied = await apply();
      const { awaited, state } = await graph.attemptOf('c');
      if (awaited === true && state === 'EXECUTING') await graph.finish('c');
      return applied;
    };
    for (let n = 0; n < 4; n++) graph.store.onCommit(step);
    expect(await graph.ask('top', ['c'])).toMatchObject({ shouldHalt: true });
    await graph.exit('top');
    expect(await graph.attemptOf('top')).toMatchObject({ state: 'EXECUTING', executions: 3 });
  });

  test('when dependencies end while the execution is still STOPPING', async () => {
    const graph = createGraph();
    await graph.begin('top', 'a');
    await graph.ask('top', ['a']);
    await graph.finish('a');
    expect(await graph.attemptOf('top')).toMatchObject({ state: 'EXECUTING', executions: 1 });
    await graph.exit('top');
    expect(await graph.attemptOf('top')).toMatchObject({ state: 'EXECUTING', executions: 2 });
  });

  test('when whoever tells the dependents dies in between, or two tell them', async () => {
    const graph = createGraph();
    await graph.begin('a');
    const tops = Array.from({ length: 250 }, (_, n) => `top${n}`);
    await graph.begin(...tops);
    for (const top of tops) {
      await graph.ask(top, ['a']);
      await graph.exit(top);
    }
    await graph.finish('a', {}, { settle: false });
    // Somebody dies after each of the commits that telling takes: three pages of edges, 250 dependents.
    let isArmed = true;
    let survived = 0;
    const dying = async (apply: () => Promise<Version[]>, dies: () => void) => {
      const applied = await apply();
      if (!isArmed) return applied;
      dies();
      return new Promise<Version[]>(() => {});
    };
    for (let step = 0; ; step += 17) {
      const { promise: died, resolve: dies } = Promise.withResolvers<'died'>();
      for (let n = 0; n < step; n++) graph.store.onCommit(apply => apply());
      graph.store.onCommit(apply => dying(apply, () => dies('died')));
      graph.clock.advance(MINUTE_MS);
      await graph.engine.sweep();
      const task = graph.tasks.findLast(({ body }) => body['id'] === graph.id('a'));
      if (task === undefined) break;
      if ((await Promise.race([graph.deliver(task), died])) !== 'died') break;
      survived++;
      graph.restart();
    }
    isArmed = false;
    expect(survived).toBeGreaterThan(3);
    await graph.elapse(MINUTE_MS);
    for (const top of tops) expect(await graph.attemptOf(top)).toMatchObject({ state: 'EXECUTING', executions: 2 });
  });

  test('when a call is superseded by another one of the same execution', async () => {
    const graph = createGraph();
    await graph.begin('top');
    let other: Promise<unknown> = Promise.resolve();
    graph.store.onCommit(async apply => {
      const applied = await apply();
      other = graph.ask('top', ['b']);
      await other;
      return applied;
    });
    expect(await answerOf(graph.ask('top', ['a', 'b']))).toMatch(/ABORTED|UNAUTHENTICATED/);
    expect(await other).toMatchObject({ shouldHalt: true });
    await graph.exit('top');
    await graph.activate('b');
    await graph.finish('b');
    expect(await graph.attemptOf('top')).toMatchObject({ state: 'EXECUTING', executions: 2 });
  });
});

/** An attempt that waits for another one; its rank is its number. */
function waitingFor(graph: Pick<Graph, 'id'>, name: string, dependency: string): Write[] {
  const { quest } = parseAttemptId(graph.id(name));
  const wait = { execution: 1, ask: 1, spare: 0 };
  const attempt = attemptIn('WAITING', { quest, wait, awaited: true, rank: Number(name.slice(1)) });
  const edge = decideEdge(undefined, graph.id(dependency), { dependent: graph.id(name), ...wait }, CREATED_AT);
  return [
    { kind: 'attempt', doc: attempt },
    { kind: 'edge', doc: edge },
  ];
}

describe('a cycle', () => {
  const questOf = (graph: Graph, name: string) => parseAttemptId(graph.id(name)).quest;
  const rawOf = (graph: Graph, name: string) => ({ rawAttempts: { [questOf(graph, name)]: [1] } });

  test('is refused with its path, and nothing is stored', async () => {
    const graph = createGraph();
    await graph.begin('a');
    await graph.ask('a', ['b']);
    await graph.exit('a');
    await graph.activate('b');
    await graph.ask('b', ['c']);
    await graph.exit('b');
    await graph.activate('c');
    const asking = graph.ask('c', ['new'], rawOf(graph, 'a'));
    await expect(asking).rejects.toThrow(
      `rawAttempts.${questOf(graph, 'a')}: the attempts would wait for each other: ${['c', 'a', 'b', 'c'].map(graph.id).join(' → ')}`,
    );
    expect(await graph.store.get('attempt', graph.id('new'))).toBeUndefined();
    const edges = await graph.store.listEdges({ dependent: graph.id('c'), limit: 10 });
    expect(edges.items.map(({ doc }) => [doc.open, doc.withdrawn])).toEqual([
      [false, true],
      [false, true],
    ]);
    await graph.finish('c');
    expect(await graph.attemptOf('b')).toMatchObject({ state: 'EXECUTING', executions: 2 });
  });

  test('of an attempt and itself is refused by the field', async () => {
    const graph = createGraph();
    await graph.begin('a');
    await expect(graph.ask('a', [], rawOf(graph, 'a'))).rejects.toThrow(
      /^rawAttempts\..*: an attempt cannot depend on itself/,
    );
    await expect(graph.ask('a', ['b', 'a'])).rejects.toThrow(/^quests\[1\]\.desc: an attempt cannot depend on itself/);
  });

  test('of two calls at the same time: one of them is refused', async () => {
    let chance = 0;
    const graph = createGraph({ random: () => (chance = (chance + 0.37) % 1) });
    await graph.begin('a', 'b');
    const passes = setInterval(() => graph.clock.advance(10), 1);
    onTestFinished(() => clearInterval(passes));
    const answers = await Promise.all([answerOf(graph.ask('a', ['b'])), answerOf(graph.ask('b', ['a']))]);
    expect(answers.toSorted()).toEqual(['FAILED_PRECONDITION', 'OK']);
  });

  test('can be as long as ten thousand, and so can a chain that is none', async () => {
    const graph = createGraph({ store: createStore(freshDatabase()) });
    const names = Array.from({ length: 10_000 }, (_, n) => `n${n}`);
    await graph.store.commit(names.slice(0, -1).flatMap((name, n) => waitingFor(graph, name, names[n + 1]!)));
    await graph.begin(names.at(-1)!, 'top');
    await expect(graph.ask(names.at(-1)!, ['n0'])).rejects.toThrow(/\(9981 more\)/);

    // A root of rank 0 that needs another root: everything beneath that must be ordered anew.
    expect(await graph.ask('top', ['n0'])).toMatchObject({ shouldHalt: true });
    expect(await graph.attemptOf('n0')).toMatchObject({ rank: 1 });
    expect(await graph.attemptOf(names.at(-2)!)).toMatchObject({ rank: 9999 });
  });

  test('is not what a diamond is whose parts were there before', async () => {
    const graph = createGraph();
    await graph.begin('d', 'c', 'b', 'a');
    await graph.ask('a', ['b', 'c']);
    await graph.ask('c', ['d']);
    await graph.ask('b', ['c', 'd']);
    for (const name of ['a', 'b', 'c']) await graph.exit(name);
    await graph.finish('d');
    await graph.activate('c');
    await graph.finish('c');
    await graph.activate('b');
    await graph.finish('b');
    expect(await graph.attemptOf('a')).toMatchObject({ state: 'EXECUTING', executions: 2 });
  });
});

describe('cancelling with cascade', () => {
  test('cancels what only the cancelled attempt waited for, at every depth', async () => {
    const graph = createGraph();
    await graph.begin('a', 'other', 'wanted');
    await graph.ask('a', ['b', 'shared', 'wanted']);
    await graph.exit('a');
    await graph.ask('other', ['shared']);
    await graph.exit('other');
    await graph.activate('b');
    await graph.ask('b', ['c']);
    await graph.exit('b');
    await graph.activate('c');
    await graph.engine.cancelAttempt(graph.id('a'), 'unwanted', { cascade: true });
    await graph.settle();
    expect(await statesOf(graph, 'a', 'b', 'c')).toEqual(Array(3).fill('ABNORMAL_FINISHED'));
    expect(await statesOf(graph, 'shared', 'wanted', 'other')).toEqual(['EXECUTING', 'EXECUTING', 'WAITING']);
    expect(await graph.attemptOf('c')).toMatchObject({ result: { abnormalFinish: { status: 'CANCELLED' } } });
  });

  test('spares what somebody asks for at the same moment', async () => {
    const graph = createGraph();
    await graph.begin('a', 'other');
    await graph.ask('a', ['b']);
    await graph.exit('a');
    await graph.engine.cancelAttempt(graph.id('a'), 'unwanted', { cascade: true });
    // The mark is set; then somebody else asks, after the edges were looked at.
    graph.store.onCommit(async apply => {
      const applied = await apply();
      expect(await graph.attemptOf('b')).toMatchObject({ doomed: expect.any(Number) });
      await graph.ask('other', ['b']);
      return applied;
    });
    await graph.settle();
    expect(await statesOf(graph, 'a', 'b')).toEqual(['ABNORMAL_FINISHED', 'EXECUTING']);
    expect(await graph.attemptOf('b')).not.toHaveProperty('doomed');
  });

  test('spares it, too, when another cascade has doomed it anew since', async () => {
    const graph = createGraph();
    await graph.begin('a', 'other');
    await graph.ask('a', ['b']);
    await graph.exit('a');
    await graph.engine.cancelAttempt(graph.id('a'), 'unwanted', { cascade: true });
    const { revision } = await graph.attemptOf('a');
    // The first delivery marks it and looks at its edges. Then somebody asks for it, and a second delivery marks it once
    // more, and comes no further.
    graph.store.onCommit(async apply => {
      const applied = await apply();
      graph.store.beforeGet('attempt', async () => {
        expect(await graph.ask('other', ['b'])).toMatchObject({ shouldHalt: true });
        const { promise: isMarked, resolve: mark } = Promise.withResolvers<void>();
        graph.store.onCommit(async again => {
          await again();
          mark();
          return new Promise(() => {});
        });
        void graph.engine.wake({ id: graph.id('a'), revision });
        await isMarked;
      });
      return applied;
    });
    await graph.settle();
    expect(await statesOf(graph, 'b')).toEqual(['EXECUTING']);
  });

  test('without it the dependencies go on', async () => {
    const graph = createGraph();
    await graph.begin('a');
    await graph.ask('a', ['b']);
    await graph.exit('a');
    await graph.engine.cancelAttempt(graph.id('a'), 'unwanted');
    await graph.settle();
    expect(await statesOf(graph, 'a', 'b')).toEqual(['ABNORMAL_FINISHED', 'EXECUTING']);
    await graph.engine.cancelAttempt(graph.id('a'), 'unwanted', { cascade: true });
    await graph.settle();
    expect(await statesOf(graph, 'a', 'b')).toEqual(['ABNORMAL_FINISHED', 'ABNORMAL_FINISHED']);
  });
});
