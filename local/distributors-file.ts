import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { type Distributors, parseDistributors } from '../shared/adapters/distributors.ts';
import type { Types } from '../shared/adapters/registry.ts';
import { messageOf } from '../shared/core/errors.ts';

/** A file is configuration, not data: a few aliases are convenience, thousands are an attack on the parser. */
const MAX_YAML_ALIASES = 100;

/** Reads and validates a distributors file. Throws an error that names the file and the field. */
export function readDistributors(file: string, types: Types): Distributors {
  return inFile(file, () => parseDistributors(parseYaml(file), types));
}

/** Throws what `work` throws, with the name of the file. */
export function inFile<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new Error(`${file}: ${messageOf(error)}`, { cause: error });
  }
}

export function parseYaml(file: string): unknown {
  return parse(readFileSync(file, 'utf8'), { maxAliasCount: MAX_YAML_ALIASES });
}
