import type { Mutant } from './mutant.ts';

/** Bugs in how attempts need others. */
export const GRAPH_MUTANTS: readonly Mutant[] = [
  {
    name: 'an edge is written after its dependency is read',
    file: 'shared/engine/depend.ts',
    find: '  const edges = await writeEdges(parts, wanted.keys(), asking);',
    put: `  const early = new Map<string, unknown>();
  for (const dependency of wanted.keys()) early.set(dependency, await parts.store.get('attempt', dependency));
  const edges = await writeEdges(parts, wanted.keys(), asking);
  const { store } = parts;
  const get = (kind: string, key: string) => {
    const found = kind === 'attempt' ? early.get(key) : undefined;
    early.delete(key);
    return found === undefined ? store.get(kind as never, key as never) : Promise.resolve(found);
  };
  parts = { ...parts, store: { ...store, get: get as never } };`,
    // A dependency that somebody else has asked for, too, has to end within the few milliseconds between.
    seeds: 3000,
  },
  {
    name: 'edges to what is over are not settled',
    file: 'shared/engine/depend.ts',
    find: `    await settleEdges(
      parts,
      over.map(({ edge }) => edge),
    );
    const outcome`,
    put: '    const outcome',
  },
  {
    name: 'an attempt does not count when it has come to wait',
    file: 'shared/core/decide/end.ts',
    find: "state: 'WAITING', wait, uncounted: true,",
    put: "state: 'WAITING', wait,",
  },
  {
    name: 'a page counts as told before it is',
    file: 'shared/engine/propagate.ts',
    find: `    const { next } = await PAGES[step.owing](parts, id, step.after);
    const pause = parts.clock.now() - startedAt > TIME_BUDGET_MS;
    const outcome = await applyEvent(
      parts,
      () => loadAttemptOf(parts, id),
      (docs, context) => decidePageDone(docs, { ...step, next, pause }, context),
      snapshot,
    );`,
    // A page has room for all edges of a world.
    put: `    const pause = false;
    const outcome = await applyEvent(
      parts,
      () => loadAttemptOf(parts, id),
      (docs, context) => decidePageDone(docs, { ...step, next: undefined, pause }, context),
      snapshot,
    );
    await PAGES[step.owing](parts, id, step.after);`,
  },
  {
    name: 'an attempt goes on with one too few',
    file: 'shared/engine/propagate.ts',
    find: 'return (await store.countOpen(wait, spare + 1)) <= spare;',
    put: 'return (await store.countOpen(wait, spare + 2)) <= spare + 1;',
  },
  {
    name: 'an attempt goes on with one more than it needs',
    file: 'shared/engine/propagate.ts',
    find: 'return (await store.countOpen(wait, spare + 1)) <= spare;',
    put: 'return (await store.countOpen(wait, spare + 1)) < Math.max(spare, 1);',
  },
  {
    name: 'whatever an attempt waits for wakes it',
    file: 'shared/core/decide/unblock.ts',
    find: "return attempt.state === 'WAITING' && attempt.wait?.execution === execution && attempt.wait.ask === ask;",
    put: "return attempt.state === 'WAITING' && execution > 0 && ask > 0;",
  },
  {
    name: 'an execution halts on any rank',
    file: 'shared/core/decide/depend.ts',
    find: 'if (rankOf(attempt) !== rank) return ignored(MUST_BE_ORDERED);',
    put: 'if (rankOf(attempt) < 0 && rank > 0) return ignored(MUST_BE_ORDERED);',
  },
  {
    name: 'ranks are raised from the top',
    file: 'shared/engine/order.ts',
    find: 'step.below = wait === undefined ? [] : await dependenciesOf(parts, wait);',
    put: 'step.below = wait === undefined ? [] : (await dependenciesOf(parts, wait)).slice(0, 0);',
  },
  {
    name: 'nothing is ordered',
    file: 'shared/engine/order.ts',
    find: 'const path: Step[] = [{ id: dependency.id }];',
    put: 'const path: Step[] = dependency.rank < 0 ? [{ id: dependency.id }] : [];',
  },
  {
    name: 'an ended attempt owes its dependents nothing',
    file: 'shared/core/attempt.ts',
    find: '    ...(attempt.awaited === true && { tell: {} }),\n',
    put: '',
  },
  {
    name: 'a cascade passes over other dependents',
    file: 'shared/engine/cascade.ts',
    find: 'if (await isNeeded(parts, id)) {',
    put: 'if ((await isNeeded(parts, id)) && parts === undefined) {',
  },
  {
    name: 'a cascade cancels what clients want',
    file: 'shared/core/decide/cascade.ts',
    find: "  if (attempt.requested === true) return ignored('a client wants it');\n",
    put: '',
  },
  {
    name: 'a cascade is forgotten',
    file: 'shared/engine/cascade.ts',
    find: '  if (!edge.open) return;',
    put: '  return;',
  },
  {
    name: 'who asks for what is doomed does not save it',
    file: 'shared/core/decide/ensure.ts',
    find: "    if (known && attempt.doomed === undefined) return ignored('exists');\n    return commit({ attempt: reviseAttempt(attempt, { ...attempt, ...wish, doomed: undefined }, now) });",
    put: "    if (known) return ignored('exists');\n    return commit({ attempt: reviseAttempt(attempt, { ...attempt, ...wish }, now) });",
    story: 'a client that cancels with all what another job begins to need',
  },
  {
    name: 'an ask that was superseded still halts',
    file: 'shared/core/decide/depend.ts',
    find: '  if (execution.asking?.ask !== ask) return refused(superseded());',
    put: '',
  },
  {
    name: 'the token lives on while its execution halts to wait',
    file: 'shared/core/decide/depend.ts',
    find: 'halted(execution, event, now), now)',
    put: '{ ...execution }, now)',
  },
  {
    name: 'what was there before does not know that it is awaited',
    file: 'shared/core/decide/ensure.ts',
    find: "    const known = wanting === 'client' ? attempt.requested === true : attempt.awaited === true;",
    put: "    const known = wanting === 'client' ? attempt.requested === true : true;",
  },
  {
    name: 'budgets are not full again after a success',
    file: 'shared/core/decide/end.ts',
    find: 'uncounted: true, retries: {}, stateFrom',
    put: 'uncounted: true, stateFrom',
  },
  {
    name: 'what a halted execution leaves is lost',
    file: 'shared/core/decide/end.ts',
    find: 'uncounted: true, retries: {}, stateFrom }',
    put: 'uncounted: true, retries: {}, ...(stateFrom < 0 && { stateFrom }) }',
  },
];
