import type { Mutant } from './mutant.ts';

/** Bugs in limits, slots and those who wait for them, and in polls that are made together. */
export const SLOT_MUTANTS: readonly Mutant[] = [
  {
    name: 'a slot is freed although its job may be alive',
    file: 'shared/core/slot.ts',
    find: 'return !isLive(execution) && (execution.unwanted ?? []).every(job => job.abandoned === true);',
    put: 'return !isLive(execution);',
  },
  {
    name: 'a slot is never freed',
    file: 'shared/engine/slots.ts',
    find: 'if (after?.slot === undefined || !isGone(after) || (before !== undefined && isGone(before))) return undefined;',
    put: 'if (after !== undefined || before === undefined) return undefined;',
  },
  {
    name: 'a slot that is freed owes nothing',
    file: 'shared/core/decide/slot.ts',
    find: 'freeAt: now, wakeAt: now };',
    put: 'freeAt: now };',
  },
  {
    name: 'a slot of a start can be used again at once',
    file: 'shared/core/decide/slot.ts',
    find: 'const freeAt = spacingMs === undefined ? undefined : now + spacingMs;',
    put: 'const freeAt = spacingMs === undefined ? undefined : now;',
  },
  {
    name: 'an execution is created without its slot',
    file: 'shared/engine/start.ts',
    find: '      ...slots.map(one => taken(one, execution, context.now)),\n',
    put: '',
  },
  {
    name: 'an execution does not know its slot',
    file: 'shared/core/decide/launch.ts',
    find: '    ...(event.slot !== undefined && { slot: event.slot }),\n',
    put: '',
  },
  {
    name: 'an execution that ends forgets its slot',
    file: 'shared/core/decide/end.ts',
    find: '    slot: execution.slot,\n',
    put: '',
  },
  {
    name: 'whoever comes last is started first',
    file: 'shared/engine/start.ts',
    find: 'const first = (await firstInLine(parts, distributor)) ?? (candidate && (await reload(parts, candidate)));',
    put: 'const first = (candidate && (await reload(parts, candidate))) ?? (await firstInLine(parts, distributor));',
  },
  {
    name: 'lines begin with whoever came last',
    file: 'shared/core/documents.ts',
    find: 'return queued && { line: lineOfQueued(queued.distributor), at: queued.at };',
    put: 'return queued && { line: lineOfQueued(queued.distributor), at: 9e12 - queued.at };',
  },
  {
    name: 'nobody looks for a slot once it stands in line',
    file: 'shared/engine/start.ts',
    find: "return (await startWhileFree(parts, distributor)) > 0 ? 'waits; others were started' : 'waits';",
    put: "return 'waits';",
    // A slot has to become free, and its start to find nobody, in the moment between its look and its place.
    story: 'three attempts and one slot',
  },
  {
    name: 'whoever looks again goes to the end of the line',
    file: 'shared/core/decide/queue.ts',
    find: 'at: attempt.queued?.at ?? now,',
    put: 'at: now,',
  },
  {
    name: 'whoever is started stays in line',
    file: 'shared/core/attempt.ts',
    find: '    queued: ____,\n',
    put: '',
  },
  {
    name: 'there are more slots than there may be',
    file: 'shared/core/slot.ts',
    find: "[{ use: 'job' as const, count: maxInFlight }]",
    put: "[{ use: 'job' as const, count: maxInFlight + 1 }]",
  },
  {
    name: 'many are asked about before their polls are claimed',
    file: 'shared/engine/polls.ts',
    find: '    const next = await claimNext(',
    put: `    const found = await parts.store.get('execution', target.id);
    const token = found && tokenOf(found.doc);
    if (token) await adapterOf(parts, found.doc.distributor).getStatuses?.([{ executionId: target.id, token }]);
    const next = await claimNext(`,
  },
  {
    name: 'one call that failed stands for all who were asked about',
    file: 'shared/engine/polls.ts',
    find: 'return error.transient ? handles.map(() => ({ error })) : undefined;',
    put: 'return handles.map(() => ({ error }));',
  },
  {
    name: 'answers about many are those of their neighbours',
    file: 'shared/engine/polls.ts',
    find: 'return handles.map((_, i) => (call.value[i] === undefined ? NOT_ANSWERED : readAnswer(call.value[i])));',
    put: 'return handles.map((_, i) => (call.value.at(i - 1) === undefined ? NOT_ANSWERED : readAnswer(call.value.at(i - 1))));',
  },
  {
    name: 'polls that may be made together are never made',
    file: 'shared/engine/sweep.ts',
    find: "add(await enqueueGroups(parts, sweeping, 'all'));",
    put: "add(await enqueueGroups(parts, sweeping, 'full'));",
  },
  {
    name: 'whoever is not mentioned in an answer is missing',
    file: 'shared/engine/polls.ts',
    find: "{ error: { transient: true, message: 'the adapter gave no status for it' } }",
    put: "{ error: { transient: false, message: 'the adapter gave no status for it' } }",
  },
];
