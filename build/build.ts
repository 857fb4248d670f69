import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { FUNCTION_NAMES, type FunctionName } from '../functions/wiring.ts';
import { type BundledFile, bundle, FRAMEWORK } from './bundle.ts';
import { deployable, typesOf } from './distributors.ts';
import { DEPLOYED_TYPES, entryText, ROOT } from './entry.ts';

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
  /** Bytes of index.js, which every start reads, and of all code, which the budget is for. */
  index: number;
  raw: number;
  gzipped: number;
  /** Bytes in the bundle by source file. */
  inputs: ReadonlyMap<string, number>;
}

/** Bundles each function into a folder that can be deployed as it is. The same input gives the same bytes. */
export async function build({ distributorsFile, outDir, types = DEPLOYED_TYPES }: BuildOptions): Promise<Built> {
  const { file, leftOut } = deployable(distributorsFile, await typesOf(types));
  const manifest = await manifestText();
  const sizes = await Promise.all(
    FUNCTION_NAMES.map(async name => {
      const folder = join(outDir, name);
      await rm(folder, { recursive: true, force: true });
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, 'package.json'), manifest);
      const { files, inputs } = await bundle(entryText({ name, types, distributors: file }));
      for (const { name: fileName, contents } of files) await writeFile(join(folder, fileName), contents);
      return sizeOf(name, files, inputs);
    }),
  );
  return { sizes, leftOut };
}

function sizeOf(name: FunctionName, files: readonly BundledFile[], inputs: Size['inputs']): Size {
  const code = files.filter(file => file.name.endsWith('.js'));
  const sum = (bytesOf: (text: string) => number) => code.reduce((all, { contents }) => all + bytesOf(contents), 0);
  return {
    name,
    index: Buffer.byteLength(code.find(file => file.name === 'index.js')?.contents ?? ''),
    raw: sum(Buffer.byteLength),
    gzipped: sum(text => gzipSync(text, { level: 9 }).length),
    inputs,
  };
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
    // A range beyond the runtime's own would make the buildpack install another Node.
    engines: { node: '24.x' },
    dependencies: { [FRAMEWORK]: dependencies[FRAMEWORK] },
  };
  return `${JSON.stringify(manifest, null, 2)}\n`;
}
