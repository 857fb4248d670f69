import { describe, expect, test } from 'vitest';
import { decideWithdraw } from '../../../shared/core/decide/depend.ts';
import { attemptId } from '../../../shared/core/ids.ts';
import { normalizeQuest } from '../../../shared/core/quest.ts';
import { abnormal } from '../../../shared/core/result.ts';
import { CREATED_AT } from '../../support/documents.ts';
import { answerOf } from '../../support/engine.ts';
import { createGraph, descOf, tokenOf } from '../../support/graph.ts';
import { edgeOf, type Edges, from, idsOf, plant, questOf, shownOf, sorted } from '../../support/walk.ts';

const DIAMOND: Edges = { top: ['left', 'right'], left: ['base'], right: ['base'], base: [] };

async function diamond() {
  const graph = createGraph();
  await plant(graph, DIAMOND);
  return graph;
}

describe('a walk', () => {
  test('goes forwards level by level, and shows each attempt once', async () => {
    const graph = await diamond();
    const page = await graph.engine.walkGraph(from(graph, 'top'));
    expect(idsOf(page)).toEqual([...sorted(graph, 'top'), ...sorted(graph, 'left', 'right'), ...sorted(graph, 'base')]);
    expect(page).toMatchObject({ hadMore: false, hadErrors: false });
    expect(page).not.toHaveProperty('nextPageToken');
    expect(shownOf(page, graph.id('top'))).toEqual({
      id: graph.id('top'),
      shown: { attempt: await graph.attemptOf('top') },
      dependencies: sorted(graph, 'left', 'right'),
    });
  });

  test('goes backwards, and both ways', async () => {
    const graph = await diamond();
    const backwards = await graph.engine.walkGraph({ ...from(graph, 'base'), direction: 'backwards' });
    expect(idsOf(backwards)).toEqual([
      ...sorted(graph, 'base'),
      ...sorted(graph, 'left', 'right'),
      ...sorted(graph, 'top'),
    ]);
    expect(shownOf(backwards, graph.id('left'))).toMatchObject({ dependents: [graph.id('top')] });
    expect(shownOf(backwards, graph.id('left'))).not.toHaveProperty('dependencies');
    const both = await graph.engine.walkGraph({ ...from(graph, 'left'), direction: 'both' });
    expect(idsOf(both)).toEqual([...sorted(graph, 'left'), ...sorted(graph, 'base', 'top'), ...sorted(graph, 'right')]);
    expect(shownOf(both, graph.id('left'))).toMatchObject({
      dependencies: [graph.id('base')],
      dependents: [graph.id('top')],
    });
  });

  test('does not take edges that were withdrawn', async () => {
    const graph = createGraph();
    await plant(graph, { a: [], b: [] });
    await graph.store.commit([{ kind: 'edge', doc: decideWithdraw(edgeOf(graph, 'a', 'b'), CREATED_AT) }]);
    const page = await graph.engine.walkGraph({ ...from(graph, 'a'), direction: 'both' });
    expect(page.attempts).toMatchObject([{ id: graph.id('a'), dependencies: [], dependents: [] }]);
    expect(page.attempts).toHaveLength(1);
  });

  test('shows a graph that is being built', async () => {
    const graph = createGraph();
    await graph.begin('top');
    await graph.ask('top', ['a', 'b']);
    await graph.exit('top');
    expect(await graph.engine.walkGraph(from(graph, 'top'))).toMatchObject({
      attempts: [
        { shown: { attempt: { state: 'WAITING' } }, dependencies: sorted(graph, 'a', 'b') },
        { shown: { attempt: { state: 'EXECUTING' } }, dependencies: [] },
        { shown: { attempt: { state: 'EXECUTING' } }, dependencies: [] },
      ],
    });
  });
});

