import { describe, expect, test } from 'vitest';
import { idOfAttempt } from '../../shared/core/attempt.ts';
import { type Execution, idOfExecution } from '../../shared/core/execution.ts';
import type { Documents, Kind } from '../../shared/core/ports.ts';
import { abnormal, finished } from '../../shared/core/result.ts';
import { INVARIANTS } from '../../simulate/check.ts';
import type { Job } from '../../simulate/executor.ts';
import type { Events, Facts } from '../../simulate/invariants/invariant.ts';
import { BROKEN_OF_GRAPHS, type Case, FINE_OF_GRAPHS } from './graph-cases.ts';
import { BROKEN_OF_SLOTS, FINE_OF_SLOTS } from './slot-cases.ts';
import type { Change } from '../../simulate/store.ts';
import { HOUR_MS, SECOND_MS } from '../support/decide.ts';
import { attemptIn, CREATED_AT, executionIn, questFixture } from '../support/documents.ts';

const QUEST = questFixture();
const RETRYING = questFixture({ meta: { retry: { failed: 1 } } });
const scheduling = executionIn('SCHEDULING');
const runningOne = executionIn('RUNNING');
const stopping = executionIn('STOPPING', { mode: 'interactive' });
const done = executionIn('FINISHED');
const failed = executionIn('ABNORMAL_FINISHED');
const timedOut = executionIn('ABNORMAL_FINISHED', {
  reported: false,
  result: abnormal('TIMED_OUT', 'still running'),
});
const id = idOfExecution(runningOne);
const attempt = idOfAttempt(runningOne);
const alive = { executionId: id, token: 'job-1', status: { state: 'running' } } as Job;
const gone: Job = { ...alive, status: finished({ data: {} }) };
const unwanted = { token: 'job-1', need: 'cancel', tries: 0, failedCancels: 0, since: CREATED_AT } as const;
const waiting = attemptIn('SCHEDULING', { executions: 1, after: 1, wakeAt: CREATED_AT + HOUR_MS });
const retried = attemptIn('SCHEDULING', { executions: 1, revision: 2, retries: { failed: 1 } });

const revised = <D extends { revision: number }>(doc: D): D => ({ ...doc, revision: doc.revision + 1 });

function written<K extends Kind>(
  kind: K,
  before: Documents[K] | undefined,
  after: Documents[K],
  facts?: Partial<Facts>,
): Case {
  const documentId = kind === 'quest' ? QUEST.id : kind === 'attempt' ? attempt : idOfExecution(after as Execution);
  const commit = { number: 1, begun: 0 };
  const change = { kind, id: documentId, after, commit, ...(before && { before }) } as unknown as Change;
  return { on: 'written', event: change, ...(facts && { facts }) };
}

const stored =
  (...executions: Execution[]): NonNullable<Facts['get']> =>
  (kind, wanted) =>
    (kind === 'execution' ? executions.find(one => idOfExecution(one) === wanted) : undefined) as never;

const OK = { status: 200, body: {} };

const answered = (event: Partial<Events['job answered']>, facts: Partial<Facts> = {}): Case => ({
  on: 'job answered',
  event: { operation: 'activate', id, body: { executionToken: 'token' }, right: 'holds', answer: OK, ...event },
  facts,
});

function told(outcome: string, facts: Partial<Facts>, attributes: Record<string, string> = {}): Case {
  const data = Buffer.from(JSON.stringify(finished({ data: {} }))).toString('base64');
  const message = { data, attributes: { execution_id: id, ...attributes } };
  return { on: 'acknowledged', event: { request: { method: 'POST', path: '/', body: { message } }, outcome }, facts };
}

