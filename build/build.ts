import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build as bundle } from 'esbuild';
import { FUNCTION_NAMES, type FunctionName } from '../functions/wiring.ts';
import type { DistributorType } from '../shared/adapters/contract.ts';
import { typeTable } from '../shared/adapters/registry.ts';
import { deployable } from './distributors.ts';
import { DEPLOYED_TYPES, entryText, ROOT } from './entry.ts';
import { inlineJson } from './inline-json.ts';
import { createPrune } from './prune.ts';

export interface BuildOptions {
  distributorsFile: string;
  outDir: string;
  /** Path of the module that exports `ADAPTER_TYPES`; what is deployed unless given. */
  types?: string;
}

export interface Built {
  sizes: Size[];
  /** Distributors that were left out, since they run on one machine only. */
  leftOut: string[];
}

export interface Size {
  name: FunctionName;
  /** Bytes of index.js. */
  raw: number;
  gzipped: number;
}

const FRAMEWORK = '@google-cloud/functions-framework';

/** Bundles each function into a folder that can be deployed as it is. The same input gives the same bytes. */
export async function build({ distributorsFile, outDir, types = DEPLOYED_TYPES }: BuildOptions): Promise<Built> {
  const { ADAPTER_TYPES } = (await import(pathToFileURL(types).href)) as { ADAPTER_TYPES: readonly DistributorType[] };
  const { file, leftOut } = deployable(distributorsFile, typeTable(ADAPTER_TYPES));
  const manifest = await manifestText();
  const sizes = await Promise.all(
    FUNCTION_NAMES.map(async name => {
      const folder = join(outDir, name);
      await rm(folder, { recursive: true, force: true });
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, 'package.json'), manifest);
      await bundleFunction(entryText({ name, types, distributors: file }), folder);
      const code = await readFile(join(folder, 'index.js'));
      return { name, raw: code.length, gzipped: gzipSync(code, { level: 9 }).length };
    }),
  );
  return { sizes, leftOut };
}

async function bundleFunction(contents: string, folder: string): Promise<void> {
  await bundle({
    stdin: { contents, resolveDir: ROOT, sourcefile: 'entry.ts', loader: 'ts' },
    outfile: join(folder, 'index.js'),
    absWorkingDir: ROOT,
    bundle: true,
    minify: true,
    // Stack traces and the names of errors stay readable.
    keepNames: true,
    platform: 'node',
    target: 'node24',
    // Lazily imported clients stay in the file, but are not evaluated before they are asked for.
    format: 'cjs',
    sourcemap: true,
    sourcesContent: false,
    // Inlined, the functions would not be registered with the framework that serves them.
    external: [FRAMEWORK],
    legalComments: 'none',
    plugins: [inlineJson, createPrune()],
    logLevel: 'warning',
  });
}

/** No scripts: the buildpack would run them. */
async function manifestText(): Promise<string> {
  const { version, dependencies } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
    version: string;
    dependencies: Record<string, string>;
  };
  const manifest = {
    name: 'distributor-function',
    version,
    private: true,
    main: 'index.js',
    engines: { node: '>=24' },
    dependencies: { [FRAMEWORK]: dependencies[FRAMEWORK] },
  };
  return `${JSON.stringify(manifest, null, 2)}\n`;
}
