import type { LogFields } from '../shared/core/ports.ts';
import { idOfExecution } from '../shared/core/execution.ts';
import { type Check, createCheck, type Violation } from './check.ts';
import { createDeliveries, type Deliveries, SWEEP_EVERY_MS } from './deliveries.ts';
import { createDeployments } from './deployments.ts';
import { createExecutor, type Executor } from './executor.ts';
import { createFaults, type FaultKind, type Faults } from './faults.ts';
import { createFleet, type Fleet } from './fleet.ts';
import { liveClient, randomQuest } from './client.ts';
import { type Cast, withGraph } from './graph.ts';
import type { JobParameters } from './plan.ts';
import { stream } from './random.ts';
import { idOfSlot, type Limits } from '../shared/core/slot.ts';
import { gathered, PLAIN_SHAPE, type Shape, shapeOf } from './shape.ts';
import { createScheduler, type Scheduler } from './scheduler.ts';
import { createDatabase, type Database } from './store.ts';
import { createTrace, type Trace } from './trace.ts';

/** Everything that a part of the simulation may reach. */
export interface World {
  readonly seed: number;
  readonly scheduler: Scheduler;
  readonly faults: Faults;
  readonly trace: Trace;
  readonly database: Database;
  readonly deliveries: Deliveries;
  readonly executor: Executor;
  readonly check: Check;
  /** By their numbers. */
  readonly quests: readonly object[];
  /** Has one of the instances serve a request; undefined when none does, or it dies. */
  serve: Fleet['serve'];
  logged(instance: string, severity: 'info' | 'warn' | 'error', message: string, fields?: LogFields): void;
  worstSkewMs: Fleet['worstSkewMs'];
  /** The limits of a distributor, as they are deployed. */
  limitsOf(distributor: string): Limits;
  highestLimitsOf(distributor: string): Limits;
}

export interface Scenario {
  seed: number;
  quests: readonly object[];
  /** The numbers of those that clients submit; all of them unless given. The others are there to be asked for by jobs. */
  clients?: readonly number[];
  shape?: Shape;
  faults: Faults;
  /** How long things may go wrong; 0: what goes wrong, and when, is up to `faults` alone. */
  stormMs: number;
  keepTrace?: boolean;
}

export interface Report {
  violation?: Violation;
  hash: string;
  trace: readonly string[];
  injected: ReadonlyMap<string, FaultKind>;
  /** Virtual time in milliseconds, and events. */
  elapsedMs: number;
  steps: number;
  /** The end of each attempt by its id: its state, and the status of an abnormal end. */
  ends: ReadonlyMap<string, string>;
}

const START = Date.parse('2026-11-24T00:00:00Z');
/** What a sweep enqueues has a name, and is enqueued again after this long at the latest. */
const NAME_WINDOW_MS = 10 * 60_000;
/** More steps than any world needs: whatever goes round in a circle ends here. */
const MAX_STEPS = 200_000;
const HOUR_MS = 60 * 60_000;

/** What is left out of the world of a seed. */
export interface Less {
  /** Faults by their names. */
  without: ReadonlySet<string>;
  /** The numbers of the quests that clients still submit; all of them unless given. */
  quests?: readonly number[];
  /** No quest needs others, and nobody is limited. */
  plain?: boolean;
  /** Distributors are as in worlds without limits, polls that are made together, and own topics. */
  unlimited?: boolean;
}

export const NOTHING_LESS: Less = { without: new Set() };

export function scenarioOf(
  seed: number,
  faults: Faults,
  { quests: kept, plain = false, unlimited = plain }: Omit<Less, 'without'> = {},
): Scenario & Cast {
  const chance = stream(seed, 'scenario');
  // About five executions, with the retries.
  const random = Array.from({ length: chance.between(2, 5) }, (_, number) => randomQuest(seed, number));
  const shape = unlimited ? PLAIN_SHAPE : shapeOf(seed);
  const quests = gathered(seed, random, shape);
  const stormMs = chance.between(5, 40) * 60_000;
  const cast = plain ? { quests, clients: [...quests.keys()] } : withGraph(seed, quests);
  return { seed, ...cast, ...(kept && { clients: kept }), shape, faults, stormMs };
}

/** The world of a seed, or what remains of it. */
export function simulateSeed(seed: number, less: Less = NOTHING_LESS, keepTrace = false): Promise<Report> {
  return simulate({ ...scenarioOf(seed, createFaults(seed, less.without), less), keepTrace });
}

