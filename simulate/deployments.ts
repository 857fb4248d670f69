import { type Distributors, parseDistributors } from '../shared/adapters/distributors.ts';
import { typeTable } from '../shared/adapters/registry.ts';
import type { Keyring } from '../shared/core/tokens.ts';
import { executorType } from './executor.ts';
import type { Deployment } from './instance.ts';
import { stream } from './random.ts';
import type { World } from './world.ts';

/** What is deployed one after the other: distributors change and vanish, types go and come back, keys rotate. */
export interface Deployments {
  current(): Deployment;
  /** New versions come at times within `stormMs`. */
  schedule(stormMs: number, rollOut: () => void): void;
  /** What everything comes to rest under: all types are there again. */
  final(): void;
}

const PLAIN = { type: 'batch', config: { pollInterval: '120s' } };
const FILE = {
  plain: PLAIN,
  hints: { type: 'batch', config: { hints: true, pollInterval: '60s' } },
  blind: { type: 'other', config: { findable: false, pollInterval: '90s' } },
};
const BOTH_TYPES = ['batch', 'other'];

/** Read once for all worlds: what a file says does not depend on who reads it. */
const READERS = typeTable(BOTH_TYPES.map(type => executorType(type)));
const read = (file: object): Distributors => parseDistributors(file, READERS);
const ALL = read(FILE);
const ELSEWHERE = read({ ...FILE, plain: { ...PLAIN, config: { site: 'elsewhere', hints: true } } });
const ALIASED = read({ plain: PLAIN, hints: { alias: 'plain' } });
const ONE_TYPE = read({ plain: PLAIN, hints: FILE.hints });

const KEYS = { one: Buffer.alloc(32, 1), two: Buffer.alloc(32, 2) };
const ONE: Keyring = { current: 'one', keys: { one: KEYS.one } };
/** Rotation: everybody knows the new key before anybody signs with it. */
const BOTH: Keyring = { current: 'one', keys: KEYS };
const TWO: Keyring = { current: 'two', keys: KEYS };

type Change = (before: Deployment) => Deployment;

const CHANGES: readonly Change[] = [
  // The same name stands for another config.
  before => ({ ...before, types: BOTH_TYPES, distributors: ELSEWHERE }),
  before => ({ ...before, types: BOTH_TYPES, distributors: ALIASED }),
  // A type vanishes, and with it what its executions were pinned to.
  before => ({ ...before, types: ['batch'], distributors: ONE_TYPE }),
  before => ({ ...before, types: BOTH_TYPES, distributors: ALL }),
  before => ({ ...before, keyring: before.keyring === ONE ? BOTH : TWO }),
];

export function createDeployments(world: World): Deployments {
  let current: Deployment = { types: BOTH_TYPES, distributors: ALL, keyring: ONE };
  return {
    current: () => current,
    schedule(stormMs, rollOut) {
      const chance = stream(world.seed, 'deployments');
      for (let n = 0; n < 4; n++) {
        const at = chance.between(0, stormMs);
        const change = chance.pick(CHANGES);
        if (!world.faults.happens('deploy', `deployment ${n}`)) continue;
        world.scheduler.after(at, () => {
          current = change(current);
          world.trace.add(world.scheduler.now(), 'a new version is deployed');
          rollOut();
        });
      }
    },
    final() {
      current = { ...current, types: BOTH_TYPES, distributors: ALL };
    },
  };
}
