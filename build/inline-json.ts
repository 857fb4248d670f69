import { readFile } from 'node:fs/promises';
import type { Plugin } from 'esbuild';

/**
 * @google-cloud/tasks 7.1.0 reads three JSON files at run time, relative to where its module lies; in a bundle that is
 * nowhere. The calls become imports. When a new version does it otherwise, the build fails here instead of the function later.
 */
const CLIENT = /[\\/]@google-cloud[\\/]tasks[\\/]build[\\/]esm[\\/]src[\\/]v2[\\/]cloud_tasks_client\.js$/;
const CALL = /getJSON\(path\.join\(dirname, ((?:'[^']+'(?:, )?)+)\)\)/g;
const EXPECTED_CALLS = 3;

/** What the calls were relative to. A bundle in the format of CommonJS has no import.meta: left in, no client could be opened. */
const DIRNAME = 'const dirname = path.dirname(fileURLToPath(import.meta.url));';

export const inlineJson: Plugin = {
  name: 'inline-json',
  setup(build) {
    build.onLoad({ filter: CLIENT }, async ({ path }) => ({ contents: inlined(await readFile(path, 'utf8'), path) }));
  },
};

/** Throws when there are not as many calls as are known. */
export function inlined(source: string, path: string): string {
  if (!source.includes(DIRNAME)) throw new Error(`${path}: expected "${DIRNAME}"; see build/inline-json.ts`);
  let calls = 0;
  const contents = source.replace(DIRNAME, '').replaceAll(CALL, (_, segments: string) => {
    calls++;
    const file = [...segments.matchAll(/'([^']+)'/g)].map(([, segment]) => segment).join('/');
    return `require(${JSON.stringify(`./${file}`)})`;
  });
  if (calls !== EXPECTED_CALLS)
    throw new Error(`${path}: expected ${EXPECTED_CALLS} calls of getJSON, found ${calls}; see build/inline-json.ts`);
  return contents;
}
