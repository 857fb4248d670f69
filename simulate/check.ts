import { isAttemptOver, idOfAttempt } from '../shared/core/attempt.ts';
import { type Claim, type Execution, idOfExecution } from '../shared/core/execution.ts';
import { type AttemptId, attemptId, type ExecutionId, type QuestId } from '../shared/core/ids.ts';
import type { JsonObject } from '../shared/core/json.ts';
import type { LogFields } from '../shared/core/ports.ts';
import { idOfSlot } from '../shared/core/slot.ts';
import type { FunctionName } from '../functions/wiring.ts';
import { SWEEP_EVERY_MS } from './deliveries.ts';
import { type FaultKind, LOSING } from './faults.ts';
import { openEdgesOf } from './invariants/edges.ts';
import type { Job, Operation } from './executor.ts';
import type { Wanted } from './graph.ts';
import type { Answer, Request } from './http-call.ts';
import { DOCUMENT_INVARIANTS } from './invariants/documents.ts';
import { EVENT_INVARIANTS } from './invariants/events.ts';
import { ASKING_INVARIANTS } from './invariants/asking.ts';
import { createGraphFacts } from './invariants/graph-facts.ts';
import { GRAPH_INVARIANTS } from './invariants/graph.ts';
import { createSlotFacts } from './invariants/slot-facts.ts';
import { SLOT_INVARIANTS } from './invariants/slots.ts';
import type { AnyInvariant, Events, Facts, JobAnswer } from './invariants/invariant.ts';
import { placeOf } from './invariants/slots.ts';
import { type Change, short } from './store.ts';
import type { World } from './world.ts';

export const INVARIANTS: readonly AnyInvariant[] = [
  ...DOCUMENT_INVARIANTS,
  ...GRAPH_INVARIANTS,
  ...EVENT_INVARIANTS,
  ...ASKING_INVARIANTS,
  ...SLOT_INVARIANTS,
];

export interface Violation {
  invariant: string;
  sentence: string;
  detail: string;
}

/** Watches a world: collects facts, and checks the invariants at each of its events. Keeps the first violation. */
export interface Check {
  committed(changes: readonly Change[]): void;
  executorCalled(operation: Operation, id: ExecutionId, times: number): void;
  handedOver(id: ExecutionId, before: string | undefined, bytes: string, state?: JsonObject): void;
  jobStarted(job: Job): void;
  /** Before the call, whose answer may be lost. */
  jobOffers(id: ExecutionId, body: object): void;
  jobAsks(id: ExecutionId, body: object, wanted: Wanted): void;
  jobAnswered(answer: JobAnswer): void;
  ensured(quest: QuestId, attempts: readonly number[], answer: Answer): void;
  /** Before the call, as above. */
  cancels(id: AttemptId): void;
  cancelled(id: AttemptId): void;
  /** `told`: the tokens that `run` gave to the instance while it was at this. */
  answered(name: FunctionName, request: Request, answer: Answer, told: readonly string[]): void;
  acknowledged(request: Request, outcome: string): void;
  logged(severity: string, message: string, fields?: LogFields): void;
  nothingIsOverdue(): void;
  /** Once a minute. */
  nobodyWaitsInVain(): void;
  doesNotSettle(): void;
  isAtRest(): boolean;
  /** Whether a document was broken. */
  isPoisoned(): boolean;
  atRest(): void;
  sweptAtRest(commits: number): void;
  violation(): Violation | undefined;
  ends(): Map<string, string>;
}

/** After these there may be jobs that nobody knows of, or knows of too late. */
const UNFAITHFUL: readonly FaultKind[] = [...LOSING, 'is unusable', 'starts twice', 'answers late', 'cut off'];

/** A task that is made by the sweep may be a moment on its way, and its wake-up at work. */
const DISPATCH_MS = 30_000;