/** Lives through one world: a storm, then calm, in which everything has to come to rest. */
export async function simulate(scenario: Scenario): Promise<Report> {
  const { seed, quests, clients = [...quests.keys()], shape = PLAIN_SHAPE } = scenario;
  const { faults, stormMs, keepTrace = false } = scenario;
  const scheduler = createScheduler(START);
  const trace = createTrace(START, keepTrace);
  const chance = stream(seed, 'world');
  const world = { seed, quests, scheduler, faults, trace } as { -readonly [K in keyof World]: World[K] };
  world.check = createCheck(world);
  world.database = createDatabase(changes => world.check.committed(changes));
  world.deliveries = createDeliveries(world);
  world.executor = createExecutor(world);
  world.logged = (instance, severity, message, fields) => {
    world.check.logged(severity, message, fields);
    trace.add(scheduler.now(), `${instance} ${severity}: ${message}`, () => JSON.stringify(fields));
  };
  const deployments = createDeployments(world, shape);
  world.limitsOf = deployments.limitsOf;
  world.highestLimitsOf = deployments.highestOf;

  const fleet = createFleet(world, deployments.current);
  world.serve = fleet.serve;
  world.worstSkewMs = fleet.worstSkewMs;
  let busyClients = clients.length;
  const live = async (number: number) => {
    await liveClient(world, number, quests[number]!);
    busyClients--;
  };
  for (const number of clients) void live(number);
  world.deliveries.startSweeping();
  if (stormMs > 0) deployments.schedule(stormMs, fleet.rollOut);
  if (faults.happens('document broken', 'world')) {
    scheduler.after(chance.between(0, stormMs), () => breakOne(world, chance.fraction()));
  }

  const { check } = world;
  const isBad = () => check.violation() !== undefined || scheduler.steps() > MAX_STEPS;
  if (stormMs > 0) {
    await scheduler.run(START + stormMs, isBad);
    trace.add(scheduler.now(), 'calm');
    faults.stop(scheduler.now());
    deployments.final();
    fleet.rollOut();
  }

  const calmFrom = scheduler.now();
  const bound = calmFrom + settlingMs(quests, shape);
  for (let last = calmFrom; !isBad(); last += SWEEP_EVERY_MS) {
    await scheduler.run(last + SWEEP_EVERY_MS, isBad);
    if (stormMs > 0 && scheduler.now() > calmFrom + NAME_WINDOW_MS + 5 * SWEEP_EVERY_MS) check.nothingIsOverdue();
    check.nobodyWaitsInVain();
    if (busyClients === 0 && check.isAtRest()) break;
    if (last > bound) check.doesNotSettle();
  }
  if (scheduler.steps() > MAX_STEPS) check.doesNotSettle();
  if (!isBad()) {
    check.atRest();
    if (!check.isPoisoned()) await sweepTwice(world);
  }
  const violation = check.violation();
  return {
    ...(violation && { violation }),
    hash: trace.hash(),
    trace: trace.lines(),
    injected: faults.injected,
    elapsedMs: scheduler.now() - START,
    steps: scheduler.steps(),
    ends: check.ends(),
  };
}

/** Sweeping a settled world twice must write nothing. */
async function sweepTwice(world: World): Promise<void> {
  const commits = world.database.commits();
  for (let time = 0; time < 2; time++) {
    void world.serve('sweep', { method: 'POST', path: '/' });
    const end = world.scheduler.now() + SWEEP_EVERY_MS;
    await world.scheduler.run(end, () => false);
  }
  world.check.sweptAtRest(world.database.commits() - commits);
}

/**
 * The longest that all executions of all quests may take, with every call, poll and retry at its latest: those of a quest one
 * after the other, and quests that need each other, or each other's slots, too.
 */
function settlingMs(quests: readonly object[], { limits }: Shape): number {
  const seconds = (text: string) => Number(text.slice(0, -1)) * 1000;
  const times = (quests as readonly TimedQuest[]).map(({ parameters: { asks = [] }, meta: { retry, timeouts } }) => {
    // Whenever it has waited, its budgets are full again. Asked twice at once, it may wait for either.
    const waits = asks.length === 0 ? 0 : 2 * asks.length;
    const executions = (1 + waits) * (1 + Object.values(retry).reduce((sum, budget) => sum + budget, 0));
    return (
      executions * (seconds(timeouts.start) + (seconds(timeouts.run) || HOUR_MS) + seconds(timeouts.stop) + HOUR_MS)
    );
  });
  const needEachOther =
    Object.keys(limits).length > 0 ||
    (quests as readonly TimedQuest[]).some(({ parameters }) => parameters.asks !== undefined);
  return needEachOther ? times.reduce((sum, time) => sum + time, 0) : Math.max(...times);
}

interface TimedQuest {
  parameters: Pick<JobParameters, 'asks'>;
  meta: { retry: Record<string, number>; timeouts: { start: string; run: string; stop: string } };
}

function breakOne(world: World, fraction: number): void {
  const executions = world.database.all('execution').map(idOfExecution);
  const documents = [...executions, ...world.database.all('slot').map(idOfSlot)];
  const id = documents[Math.floor(fraction * documents.length)];
  if (id === undefined) return;
  world.trace.add(world.scheduler.now(), `somebody breaks ${id}`);
  world.database.breakDocument(id);
}
