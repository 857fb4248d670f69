import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { type Distributors, parseDistributors } from '../shared/adapters/distributors.ts';
import type { Types } from '../shared/adapters/registry.ts';
import { messageOf } from '../shared/core/errors.ts';

/** A file is configuration, not data: a few aliases are convenience, thousands are an attack on the parser. */
const MAX_YAML_ALIASES = 100;

/** Reads and validates a distributors file. Throws an error that names the file and the field. */
export function readDistributors(file: string, types: Types): Distributors {
  try {
    return parseDistributors(parse(readFileSync(file, 'utf8'), { maxAliasCount: MAX_YAML_ALIASES }), types);
  } catch (error) {
    throw new Error(`${file}: ${messageOf(error)}`, { cause: error });
  }
}
