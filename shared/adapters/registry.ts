import type { Resolution } from '../core/decide/launch.ts';
import { parseDuration } from '../core/duration.ts';
import { InvalidArgument, messageOf } from '../core/errors.ts';
import type { PinnedDistributor } from '../core/execution.ts';
import { type Mode, optionalDuration, type QuestDesc } from '../core/quest.ts';
import { parseWith } from '../core/validation.ts';
import type { CommonConfig, Distributor, DistributorType, Services } from './contract.ts';
import type { Distributors } from './distributors.ts';
import { timeoutsMs } from './timeouts.ts';

const DEFAULT_POLL_INTERVAL_MS = parseDuration('600s');

export type Types = ReadonlyMap<string, DistributorType>;

/** The registry table: every type that this deployment can run. Throws on a duplicate. */
export function typeTable(types: readonly DistributorType[]): Types {
  const table = new Map<string, DistributorType>();
  for (const type of types) {
    if (table.has(type.type)) throw new Error(`duplicate distributor type "${type.type}"`);
    table.set(type.type, type);
  }
  return table;
}

export interface Registry {
  /** Resolves a quest's distributor and validates the quest. Throws InvalidArgument naming the field. */
  resolve(desc: QuestDesc): Resolution;
  /** As `resolve`, for creating an execution: what is refused is a value with the reason. */
  resolveOrReject(desc: QuestDesc): Resolution;
  /** The instance for a pinned distributor, or undefined when its type is gone. */
  instance(distributor: PinnedDistributor): Distributor | undefined;
  /** How many handles `getStatuses` takes at once, for a distributor whose executor can be asked about many. */
  maxStatuses(distributor: PinnedDistributor): number | undefined;
  list(): { name: string; target: PinnedDistributor; modes: readonly Mode[] }[];
}

export function createRegistry(options: {
  types: Types;
  distributors: Distributors;
  servicesFor(distributor: PinnedDistributor): Services;
}): Registry {
  const { types, distributors, servicesFor } = options;
  const instances = new Map<string, Distributor>();

  function instance(pinned: PinnedDistributor): Distributor | undefined {
    const key = `${pinned.name} ${pinned.type} ${pinned.version}`;
    const known = instances.get(key);
    if (known !== undefined) return known;
    const type = types.get(pinned.type);
    if (type === undefined) return undefined;
    const created = type.create(parseWith(type.configSchema, pinned.config, 'config'), servicesFor(pinned));
    instances.set(key, created);
    return created;
  }

  function lookUp(desc: QuestDesc): Resolution {
    const distributor = distributors.get(desc.distributorConfigName);
    const type = distributor && types.get(distributor.type);
    if (distributor === undefined || type === undefined) {
      const unknown = { name: desc.distributorConfigName, type: '', version: '', config: {} };
      return { ...settings(desc, {}), distributor: unknown, mode: desc.meta.mode ?? 'unattended' };
    }
    return {
      ...settings(desc, distributor.config),
      ...(type.maxStatuses !== undefined && { grouped: true as const }),
      distributor,
      mode: desc.meta.mode ?? type.modes[0],
    };
  }

  function check({ distributor, mode }: Resolution, desc: QuestDesc): void {
    const type = types.get(distributor.type);
    if (type === undefined) {
      throw new InvalidArgument('distributorConfigName', `unknown distributor "${desc.distributorConfigName}"`);
    }
    if (!type.modes.includes(mode)) {
      throw new InvalidArgument(
        'meta.mode',
        `distributor "${distributor.name}" (${type.type}) cannot run ${mode} quests`,
      );
    }
    try {
      instance(distributor)?.validate(desc);
    } catch (error) {
      throw error instanceof InvalidArgument
        ? error
        : new InvalidArgument('', `refused by "${distributor.name}": ${messageOf(error)}`);
    }
  }

  return {
    instance,
    resolve(desc) {
      const resolution = lookUp(desc);
      check(resolution, desc);
      return resolution;
    },
    resolveOrReject(desc) {
      const resolution = lookUp(desc);
      try {
        check(resolution, desc);
        return resolution;
      } catch (error) {
        return { ...resolution, rejected: messageOf(error) };
      }
    },
    maxStatuses: ({ type }) => types.get(type)?.maxStatuses,
    list: () =>
      [...distributors].map(([name, target]) => ({ name, target, modes: types.get(target.type)?.modes ?? [] })),
  };
}

/** Time-outs and polling: the quest's, else the distributor's, else the defaults. Limits are the distributor's alone. */
function settings(desc: QuestDesc, config: CommonConfig): Pick<Resolution, 'timeoutsMs' | 'pollIntervalMs' | 'limits'> {
  const { maxInFlight, maxStartsPerSecond } = config;
  const limits = {
    ...(maxInFlight !== undefined && { maxInFlight }),
    ...(maxStartsPerSecond !== undefined && { maxStartsPerSecond }),
  };
  return {
    timeoutsMs: timeoutsMs(desc, config),
    // Polling every millisecond would be a way to be throttled, not to be quick.
    pollIntervalMs: Math.max(1000, optionalDuration(config.pollInterval) ?? DEFAULT_POLL_INTERVAL_MS),
    ...(Object.keys(limits).length > 0 && { limits }),
  };
}