/** For each invariant what breaks it. */
const BROKEN: Record<string, Case> = {
  'revisions rise by one': written('execution', runningOne, runningOne),
  'ids are hashes': written('quest', undefined, { ...QUEST, desc: { ...QUEST.desc, parameters: { other: true } } }),
  'executions move by their table': written('execution', runningOne, revised(scheduling)),
  'attempts move by their table': written('attempt', attemptIn('SCHEDULING'), revised(attemptIn('FINISHED'))),
  'ends stand': written('execution', failed, revised(done)),
  'results stand': written(
    'attempt',
    attemptIn('FINISHED'),
    revised(attemptIn('FINISHED', { result: { data: { another: true } } })),
  ),
  'late outcomes stand': written('execution', { ...timedOut, lateOutcome: { data: {} } }, revised(timedOut)),
  'the key of a run stands': written('execution', runningOne, {
    ...revised(runningOne),
    auth: { ...runningOne.auth, nonce: 'another' },
  }),
  'the first token stands': written('execution', runningOne, {
    ...revised(runningOne),
    launch: { state: 'launched', token: 'job-2', at: CREATED_AT },
  }),
  'halts stand': written('execution', stopping, {
    ...revised(stopping),
    halt: { ...stopping.halt, callHash: 'another' },
  }),
  'something ends every phase': written(
    'execution',
    runningOne,
    revised(executionIn('RUNNING', { deadlineAt: undefined })),
  ),
  'one live execution': written('execution', undefined, executionIn('SCHEDULING', { execution: 2 }), {
    all: () => [runningOne, executionIn('SCHEDULING', { execution: 2 })] as never,
  }),
  'attempt and execution agree': written('attempt', attemptIn('EXECUTING'), revised(retried), {
    get: stored(runningOne),
  }),
  'results are of the current execution': written('attempt', attemptIn('EXECUTING'), revised(attemptIn('FINISHED')), {
    get: stored(executionIn('FINISHED', { result: { data: { another: true } } })),
  }),
  'budgets are kept': written(
    'attempt',
    attemptIn('EXECUTING'),
    { ...retried, retries: { failed: 2 } },
    {
      get: kind => (kind === 'quest' ? RETRYING : failed) as never,
    },
  ),
  'failures are counted once': written(
    'attempt',
    attemptIn('EXECUTING'),
    { ...retried, retries: {} },
    {
      get: kind => (kind === 'quest' ? RETRYING : failed) as never,
      all: () => [failed] as never,
    },
  ),
  'retries back off': written('attempt', attemptIn('EXECUTING'), retried, {
    get: kind => (kind === 'quest' ? RETRYING : failed) as never,
    all: () => [failed] as never,
  }),
  'retries wait their time': written(
    'attempt',
    attemptIn('SCHEDULING', { notBefore: CREATED_AT + SECOND_MS }),
    revised(attemptIn('EXECUTING')),
    { get: stored(scheduling) },
  ),
  'retries are released': written('execution', timedOut, revised(timedOut), { get: () => waiting as never }),
  'the executor has the last word': written('execution', runningOne, revised(timedOut)),
  'nothing is missing at once': written(
    'execution',
    runningOne,
    revised(executionIn('ABNORMAL_FINISHED', { result: abnormal('MISSING', 'unknown') })),
  ),
  'calls back off': written(
    'execution',
    executionIn('SCHEDULING', {
      launch: { state: 'owed', tries: 1, nextAt: CREATED_AT },
      claim: { call: 'run', at: CREATED_AT, untilAt: CREATED_AT },
    }),
    revised(executionIn('SCHEDULING', { launch: { state: 'owed', tries: 1, nextAt: CREATED_AT } })),
  ),
  'claims are left alone': written(
    'execution',
    executionIn('RUNNING', { claim: { call: 'poll', at: CREATED_AT, untilAt: CREATED_AT + HOUR_MS } }),
    revised(executionIn('RUNNING', { claim: { call: 'run', at: CREATED_AT + 1, untilAt: CREATED_AT + HOUR_MS } })),
  ),
  'obligations can be found': written('execution', undefined, {
    ...scheduling,
    wakeAt: scheduling.deadlineAt!,
  }),
  'unwanted jobs are recorded': written(
    'execution',
    runningOne,
    revised({ ...timedOut, unwanted: undefined } as never),
    {
      jobsOf: () => [alive],
    },
  ),
  'unwanted jobs are stopped': written('execution', { ...timedOut, unwanted: [unwanted] }, revised(timedOut), {
    jobsOf: () => [alive],
  }),
  'predecessors are gone': written('execution', undefined, executionIn('SCHEDULING', { execution: 2 }), {
    all: () => [failed, executionIn('SCHEDULING', { execution: 2 })] as never,
    get: stored(failed),
    jobsOf: () => [alive],
  }),
  'calls are claimed': { on: 'called', event: { operation: 'run', id, times: 2 }, facts: { claims: () => 1 } },
  'a run is repeated to the byte': { on: 'handed over', event: { id, before: 'these', bytes: 'those' } },
  'one activation': answered({}, { activations: () => new Set(['one', 'two']), get: () => runningOne as never }),
  'one finish': answered(
    { operation: 'finish' },
    { finishes: () => new Set(['one', 'two']), get: () => stopping as never },
  ),
  'forged tokens are refused': answered({ right: 'is forged' }, { get: () => stopping as never }),
  'what a job was told is stored': answered({}, { get: () => scheduling as never }),
  'forged notifications are dropped': told('finished', { get: stored(done) }, { forged: 'true' }),
  'what a client was told is stored': {
    on: 'ensured',
    event: { quest: QUEST.id, attempts: [1], answer: { status: 200, body: {} } },
  },
  'a cancel that was accepted holds': {
    on: 'cancelled',
    event: { id: attempt },
    facts: { get: kind => (kind === 'attempt' ? attemptIn('EXECUTING') : runningOne) as never },
  },
  'acknowledged means done': told('finished', { get: stored(runningOne) }),
  'late outcomes are kept': told('execution is ABNORMAL_FINISHED', { get: stored(timedOut) }),
  'what run answered is recorded': { on: 'wake-up done', event: { id, outcome: 'run', told: ['job-2'] } },
  'nobody sees an internal error': {
    on: 'answered',
    event: { request: { method: 'GET', path: '/v1/attempts' }, answer: { status: 500, body: {} }, isCalm: false },
  },
  'nobody is put off in calm': {
    on: 'answered',
    event: { request: { method: 'GET', path: '/v1/attempts' }, answer: { status: 503, body: {} }, isCalm: true },
  },
  'no decision finds a bug': { on: 'logged', event: { severity: 'error', message: '', text: 'bug: a transition' } },
  'logs hold no secret': {
    on: 'logged',
    event: { severity: 'info', message: '', text: 'it is s3cret' },
    facts: { secrets: () => ['s3cret'] },
  },
  'nothing is overdue': { on: 'calm', event: { overdue: [id] } },
  'everything settles': { on: 'still busy', event: { live: [attempt], isPoisoned: false } },
  'a broken document blocks nobody': { on: 'still busy', event: { live: [attempt], isPoisoned: true } },
  'stopping ends': { on: 'at rest', event: { jobs: [] }, facts: { all: () => [stopping] as never } },
  'jobs are gone': { on: 'at rest', event: { jobs: [gone, alive] } },
  'nothing completes twice': {
    on: 'at rest',
    event: { jobs: [] },
    facts: { all: () => [done, executionIn('FINISHED', { execution: 2 })] as never },
  },
  'a settled world is left alone': { on: 'swept', event: { commits: 1 } },
  ...BROKEN_OF_GRAPHS,
  ...BROKEN_OF_SLOTS,
};

