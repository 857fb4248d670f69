import { pathToFileURL } from 'node:url';
import { join, relative, sep } from 'node:path';
import type { FunctionName } from '../functions/wiring.ts';
import type { JsonObject } from '../shared/core/json.ts';

export const ROOT = join(import.meta.dirname, '..');

/** A module that exports `ADAPTER_TYPES`: the types that a function can run. */
export const DEPLOYED_TYPES = join(ROOT, 'shared/adapters/types.ts');

export interface Entry {
  name: FunctionName;
  /** Path of the module that exports `ADAPTER_TYPES`. */
  types: string;
  /** The distributors file as JSON. */
  distributors: JsonObject;
}

/** The program of one function. Imports begin with `base`: a relative path for a bundle, a URL for a file anywhere. */
export function entryText({ name, types, distributors }: Entry, base = '.'): string {
  const creator = `create${name[0]!.toUpperCase()}${name.slice(1)}`;
  const from = (path: string) => JSON.stringify(`${base}/${relative(ROOT, path).replaceAll(sep, '/')}`);
  return [
    `import { ${creator} } from ${from(join(ROOT, 'functions', `${name}.ts`))};`,
    `import { deploy } from ${from(join(ROOT, 'functions/deployed.ts'))};`,
    `import { ADAPTER_TYPES } from ${from(types)};`,
    `deploy(${JSON.stringify(name)}, ${creator}, ADAPTER_TYPES, ${JSON.stringify(distributors)});`,
    '',
  ].join('\n');
}

/** The same program, to be run without a bundle from any folder. */
export function unbundledEntry(entry: Entry): string {
  return entryText(entry, pathToFileURL(ROOT).href);
}
