import { pathToFileURL } from 'node:url';
import { inFile, parseYaml } from '../local/distributors-file.ts';
import { ownTopics, parseDistributors } from '../shared/adapters/distributors.ts';
import type { DistributorType } from '../shared/adapters/contract.ts';
import { type Types, typeTable } from '../shared/adapters/registry.ts';
import { isJsonObject, type JsonObject } from '../shared/core/json.ts';

/** Types that `npm start` knows in addition: they need the machine on which they are asked for. */
const LOCAL_TYPES = new Set(['exec']);

/** The table of a module that exports `ADAPTER_TYPES`. */
export async function typesOf(modulePath: string): Promise<Types> {
  const { ADAPTER_TYPES } = (await import(pathToFileURL(modulePath).href)) as {
    ADAPTER_TYPES: readonly DistributorType[];
  };
  return typeTable(ADAPTER_TYPES);
}

export interface DeployableDistributors {
  file: JsonObject;
  /** Names that a deployed function does not know. */
  leftOut: string[];
}

/**
 * The distributors file as it goes into the bundles: valid for these types, without what runs on one machine only unless
 * the types have it. Throws an error that names the file and the field.
 */
export function deployable(path: string, types: Types): DeployableDistributors {
  return inFile(path, () => {
    const entries = Object.entries((parseYaml(path) ?? {}) as Record<string, unknown>);
    const isLocal = (entry: unknown) =>
      isJsonObject(entry) && typeof entry.type === 'string' && LOCAL_TYPES.has(entry.type) && !types.has(entry.type);
    const local = new Set(entries.filter(([, entry]) => isLocal(entry)).map(([name]) => name));
    const isLeftOut = ([name, entry]: [string, unknown]) =>
      local.has(name) || (isJsonObject(entry) && typeof entry.alias === 'string' && local.has(entry.alias));
    const file = Object.fromEntries(entries.filter(entry => !isLeftOut(entry))) as JsonObject;
    parseDistributors(file, types);
    return { file, leftOut: entries.filter(isLeftOut).map(([name]) => name) };
  });
}

/** For deploy.sh: `NAME<TAB>TOPIC` for each distributor whose executor publishes to a topic by itself, in the order of the file. */
export function topicLines(path: string, types: Types): string[] {
  const { file } = deployable(path, types);
  return [...ownTopics(parseDistributors(file, types))].map(entry => entry.join('\t'));
}
