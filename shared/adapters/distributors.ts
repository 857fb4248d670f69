import { z } from 'zod';
import { InvalidArgument } from '../core/errors.ts';
import type { PinnedDistributor } from '../core/execution.ts';
import { canonicalJson, type JsonObject, sha256 } from '../core/json.ts';
import { parseWith } from '../core/validation.ts';
import type { DistributorType } from './contract.ts';

/**
 * The distributors file: `name → {type, config} | {alias: otherName}`. Pure: where the file comes from is the caller's
 * business, so that a bundle need not carry a YAML parser.
 */
const entrySchema = z.strictObject({ type: z.string(), config: z.record(z.string(), z.unknown()).default({}) });
const aliasSchema = z.strictObject({ alias: z.string() });

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

/** Every name of the file with the distributor that it stands for; an alias has the name of its target in `distributor`. */
export type Distributors = ReadonlyMap<string, PinnedDistributor>;

/** Throws InvalidArgument naming the entry and field. */
export function parseDistributors(file: unknown, types: ReadonlyMap<string, DistributorType>): Distributors {
  const entries = parseWith(z.record(z.string(), z.unknown()), file ?? {}, 'distributors');
  const parsed = Object.entries(entries).map(([name, value]) => [name, parseEntry(name, value, types)] as const);
  const targets = new Map(parsed.flatMap(([name, entry]) => ('alias' in entry ? [] : [[name, entry]])));
  const all = new Map(targets);
  for (const [name, entry] of parsed) {
    if (!('alias' in entry)) continue;
    const target = targets.get(entry.alias);
    if (target === undefined) {
      const problem = Object.hasOwn(entries, entry.alias) ? 'is itself an alias' : 'does not exist';
      throw new InvalidArgument(`${name}.alias`, `"${entry.alias}" ${problem}`);
    }
    all.set(name, target);
  }
  return all;
}

function parseEntry(
  name: string,
  value: unknown,
  types: ReadonlyMap<string, DistributorType>,
): PinnedDistributor | { alias: string } {
  if (!NAME.test(name)) throw new InvalidArgument(name, 'must be 1 to 100 characters [A-Za-z0-9._-]');
  if (typeof value === 'object' && value !== null && 'alias' in value) return parseWith(aliasSchema, value, name);
  const entry = parseWith(entrySchema, value, name);
  const type = types.get(entry.type);
  if (type === undefined) {
    throw new InvalidArgument(`${name}.type`, `unknown type "${entry.type}"; known: ${[...types.keys()].join(', ')}`);
  }
  // Absent optional keys are dropped, so that the pinned config is plain JSON.
  const config = JSON.parse(JSON.stringify(parseWith(type.configSchema, entry.config, `${name}.config`))) as JsonObject;
  return { name, type: entry.type, version: versionOf(entry.type, config), config };
}

function versionOf(type: string, config: JsonObject): string {
  return sha256(canonicalJson({ type, config })).toString('base64url').slice(0, 16);
}

/** The topics that executors publish to by themselves, as configs name them, by the distributor that hears of its jobs there. */
export function ownTopics(distributors: Distributors): Map<string, string> {
  // An alias is the same distributor.
  const own = [...distributors].filter(([name, target]) => name === target.name);
  return new Map(own.flatMap(([name, { config }]) => (typeof config.topic === 'string' ? [[name, config.topic]] : [])));
}

/** The names of the secrets that configs refer to as `env:NAME`. */
export function secretNames(distributors: Distributors): string[] {
  const configs = JSON.stringify([...distributors.values()].map(({ config }) => config));
  return [...new Set([...configs.matchAll(/"env:([A-Za-z_][A-Za-z0-9_]*)"/g)].map(([, name]) => name!))];
}
