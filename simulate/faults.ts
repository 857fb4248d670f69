import { draw, stream } from './random.ts';

/** What can become of one call of a port. */
export const CALL_FAULTS = ['fails', 'fails after', 'dies before', 'dies after', 'slow', 'hangs'] as const;
export type CallFault = (typeof CALL_FAULTS)[number];

/** What else goes wrong in a world, and how often when this kind of weather is there at all. */
const MISFORTUNES = {
  // Deliveries of tasks and notifications.
  lost: 0.1,
  doubled: 0.15,
  late: 0.15,
  'cut off': 0.05,
  // Sweeps.
  'sweep skipped': 0.3,
  'sweep doubled': 0.15,
  // Executors.
  'starts twice': 0.5,
  'refuses to start': 0.03,
  'is unusable': 0.03,
  'lies about the end': 0.3,
  'ignores cancel': 0.25,
  'forgets the job': 0.05,
  'does not know it yet': 0.3,
  'is out of order': 0.1,
  'tells nothing': 0.2,
  'tells twice': 0.2,
  'tells something old': 0.15,
  'tells of strangers': 0.1,
  'tells of the future': 0.1,
  // Jobs that take part.
  'runs twice': 0.1,
  'dies early': 0.08,
  'forgets to finish': 0.1,
  'does not exit': 0.1,
  'uses its token again': 0.3,
  'is attacked': 0.2,
  // Clients.
  'client cancels': 0.12,
  'client gives up': 0.2,
  // Instances, by the event.
  'clock is wrong': 0.5,
  deploy: 0.6,
  'document broken': 0.3,
  // Where attempts need others.
  'asks twice at once': 0.3,
  'dies asking': 0.1,
  'client cancels all': 0.4,
  // Executors that are slow, or can be asked about many jobs at once.
  'answers late': 0.1,
  'cannot be asked for all': 0.15,
  'answers for too few': 0.15,
} as const;
export type Misfortune = keyof typeof MISFORTUNES;

/** Their weather has a stream of its own: whatever else happens in a world has not changed since they came. */
const OF_GRAPHS: readonly FaultKind[] = ['asks twice at once', 'dies asking', 'client cancels all'];
const OF_LIMITS: readonly FaultKind[] = ['answers late', 'cannot be asked for all', 'answers for too few'];

const CALL_RATES: Record<CallFault, number> = {
  fails: 0.05,
  'fails after': 0.05,
  'dies before': 0.015,
  'dies after': 0.015,
  slow: 0.1,
  hangs: 0.005,
};

/** After these an instance may not know what a call did. */
export const LOSING: readonly FaultKind[] = ['fails', 'fails after', 'dies before', 'dies after', 'hangs', 'deploy'];

/** By then no instance is left in which anything went wrong. */
const ROLL_OUT_MS = 30_000;

export type FaultKind = CallFault | Misfortune;
export const FAULT_KINDS = [...CALL_FAULTS, ...(Object.keys(MISFORTUNES) as Misfortune[])];

/** Decides what goes wrong, and keeps a record of it. */
export interface Faults {
  /** The fate of the next call of this name. */
  call(name: string): CallFault | undefined;
  happens(what: Misfortune, name: string): boolean;
  /** From now on nothing goes wrong any more. */
  stop(now: number): void;
  /** Since when nothing has gone wrong, but for a single call that was slow. */
  quietSince(): number;
  /** That call is made at last. */
  arrived(now: number): void;
  /** When it was; infinite as long as it is on its way. */
  arrivedAt(): number;
  readonly stopped: boolean;
  /** Each fault so far by the name under which it can be left out. */
  readonly injected: ReadonlyMap<string, FaultKind>;
}

/**
 * Each kind of weather is there in about half of all worlds: with everything everywhere, much is hidden by something else
 * (https://www.cs.utah.edu/~regehr/papers/swarm12.pdf). A fault is drawn by the name and number of its call, so that it
 * stays the same when an earlier one is left out.
 */
export function createFaults(seed: number, without: ReadonlySet<string> = new Set()): Faults {
  const weather = stream(seed, 'weather');
  const intensity = weather.pick([0, 0.3, 1, 1, 2]);
  const ofGraphs = stream(seed, 'weather of graphs');
  const ofLimits = stream(seed, 'weather of limits');
  const skyOf = (kind: FaultKind) =>
    OF_GRAPHS.includes(kind) ? ofGraphs : OF_LIMITS.includes(kind) ? ofLimits : weather;
  const there = new Map(FAULT_KINDS.map(kind => [kind, skyOf(kind).chance(0.5) ? intensity : 0]));
  // Where no answer is ever lost, more can be asked of the system.
  if (weather.chance(0.25)) for (const kind of LOSING) there.set(kind, 0);
  // That an executor knows a job after 30 s is measured by our clocks.
  if (there.get('does not know it yet')! > 0) there.set('clock is wrong', 0);
  const counts = new Map<string, number>();
  const injected = new Map<string, FaultKind>();
  let stoppedAt: number | undefined;

  function numbered(name: string): string {
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    return `${name}#${count}`;
  }

  function inject(kind: FaultKind, point: string): boolean {
    if (without.has(point)) return false;
    injected.set(point, kind);
    return true;
  }

  return {
    call(name) {
      if (stoppedAt !== undefined) return undefined;
      const point = numbered(name);
      let chance = draw(seed, point);
      for (const kind of CALL_FAULTS) {
        const rate = CALL_RATES[kind] * there.get(kind)!;
        if (chance < rate) return inject(kind, point) ? kind : undefined;
        chance -= rate;
      }
      return undefined;
    },
    happens(what, name) {
      if (stoppedAt !== undefined) return false;
      const point = numbered(`${name} ${what}`);
      return draw(seed, point) < MISFORTUNES[what] * there.get(what)! && inject(what, point);
    },
    stop(now) {
      stoppedAt = now;
    },
    quietSince: () => (injected.size === 0 ? 0 : (stoppedAt ?? Number.POSITIVE_INFINITY) + ROLL_OUT_MS),
    arrived() {},
    arrivedAt: () => 0,
    get stopped() {
      return stoppedAt !== undefined;
    },
    injected,
  };
}

/** One fault at the n-th call of all (from 0), and the misfortunes that belong to the scenario. */
export function oneFault(index: number, fault: CallFault, misfortunes: readonly Misfortune[] = []): CountedFaults {
  const injected = new Map<string, FaultKind>();
  let calls = 0;
  let arrivedAt = 0;
  return {
    call(name) {
      if (calls++ !== index) return undefined;
      injected.set(name, fault);
      if (fault === 'slow') arrivedAt = Number.POSITIVE_INFINITY;
      return fault;
    },
    happens: what => misfortunes.includes(what),
    stop() {},
    // Who is slow is not lost: whatever is done afterwards is done as if nothing had been.
    quietSince: () => (fault === 'slow' || injected.size === 0 ? 0 : Number.POSITIVE_INFINITY),
    arrived(now) {
      arrivedAt = now;
    },
    arrivedAt: () => arrivedAt,
    stopped: false,
    injected,
    calls: () => calls,
  };
}

/** Nothing goes wrong. */
export function noFaults(): Faults {
  return oneFault(-1, 'fails');
}

export interface CountedFaults extends Faults {
  /** How many calls there were so far. */
  calls(): number;
}