export function createCheck(world: World): Check {
  const claims = new Map<string, number>();
  const activations = new Map<ExecutionId, Set<string>>();
  const offered = new Map<ExecutionId, Set<string>>();
  const finishes = new Map<ExecutionId, Set<string>>();
  const secrets = new Set<string>();
  const tokens = new Set<string>();
  const kept = new Map<string, Set<string>>();
  const graph = createGraphFacts(world);
  const slots = createSlotFacts(world);
  let violation: Violation | undefined;
  let isCalm = false;

  const facts: Facts = {
    get: (kind, id) => world.database.get(kind, id),
    all: kind => world.database.all(kind),
    isBroken: id => world.database.isBroken(id),
    jobsOf: id => world.executor.jobsOf(id),
    claims: (call, id) => claims.get(`${call} ${id}`) ?? 0,
    activations: id => activations.get(id) ?? new Set(),
    offered: id => offered.get(id) ?? new Set(),
    finishes: id => finishes.get(id) ?? new Set(),
    kept: id => kept.get(id) ?? new Set(),
    recorded: () => tokens,
    secrets: () => [...secrets],
    ...graph.facts,
    ...slots.facts,
  };
  const byEvent = Map.groupBy(INVARIANTS, one => one.on);

  function on<K extends keyof Events>(kind: K, event: Events[K], about: string): void {
    if (violation !== undefined) return;
    for (const one of byEvent.get(kind) ?? []) {
      const detail = (one.broken as (event: Events[K], facts: Facts) => string | undefined | false)(event, facts);
      if (detail === undefined || detail === false) continue;
      violation = { invariant: one.name, sentence: one.sentence, detail: `${about}: ${detail}` };
      world.trace.add(world.scheduler.now(), `VIOLATION of "${one.name}"  ${about}: ${detail}`);
      return;
    }
  }

  function noteClaim(before: Claim | undefined, after: Claim | undefined, id: ExecutionId): void {
    if (after === undefined || (before?.call === after.call && before.at === after.at && before.token === after.token))
      return;
    const key = `${after.call} ${id}`;
    claims.set(key, (claims.get(key) ?? 0) + 1);
  }

  const broken = () => world.database.all('execution').filter(one => facts.isBroken(idOfExecution(one)));
  /** An attempt that cannot go on, since its current execution is broken, or one that it waits for or has its state from. */
  function isStuck(quest: string, attempt: number): boolean {
    return broken().some(one => {
      if (one.quest !== quest || one.attempt !== attempt) return false;
      const owner = world.database.get('attempt', idOfAttempt(one));
      const awaited = owner?.state === 'SCHEDULING' ? owner.after : undefined;
      return owner === undefined || [owner.executions, awaited, owner.stateFrom].includes(one.execution);
    });
  }

  /** Whether every slot of one use is lost: it cannot be read, or whoever holds it cannot. */
  function isBlocked(distributor: string): boolean {
    const { maxInFlight, maxStartsPerSecond } = world.limitsOf(distributor);
    const counts = { job: maxInFlight, start: maxStartsPerSecond && Math.ceil(maxStartsPerSecond) };
    return (['job', 'start'] as const).some(use => {
      const count = counts[use] ?? Number.POSITIVE_INFINITY;
      const lost = world.database
        .all('slot')
        .filter(slot => slot.distributor === distributor && slot.use === use && slot.number <= count)
        .filter(slot => facts.isBroken(idOfSlot(slot)) || (use === 'job' && facts.isBroken(slot.holder ?? '')));
      return lost.length >= count;
    });
  }

  /** Nor can one that waits for a slot when all are lost, or for too many of these. There are no cycles among them: an invariant sees to that. */
  function isExcluded(quest: string, attempt: number): boolean {
    if (!isPoisoned()) return false;
    if (isStuck(quest, attempt)) return true;
    const owner = world.database.get('attempt', attemptId(quest as QuestId, attempt));
    const line = owner && placeOf(owner)?.distributor;
    if (line !== undefined && isBlocked(line)) return true;
    const open = owner === undefined ? [] : openEdgesOf(owner, facts);
    const free = open.filter(({ dependency }) => !isExcludedId(dependency));
    return owner?.state === 'WAITING' && open.length - free.length > (owner.wait?.spare ?? 0);
  }

  function live(): string[] {
    const attempts = world.database
      .all('attempt')
      .filter(one => !isAttemptOver(one) && !isExcluded(one.quest, one.attempt));
    const owed = world.database.due(Number.POSITIVE_INFINITY).filter(id => !facts.isBroken(id) && !isExcludedId(id));
    return [
      ...attempts.map(one => `attempt ${short(idOfAttempt(one))} is ${one.state}`),
      ...owed.map(id => `${short(id)} is owed something`),
    ];
  }

  const isPoisoned = () =>
    broken().length > 0 || world.database.all('slot').some(slot => facts.isBroken(idOfSlot(slot)));

  /** Whether no answer was lost, and no executor has started a job again. */
  const isFaithful = () =>
    !isPoisoned() && ![...world.faults.injected.values()].some(kind => UNFAITHFUL.includes(kind));

  /**
   * An executor that starts a second job of an execution breaks its promise; where the answer with the first one's token
   * may have been lost, nobody can ever know of that job.
   */
  function isUnknown({ token, executionId }: Job): boolean {
    if (tokens.has(token) || world.executor.jobsOf(executionId).length === 1) return false;
    return [...world.faults.injected.values()].some(kind => LOSING.includes(kind) || kind === 'is unusable');
  }

  const unwatched = (job: Job) => facts.isBroken(job.executionId) || isExcludedId(job.executionId) || isUnknown(job);

  function noteKept(execution: Execution): void {
    if (execution.kept === undefined) return;
    for (const { data } of execution.kept) addTo(kept, idOfExecution(execution), data);
  }

  function noteTokens({ launch, unwanted = [] }: Execution): void {
    if (launch.state === 'launched') tokens.add(launch.token);
    for (const { token } of unwanted) if (token !== undefined) tokens.add(token);
  }

  function isExcludedId(id: string): boolean {
    const [quest = '', attempt = ''] = id.split('|');
    return isExcluded(quest, Number(attempt));
  }

  return {
    committed(changes) {
      for (const change of changes) {
        if (change.kind === 'execution') {
          noteClaim(change.before?.claim, change.after.claim, idOfExecution(change.after));
          noteTokens(change.after);
          noteKept(change.after);
        }
        if (change.kind === 'attempt') graph.written(change);
      }
      slots.written(changes);
      for (const change of changes) on('written', change, `${change.kind} ${short(change.id)}`);
      slots.settled(changes);
    },
    executorCalled: (operation, id, times) => on('called', { operation, id, times }, short(id)),
    handedOver: (id, before, bytes, state) =>
      on('handed over', { id, before, bytes, ...(state && { state }) }, short(id)),
    jobStarted({ executionId, task, attributes }) {
      secrets.add(task.executionAuth.activationToken);
      secrets.add(attributes.auth_token);
      on('job started', { id: executionId, isFaithful: isFaithful() }, short(executionId));
    },
    jobOffers: (id, body) => addTo(offered, id, JSON.stringify(body)),
    jobAsks: graph.asked,
    jobAnswered(answered) {
      const { operation, id, body, answer } = answered;
      if (operation === 'activate') {
        const { executionToken } = body as { executionToken: string };
        if (answer.status === 200) addTo(activations, id, executionToken);
        secrets.add(executionToken);
      }
      if (operation === 'finish' && answer.status === 200) addTo(finishes, id, JSON.stringify(body));
      if (operation === 'ensureGraphData') graph.answered(answered);
      on('job answered', answered, `${operation} ${short(id)}`);
    },
    ensured: (quest, attempts, answer) => on('ensured', { quest, attempts, answer }, short(quest)),
    cancels: graph.cancels,
    cancelled: id => on('cancelled', { id }, short(id)),
    answered(name, request, answer, told) {
      const nothingWrong = isCalm || world.faults.injected.size === 0;
      on('answered', { request, answer, isCalm: nothingWrong }, name);
      const { id } = (request.body ?? {}) as { id?: string };
      if (name !== 'tasks' || id === undefined || answer.status !== 200) return;
      const { outcome } = answer.body as { outcome: string };
      on('wake-up done', { id, outcome, told }, short(id));
    },
    acknowledged: (request, outcome) => on('acknowledged', { request, outcome }, 'notification'),
    logged: (severity, message, fields) =>
      on('logged', { severity, message, text: `${message} ${JSON.stringify(fields ?? {})}` }, severity),
    nothingIsOverdue() {
      isCalm = true;
      const before = world.scheduler.now() - SWEEP_EVERY_MS - DISPATCH_MS;
      const overdue = world.database.due(before);
      on('calm', { overdue: overdue.map(short) }, 'overdue');
    },
    nobodyWaitsInVain: () => on('minute', { inVain: slots.waitInVain().filter(id => !isExcludedId(id)) }, 'in line'),
    doesNotSettle() {
      const jobs = world.executor.jobs().filter(job => job.status.state !== 'finished' && !unwatched(job));
      const busy = [...live(), ...jobs.map(({ token }) => `${token} is alive`)];
      on('still busy', { live: busy, isPoisoned: isPoisoned() }, 'not at rest');
    },
    isAtRest: () =>
      live().length === 0 &&
      world.deliveries.pending() === 0 &&
      world.executor.jobs().every(job => job.status.state === 'finished' || unwatched(job)),
    atRest: () => on('at rest', { jobs: world.executor.jobs().filter(job => !unwatched(job)) }, 'at rest'),
    sweptAtRest: commits => on('swept', { commits }, 'two sweeps'),
    isPoisoned,
    violation: () => violation,
    ends: () =>
      new Map(
        world.database
          .all('attempt')
          .map(one => [
            idOfAttempt(one),
            'result' in one && 'abnormalFinish' in one.result ? one.result.abnormalFinish.status : one.state,
          ]),
      ),
  };
}

function addTo<Key>(sets: Map<Key, Set<string>>, key: Key, value: string): void {
  sets.set(key, (sets.get(key) ?? new Set()).add(value));
}