describe('what a walk shows', () => {
  test('is the summary and what ends are followed, unless it is said otherwise', async () => {
    const graph = await diamond();
    const walk = async (include: object) =>
      (await graph.engine.walkGraph({ ...from(graph, 'left'), include })).attempts[0]!;
    const left = { id: graph.id('left') };
    const attempt = await graph.attemptOf('left');
    const dependencies = [graph.id('base')];
    expect(await walk({})).toEqual({ ...left, shown: { attempt }, dependencies });
    expect(await walk({ dependencies: false })).toEqual({ ...left, shown: { attempt } });
    expect(await walk({ dependents: true })).toEqual({
      ...left,
      shown: { attempt },
      dependencies,
      dependents: [graph.id('top')],
    });
    expect(await walk({ result: false })).toEqual({
      ...left,
      shown: { attempt: { ...attempt, result: { data: {} } }, withheld: 'notLoaded' },
      dependencies,
    });
    expect(await walk({ attempt: false })).toEqual({ ...left, dependencies });
  });

  test('is each description once', async () => {
    const graph = await diamond();
    await graph.store.commit([{ kind: 'attempt', doc: { ...(await graph.attemptOf('base')), attempt: 2 } }]);
    const quest = questOf(graph.id('base'));
    const query = { attempts: { [quest]: [1, 2], [questOf(graph.id('top'))]: [1] } };
    const all = ['base', 'top'].map(name => normalizeQuest(descOf(name)).desc);
    // Once is what they have room for.
    const limit = { maxDepth: 0, maxDataSize: all.reduce((sum, desc) => sum + JSON.stringify(desc).length, 0) };
    const { descs } = await graph.engine.walkGraph({ query, limit, include: { quest: true, result: false } });
    expect([...descs.keys()].toSorted()).toEqual([quest, questOf(graph.id('top'))].toSorted());
    expect([...descs.values()]).toEqual(expect.arrayContaining(all));
    expect((await graph.engine.walkGraph({ query })).descs.size).toBe(0);
  });

  test('is as many of the newest executions as are wanted, with the address of their jobs', async () => {
    const graph = createGraph({
      meta: { a: { retry: { failed: 5 } } },
      script: {
        run: async ({ executionId: id }) => ({ token: `job-${id}` }),
        infoUrl: token => `https://x/${token}`,
        handleNotification: async ({ data }) => JSON.parse(data),
      },
    });
    await graph.begin('a');
    for (let n = 0; n < 2; n++) await graph.exit('a', abnormal('FAILED', `no ${n}`));
    const walk = async (include: object) =>
      (await graph.engine.walkGraph({ ...from(graph, 'a'), include })).attempts[0]!;
    expect(await walk({})).not.toHaveProperty('executions');
    for (const executions of [1, 2, 3, 20]) {
      const shown = (await walk({ executions })).executions!;
      expect(shown.map(({ execution }) => execution.execution)).toEqual([1, 2, 3].slice(-executions));
      expect(shown.at(-1)).toMatchObject({
        infoUrl: expect.stringContaining('https://x/job-'),
        execution: { state: 'SCHEDULING' },
      });
    }
    const [first] = (await walk({ attempt: false, executions: 2 })).executions!;
    expect(first).toMatchObject({ execution: { result: { abnormalFinish: { reason: 'no 1' } } } });
    expect(await walk({ attempt: false, executions: 2 })).not.toHaveProperty('shown');
  });

  test('is nothing of an execution that is shown nowhere else', async () => {
    const graph = createGraph();
    await graph.begin('a');
    const id = await graph.current('a');
    await graph.engine.finish(id, { executionToken: tokenOf(id), data: { data: { big: 'x' } } });
    const { attempts } = await graph.engine.walkGraph({ ...from(graph, 'a'), include: { executions: 1 } });
    expect(attempts[0]!.executions).toMatchObject([{ execution: { state: 'STOPPING' } }]);
    expect(JSON.stringify(attempts)).not.toContain('big');
  });

  test('leaves out what is excluded, and what is reached through it only', async () => {
    const graph = createGraph();
    await plant(graph, { ...DIAMOND, left: ['base', 'own'] });
    for (const exclude of [
      { quests: [questOf(graph.id('left'))] },
      { attempts: { [questOf(graph.id('left'))]: [1, 7] } },
    ]) {
      const page = await graph.engine.walkGraph({ ...from(graph, 'top'), exclude });
      expect(idsOf(page)).toEqual([graph.id('top'), graph.id('right'), graph.id('base')]);
      expect(shownOf(page, graph.id('top'))).toMatchObject({ dependencies: sorted(graph, 'left', 'right') });
    }
    const exclude = { quests: [questOf(graph.id('top'))] };
    for (const query of [
      from(graph, 'top').query,
      { ranges: [{ quest: questOf(graph.id('top')), first: 1, last: 3 }] },
    ]) {
      expect(idsOf(await graph.engine.walkGraph({ query, exclude }))).toEqual([]);
    }
    expect(idsOf(await graph.engine.walkGraph({ query: { search: {} }, exclude }))).not.toContain(graph.id('top'));
  });

  test('is also what does not exist, and goes on beyond what cannot be read', async () => {
    const graph = await diamond();
    graph.store.remove('attempt', graph.id('right'));
    graph.store.corrupt('attempt', graph.id('left'));
    graph.store.corrupt('quest', questOf(graph.id('base')));
    const page = await graph.engine.walkGraph({ ...from(graph, 'top'), include: { quest: true } });
    expect(page).toMatchObject({ hadErrors: true, hadMore: false });
    expect(shownOf(page, graph.id('right'))).toMatchObject({ shown: 'doesNotExist', dependencies: [graph.id('base')] });
    expect(shownOf(page, graph.id('left'))).toMatchObject({ shown: 'unreadable' });
    expect(shownOf(page, graph.id('base'))).toMatchObject({ shown: { attempt: { state: 'FINISHED' } } });
    expect(page.descs.has(questOf(graph.id('base')))).toBe(false);
    graph.store.corrupt('attempt', graph.id('base'));
    expect(await graph.engine.walkGraph({ ...from(graph, 'base'), include: { executions: 3 } })).toMatchObject({
      hadErrors: true,
      attempts: [{ shown: 'unreadable' }],
    });
  });

  test('are ranges, and attempts that are named twice once', async () => {
    const graph = await diamond();
    const quest = questOf(graph.id('base'));
    const query = {
      attempts: { [quest]: [11, 1, 1] },
      ranges: [
        { quest, first: 9, last: 11 },
        { quest, first: 1, last: 2 },
      ],
    };
    const { attempts } = await graph.engine.walkGraph({ query });
    expect(attempts.map(({ id }) => id)).toEqual([1, 10, 11, 2, 9].map(n => attemptId(quest, n)));
    expect(attempts.map(({ shown }) => shown === 'doesNotExist')).toEqual([false, true, true, true, true]);
  });
});