const NOTHING: Facts = {
  get: () => undefined,
  all: () => [],
  isBroken: () => false,
  jobsOf: () => [],
  claims: () => 0,
  activations: () => new Set(),
  offered: () => new Set(),
  finishes: () => new Set(),
  kept: () => new Set(),
  recorded: () => new Set(),
  secrets: () => [],
  asks: () => new Map(),
  haltedBy: () => undefined,
  waitedFor: () => undefined,
  isUnwanted: () => false,
  openAtEnd: () => [],
  stoodAt: () => undefined,
  leftPlace: () => undefined,
  wasGone: () => false,
  highestLimitsOf: () => ({}),
};

/** The names of those that this breaks. */
function brokenBy({ on, event, facts }: Case): string[] {
  const known = { ...NOTHING, ...facts };
  return INVARIANTS.filter(one => one.on === on)
    .filter(one => ![undefined, false].includes((one.broken as (e: unknown, f: Facts) => undefined)(event, known)))
    .map(({ name }) => name);
}

describe('each invariant', () => {
  test('has a case that breaks it', () => {
    expect(INVARIANTS.map(({ name }) => name).toSorted()).toEqual(Object.keys(BROKEN).toSorted());
  });

  test.each(INVARIANTS.map(({ name, sentence }) => [name, sentence]))('%s: %s', name => {
    expect(brokenBy(BROKEN[name]!)).toContain(name);
  });
});

/** What happens in every world. */
const FINE: Record<string, Case> = {
  'an attempt is created': written('attempt', undefined, attemptIn('SCHEDULING'), {
    get: kind => (kind === 'quest' ? QUEST : undefined) as never,
  }),
  'an execution is reported running': written('execution', scheduling, revised(runningOne), {
    all: () => [runningOne] as never,
  }),
  'an attempt finishes': written('attempt', attemptIn('EXECUTING'), revised(attemptIn('FINISHED')), {
    get: (kind, wanted) => (kind === 'quest' ? QUEST : stored(done)(kind, wanted)) as never,
  }),
  'a run is called on its claim': {
    on: 'called',
    event: { operation: 'run', id, times: 1 },
    facts: { claims: () => 1 },
  },
  'an end is told and recorded': told('finished', { get: stored(done) }),
  'a stranger is refused': answered({ right: 'is forged', answer: { status: 401, body: {} } }),
  ...FINE_OF_GRAPHS,
  ...FINE_OF_SLOTS,
  'nothing is left': {
    on: 'at rest',
    event: { jobs: [gone] },
    facts: { all: kind => (kind === 'execution' ? [done] : []) as never },
  },
};

test.each(Object.entries(FINE))('nothing is broken when %s', (_, one) => expect(brokenBy(one)).toEqual([]));
