import { registerHooks } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Mutant } from './mutant.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** From now on the mutant's file is loaded with its bug. Its loading fails when the text does not stand there once. */
export function mutate({ name, file, find, put }: Mutant): void {
  const target = pathToFileURL(resolve(ROOT, file)).href;
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      if (url !== target) return loaded;
      const source = loaded.source instanceof Uint8Array ? Buffer.from(loaded.source).toString() : loaded.source;
      const parts = typeof source === 'string' ? source.split(find) : [];
      if (parts.length !== 2) throw new Error(`mutant "${name}": its text does not stand in ${file} exactly once`);
      return { ...loaded, source: parts.join(put) };
    },
  });
}