describe('a running job that walks', () => {
  /** `top` runs, and depends on `mine` and `failed`; its ask for `taken` was withdrawn. `mine` depends on `theirs`. */
  async function running() {
    const graph = createGraph();
    await graph.begin('top', 'mine', 'failed', 'theirs', 'ill', 'taken');
    await graph.ask('mine', ['theirs', 'ill']);
    await graph.exit('mine');
    await graph.finish('theirs', { secret: 'of theirs' });
    await graph.exit('ill', abnormal('FAILED', 'secret of ill'));
    await graph.activate('mine');
    await graph.finish('mine', { value: 'of mine' });
    await graph.exit('failed', abnormal('FAILED', 'exit code 1'));
    await graph.finish('taken', { secret: 'of taken' });
    expect(await graph.ask('top', ['mine', 'failed'])).toMatchObject({ shouldHalt: false });
    await graph.store.commit([{ kind: 'edge', doc: decideWithdraw(edgeOf(graph, 'top', 'taken'), CREATED_AT) }]);
    const id = await graph.current('top');
    const walk = (request: object, executionToken = tokenOf(id), of = id) =>
      graph.engine.walkGraphOf(of, { executionToken, request });
    return { ...graph, walk };
  }
  const EVERYTHING = { query: { search: {} }, include: { executions: 5, quest: true } };

  test('sees the results of what its attempt depends on, and of nothing else', async () => {
    const graph = await running();
    const page = await graph.walk(EVERYTHING);
    expect(idsOf(page)).toEqual(sorted(graph, 'top', 'mine', 'failed', 'theirs', 'ill', 'taken'));
    const shown = (name: string) => shownOf(page, graph.id(name));
    expect(shown('mine')).toMatchObject({
      shown: { attempt: { result: { data: { value: 'of mine' } } } },
      executions: [{}, { execution: { result: { data: { of: 'mine' } } } }],
    });
    expect(shown('failed')).toMatchObject({
      shown: { attempt: { result: { abnormalFinish: { reason: 'exit code 1' } } } },
    });
    for (const name of ['theirs', 'ill', 'taken']) {
      expect(shown(name)).toMatchObject({
        shown: { withheld: 'notAuthorized', attempt: { state: (await graph.attemptOf(name)).state } },
        executions: [{ withheld: 'notAuthorized', infoUrl: undefined, execution: { launch: { state: 'none' } } }],
      });
      expect(JSON.stringify(shown(name))).not.toMatch(/secret|job-/);
    }
    expect(page.descs.size).toBe(6);
  });

  test('sees its own executions, and no token of others that run', async () => {
    const graph = await running();
    await graph.begin('other');
    const page = await graph.walk(EVERYTHING);
    expect(shownOf(page, graph.id('top'))).toMatchObject({
      executions: [{ execution: { launch: { token: /^job-/ } } }],
    });
    const [other] = shownOf(page, graph.id('other'))!.executions!;
    expect(other).toMatchObject({ execution: { state: 'RUNNING', launch: { state: 'none' } } });
    expect(other).not.toHaveProperty('withheld');
  });

  test('is told nothing of results even if it wants none', async () => {
    const graph = await running();
    const page = await graph.walk({ ...from(graph, 'ill'), include: { result: false } });
    expect(page.attempts).toMatchObject([{ shown: { withheld: 'notAuthorized' } }]);
    expect(JSON.stringify(page.attempts)).not.toContain('secret');
  });

  test('needs the token of an execution that runs', async () => {
    const graph = await running();
    const id = await graph.current('top');
    const other = await graph.current('mine');
    expect(await answerOf(graph.walk(from(graph, 'top')))).toBe('OK');
    expect(await answerOf(graph.walk(from(graph, 'top'), 'x'.repeat(60)))).toBe('UNAUTHENTICATED');
    expect(await answerOf(graph.walk(from(graph, 'top'), tokenOf(other)))).toBe('UNAUTHENTICATED');
    expect(await answerOf(graph.walk(from(graph, 'top'), tokenOf(other), other))).toBe('UNAUTHENTICATED');
    expect(await answerOf(graph.walk({ nonsense: true }, 'x'.repeat(60)))).toBe('UNAUTHENTICATED');
    expect(await answerOf(graph.walk({ nonsense: true }))).toBe('INVALID_ARGUMENT');
    await graph.engine.finish(id, { executionToken: tokenOf(id), data: { data: {} } });
    expect(await answerOf(graph.walk(from(graph, 'top')))).toBe('UNAUTHENTICATED');
  });
});
