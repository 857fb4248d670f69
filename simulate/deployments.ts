import { type Distributors, parseDistributors } from '../shared/adapters/distributors.ts';
import { typeTable } from '../shared/adapters/registry.ts';
import type { Limits } from '../shared/core/slot.ts';
import type { Keyring } from '../shared/core/tokens.ts';
import { executorType } from './executor.ts';
import type { Deployment } from './instance.ts';
import { stream } from './random.ts';
import { type LimitsByName, type Name, NAMES, otherLimits, type Shape } from './shape.ts';
import type { World } from './world.ts';

/** What is deployed one after the other: distributors change and vanish, types go and come back, keys rotate. */
export interface Deployments {
  current(): Deployment;
  /** New versions come at times within `stormMs`. */
  schedule(stormMs: number, rollOut: () => void): void;
  /** What everything comes to rest under: all types are there again. */
  final(): void;
  limitsOf(distributor: string): Limits;
  /** The highest that there were at any time; what was unlimited meanwhile does not count. */
  highestOf(distributor: string): Limits;
}

const TYPES = ['batch', 'other', 'many'];
const WITHOUT_OTHER = ['batch', 'many'];

type FileName = 'all' | 'elsewhere' | 'aliased' | 'one type';

/** The distributors file. */
function fileOf(which: FileName, limits: LimitsByName, { grouped, ownTopic }: Shape): object {
  const entry = (name: Name, type: string, config: object) => ({
    type: grouped.includes(name) ? 'many' : type,
    config: { ...config, ...limits[name] },
  });
  const plain = entry('plain', 'batch', { pollInterval: '120s' });
  const hints = entry('hints', 'batch', { hints: true, pollInterval: '60s', ...(ownTopic && { topic: 'of-hints' }) });
  const blind = entry('blind', 'other', { findable: false, pollInterval: '90s' });
  switch (which) {
    case 'all':
      return { plain, hints, blind };
    case 'elsewhere':
      return { plain: entry('plain', 'batch', { site: 'elsewhere', hints: true }), hints, blind };
    case 'aliased':
      return { plain, hints: { alias: 'plain' } };
    case 'one type':
      return { plain, hints };
  }
}

/** Read once for all worlds: what a file says does not depend on who reads it. */
const READERS = typeTable(TYPES.map(type => executorType(type)));
const known = new Map<string, Distributors>();

function read(file: object): Distributors {
  const text = JSON.stringify(file);
  const distributors = known.get(text) ?? parseDistributors(file, READERS);
  known.set(text, distributors);
  return distributors;
}

const KEYS = { one: Buffer.alloc(32, 1), two: Buffer.alloc(32, 2) };
const ONE: Keyring = { current: 'one', keys: { one: KEYS.one } };
/** Rotation: everybody knows the new key before anybody signs with it. */
const BOTH: Keyring = { current: 'one', keys: KEYS };
const TWO: Keyring = { current: 'two', keys: KEYS };

interface Version {
  types: readonly string[];
  file: FileName;
  limits: LimitsByName;
  keyring: Keyring;
}
type Change = (before: Version) => Version;

const CHANGES: readonly Change[] = [
  // The same name stands for another config.
  before => ({ ...before, types: TYPES, file: 'elsewhere' }),
  before => ({ ...before, types: TYPES, file: 'aliased' }),
  // A type vanishes, and with it what its executions were pinned to.
  before => ({ ...before, types: WITHOUT_OTHER, file: 'one type' }),
  before => ({ ...before, types: TYPES, file: 'all' }),
  before => ({ ...before, keyring: before.keyring === ONE ? BOTH : TWO }),
];

export function createDeployments(world: World, shape: Shape): Deployments {
  let current: Version = { types: TYPES, file: 'all', limits: shape.limits, keyring: ONE };
  const highest = new Map<string, Limits>();

  const limitsOf = (name: string): Limits => current.limits[name as Name] ?? {};
  function deploy(next: Version): void {
    current = next;
    for (const name of NAMES) highest.set(name, higher(highest.get(name) ?? {}, limitsOf(name)));
  }

  deploy(current);
  return {
    current: () => ({
      types: current.types,
      distributors: read(fileOf(current.file, current.limits, shape)),
      keyring: current.keyring,
    }),
    limitsOf,
    highestOf: name => highest.get(name) ?? {},
    schedule(stormMs, rollOut) {
      const { scheduler, faults, trace, seed } = world;
      function schedule(name: string, at: number, change: Change): void {
        if (!faults.happens('deploy', name)) return;
        scheduler.after(at, () => {
          deploy(change(current));
          trace.add(
            scheduler.now(),
            'a new version is deployed',
            () => `${current.file} ${JSON.stringify(current.limits)}`,
          );
          rollOut();
        });
      }
      const chance = stream(seed, 'deployments');
      for (let n = 0; n < 4; n++) schedule(`deployment ${n}`, chance.between(0, stormMs), chance.pick(CHANGES));
      if (Object.keys(shape.limits).length === 0) return;
      const ofLimits = stream(seed, 'deployments of limits');
      for (let n = 0; n < 2; n++) {
        const at = ofLimits.between(0, stormMs);
        const limits = otherLimits(ofLimits, shape);
        schedule(`deployment of limits ${n}`, at, before => ({ ...before, limits }));
      }
    },
    final: () => deploy({ ...current, types: TYPES, file: 'all' }),
  };
}

/** Of two limits the higher one, of each kind. */
function higher(a: Limits, b: Limits): Limits {
  return Object.fromEntries(
    (['maxInFlight', 'maxStartsPerSecond'] as const)
      .filter(kind => a[kind] !== undefined || b[kind] !== undefined)
      .map(kind => [kind, Math.max(a[kind] ?? 0, b[kind] ?? 0)]),
  );
}
