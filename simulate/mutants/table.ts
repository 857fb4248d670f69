import { GRAPH_MUTANTS } from './graph-table.ts';
import { SLOT_MUTANTS } from './slot-table.ts';
import type { Mutant } from './mutant.ts';

/** What must not survive. */
export const MUTANTS: readonly Mutant[] = [
  {
    name: 'no sweep',
    file: 'shared/engine/sweep.ts',
    find: 'await Promise.all(alone.map(item => parts.queue.enqueue(sweepTask(item, now))));',
    put: '',
  },
  {
    name: 'the sweep leaves out a shard',
    file: 'shared/engine/sweep.ts',
    find: 'shards.flatMap(shard => KINDS',
    put: 'shards.slice(1).flatMap(shard => KINDS',
  },
  {
    name: 'an executor is called before the claim is committed',
    file: 'shared/engine/wake.ts',
    find: '  const outcome = await applyEvent(',
    put: `  const early = decideWake(first.docs, { revision }, { ...parts.context(), now });
  if (early.kind === 'commit' && early.answer.call) await PERFORM[early.answer.call.call](parts, first, early.answer.call);
  const outcome = await applyEvent(`,
  },
  {
    name: 'a random key for each run',
    file: 'shared/engine/describe.ts',
    find: 'activationToken(keyring, id, execution.auth)',
    put: 'activationToken(keyring, id, { ...execution.auth, nonce: parts.random.token(16) })',
  },
  {
    name: 'an execution is signed with the key of the day',
    file: 'shared/engine/describe.ts',
    find: 'distributor: execution.distributor.name }, execution.auth)',
    put: 'distributor: execution.distributor.name }, { ...execution.auth, issuedAt: parts.clock.now() })',
  },
  {
    name: 'the token lives on after STOPPING',
    file: 'shared/core/decide/job.ts',
    find: ' && sameText(halt.callHash, callHash)',
    put: '',
  },
  {
    name: 'a second job may activate',
    file: 'shared/core/decide/job.ts',
    find: "if (sameText(execution.tokenHash ?? '', tokenHash)) return",
    put: 'return',
  },
  {
    name: 'anybody may activate',
    file: 'shared/engine/activate.ts',
    find: 'first === undefined || !isActivationToken(parts.keyring, id, first.docs.execution.auth, activationToken)',
    put: 'first === undefined',
  },
  {
    name: 'anybody may finish',
    file: 'shared/core/decide/job.ts',
    find: "execution.state === 'RUNNING' && execution.tokenHash !== undefined && sameText(execution.tokenHash, tokenHash)",
    put: "execution.state === 'RUNNING'",
  },
  {
    name: 'signatures of notifications are not checked',
    file: 'shared/core/tokens.ts',
    find: "if (!isSigned(keyring, keyId, 'notification', content, signature)) return undefined;",
    put: '',
  },
  {
    name: 'a late result overwrites',
    file: 'shared/core/decide/stop.ts',
    find: 'return { ...execution, lateOutcome: status.result };',
    put: "return 'data' in status.result ? { ...execution, state: 'FINISHED', result: status.result } as EndedExecution : execution;",
  },
  {
    name: 'late outcomes are thrown away',
    file: 'shared/core/decide/stop.ts',
    find: 'return { ...execution, lateOutcome: status.result };',
    put: 'return execution;',
  },
  {
    name: 'what was decided is written over what was written meanwhile',
    file: 'shared/engine/loop.ts',
    find: 'const decision = decide(snapshot.docs, parts.context());',
    put: `const stale = ((globalThis as { stale?: WeakMap<object, Docs> }).stale ??= new WeakMap<object, Docs>());
    if (!stale.has(load)) stale.set(load, snapshot.docs);
    const decision = decide(stale.get(load)!, parts.context());`,
  },
  {
    name: 'a commit without an answer counts as made',
    file: 'shared/engine/loop.ts',
    find: '      if (!(error instanceof ConflictError || error instanceof TransientError)) throw error;',
    put: `      if (error instanceof TransientError) {
        const docs = { ...snapshot.docs, ...decision.writes };
        return { kind: 'committed', answer: decision.answer, docs, versions: snapshot.versions };
      }
      if (!(error instanceof ConflictError)) throw error;`,
  },
  {
    name: 'a conflict counts as made',
    file: 'shared/engine/loop.ts',
    find: '      if (!(error instanceof ConflictError || error instanceof TransientError)) throw error;',
    put: `      if (error instanceof ConflictError) {
        const docs = { ...snapshot.docs, ...decision.writes };
        return { kind: 'committed', answer: decision.answer, docs, versions: snapshot.versions };
      }
      if (!(error instanceof TransientError)) throw error;`,
  },
  {
    name: 'retries do not back off',
    file: 'shared/core/decide/end.ts',
    find: 'const notBefore = now + fullJitter(backoff, failures, random);',
    put: 'const notBefore = now;',
  },
  {
    name: 'calls of run do not back off',
    file: 'shared/core/decide/run.ts',
    find: 'nextAt: context.now + delayMs',
    put: 'nextAt: context.now',
  },
  {
    name: 'an execution is created before its time',
    file: 'shared/core/decide/launch.ts',
    find: "if (now < attempt.notBefore) return ignored('too early');",
    put: '',
  },
  {
    name: 'an attempt is launched twice',
    file: 'shared/core/decide/launch.ts',
    find: "if (attempt.state !== 'SCHEDULING') return ignored(`attempt is ${attempt.state}`);\n  if (attempt.revision !== event.revision) return ignored('stale wake-up');\n  if (now < attempt.notBefore)",
    put: "if (attempt.state !== 'SCHEDULING' && attempt.state !== 'EXECUTING') return ignored('over');\n  if (attempt.state === 'SCHEDULING' && now < attempt.notBefore)",
  },
  {
    name: 'the next execution does not wait for the job of the last one',
    file: 'shared/core/decide/end.ts',
    find: 'job.abandoned !== true && job.failedCancels < CANCELS_BEFORE_RELEASE',
    put: 'job.abandoned === true',
  },
  {
    name: 'a blocked attempt is not released',
    file: 'shared/core/decide/stop.ts',
    find: '&& !blocksRetry(execution);',
    put: '&& false;',
  },
  {
    name: 'cancels are forgotten',
    file: 'shared/core/decide/end.ts',
    find: 'const jobs = reported || !begun ? strays : [...strays, unwantedJob(tokenOf(execution), now, now)];',
    put: 'const jobs = strays;',
  },
  {
    name: 'strays are forgotten',
    file: 'shared/core/decide/run.ts',
    find: 'const unwanted = known ? execution.unwanted : [...(execution.unwanted ?? []), stray];',
    put: 'const unwanted = stray && execution.unwanted;',
    // Two calls of run that overlap, of an executor that starts a job for each, and both are answered.
    seeds: 3000,
  },
  {
    name: 'a cancel is believed',
    file: 'shared/core/decide/stop.ts',
    find: 'if (job.token === undefined) return undefined;\n',
    put: 'return undefined;\n',
  },
  {
    name: 'the token of a launch that comes late is thrown away',
    file: 'shared/core/decide/run.ts',
    find: "unwanted: status.state === 'finished' ? strays : [...strays, unwantedJob(token, now, now)],",
    put: 'unwanted: strays,',
  },
  {
    name: 'a notification that comes early is thrown away',
    file: 'shared/core/decide/notify.ts',
    find: "if (execution.kept?.some(known => isSame(known, message)) === true) return ignored('kept already');",
    put: "return ignored('kept already');",
  },
  {
    name: 'a notification is acknowledged before it is committed',
    file: 'functions/notify.ts',
    find: 'return ok({ outcome: await engine.receiveMessage(message) });',
    put: "void engine.receiveMessage(message).catch(() => {}); return ok({ outcome: 'finished' });",
  },
  {
    name: 'a client is answered before its attempts are stored',
    file: 'functions/api.ts',
    find: 'ensuredView(await engine.ensureGraph(json()))',
    put: '(void engine.ensureGraph(json()).catch(() => {}), ensuredView({ questIds: [], attempts: [] }))',
  },
  {
    name: 'a job is answered before its result is stored',
    file: 'functions/job.ts',
    find: 'await engine.finish(',
    put: 'void engine.finish(',
  },
  {
    name: 'retries are not counted',
    file: 'shared/core/decide/end.ts',
    find: '[retryClass]: used + 1 }',
    put: '[retryClass]: used }',
  },
  {
    name: 'one retry too many',
    file: 'shared/core/decide/end.ts',
    find: 'if (used >= budgets[retryClass]) return undefined;',
    put: 'if (used > budgets[retryClass]) return undefined;',
  },
  {
    name: 'a crash is charged to the budget of failures',
    file: 'shared/core/result.ts',
    find: "CRASHED: 'crashed'",
    put: "CRASHED: 'failed'",
  },
  {
    name: 'deadlines are ignored',
    file: 'shared/core/decide/wake.ts',
    find: 'const overdue = isLive(execution) && isDue(execution.deadlineAt, now);',
    put: 'const overdue = false;',
  },
  {
    name: 'nobody is asked at a deadline',
    file: 'shared/core/decide/report.ts',
    find: '  SCHEDULING: 1,\n  RUNNING: 1,',
    put: '  SCHEDULING: 0,\n  RUNNING: 0,',
  },
  {
    name: 'STOPPING goes on for ever',
    file: 'shared/core/decide/report.ts',
    find: '  STOPPING: 4,',
    put: '  STOPPING: Number.POSITIVE_INFINITY,',
  },
  {
    name: 'a job is missing at once',
    file: 'shared/core/execution.ts',
    find: 'const MISSING_AFTER_MS = 30_000;',
    put: 'const MISSING_AFTER_MS = 0;',
  },
  {
    name: 'a claim holds nothing back',
    file: 'shared/core/obligations.ts',
    find: 'at: held ? Math.max(at, claim?.untilAt ?? 0) : at',
    put: 'at',
  },
  {
    name: 'a document loses its wakeAt',
    file: 'shared/core/decide/decision.ts',
    find: 'wakeAt: earliest(executionObligations(after))?.at,',
    put: "wakeAt: after.state === 'RUNNING' ? undefined : earliest(executionObligations(after))?.at,",
  },
  {
    name: 'a document wakes an hour too late',
    file: 'shared/core/decide/decision.ts',
    find: 'return { ...next, wakeAt: earliest(attemptObligations(next))?.at };',
    put: 'const at = earliest(attemptObligations(next))?.at;\n  return { ...next, wakeAt: at && at + 3_600_000 };',
  },
  {
    name: 'a fruitless poll is the last one',
    file: 'shared/core/decide/report.ts',
    find: 'nextAt: pokedAt(execution, claim) ?? now + delayMs',
    put: 'nextAt: pokedAt(execution, claim) ?? (delayMs < 0 ? now : undefined)',
  },
  {
    name: 'a finish that was accepted is forgotten when the job ends badly',
    file: 'shared/core/decide/end.ts',
    find: "if (execution.state === 'STOPPING' && execution.finish !== undefined) {",
    put: "if (execution.state === 'STOPPING' && execution.finish !== undefined && after.state === 'FINISHED') {",
  },
  {
    name: 'a success before the job has finished counts',
    file: 'shared/core/decide/end.ts',
    find: "execution.mode === 'interactive' && execution.state !== 'STOPPING' && 'data' in result;",
    put: 'execution.mode === undefined;',
  },
  {
    name: 'a cancel leaves the execution alone',
    file: 'shared/core/decide/cancel.ts',
    find: "if (attempt.state === 'EXECUTING' && execution !== undefined && isLive(execution)) {",
    put: "if (attempt.state === 'EXECUTING' && execution !== undefined && isLive(execution) && reason === '') {",
  },
  {
    name: 'a broken document is not put off',
    file: 'shared/engine/wake.ts',
    find: 'await parts.store.postpone(kind, id, parts.clock.now() + POISON_DELAY_MS);',
    put: '',
  },
  {
    name: 'a broken document ends its sweep',
    file: 'shared/engine/sweep.ts',
    find: 'const known = page.items.filter(({ id }) => isKnown(parts, id));',
    put: "if (page.items.some(({ revision }) => revision === 0)) throw new Error('unreadable');\n      const known = page.items.filter(({ id }) => isKnown(parts, id));",
  },
  {
    name: 'an activation token is logged',
    file: 'shared/engine/run.ts',
    find: "if ('error' in outcome) parts.log.warn('run failed', { execution: id, error: outcome.error.message });",
    put: "parts.log.warn('run', { task: JSON.stringify((await describeTask(parts, execution, quest)).executionAuth) });",
  },
  ...GRAPH_MUTANTS,
  ...SLOT_MUTANTS,
];

/** Within so many worlds each of them is caught, unless it says otherwise. */
export const SEEDS = 600;
