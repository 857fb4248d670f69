import { join } from 'node:path';
import { build, type OutputFile, transform } from 'esbuild';
import { createEdits } from './edits.ts';
import { ROOT } from './entry.ts';
import { lazyImports } from './lazy-imports.ts';
import { createPrune } from './prune.ts';

export const FRAMEWORK = '@google-cloud/functions-framework';

export interface BundledFile {
  name: string;
  contents: string;
}

export interface Bundled {
  files: BundledFile[];
  /** Bytes by source file. */
  inputs: Map<string, number>;
}

/** Names stay as they are, so that stack traces can be read: esbuild's keepNames costs each start 50 ms, and mangled names save none. */
const MINIFY = { minifyWhitespace: true, minifySyntax: true, legalComments: 'none', target: 'node24' } as const;

/**
 * One program as `index.js` and the chunks that it loads when they are needed, with their source maps. Only ES modules can be
 * split, and Node starts quickest with CommonJS (importing node:http as an ES module loads its fetch), so this is made in
 * two steps.
 */
export async function bundle(entry: string): Promise<Bundled> {
  const { outputFiles, metafile } = await build({
    ...MINIFY,
    stdin: { contents: entry, resolveDir: ROOT, sourcefile: 'entry.ts', loader: 'ts' },
    absWorkingDir: ROOT,
    // Wherever it is written to in the end: maps name sources relative to this, and must not tell of the machine.
    outdir: join(ROOT, 'dist/function'),
    entryNames: 'index',
    chunkNames: '[name]-[hash]',
    bundle: true,
    write: false,
    metafile: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    sourcemap: 'inline',
    sourcesContent: false,
    // Inlined, the functions would not be registered with the framework that serves them.
    external: [FRAMEWORK],
    plugins: [lazyImports, createEdits(), createPrune()],
    logLevel: 'warning',
  });
  const inputs = Object.values(metafile.outputs).flatMap(output => Object.entries(output.inputs));
  return {
    files: (await Promise.all(outputFiles.map(toCommonJs))).flat(),
    inputs: new Map(inputs.map(([path, { bytesInOutput }]) => [path, bytesInOutput])),
  };
}

async function toCommonJs({ path, text }: OutputFile): Promise<BundledFile[]> {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (text.includes('import.meta')) throw new Error(`${name} uses import.meta, which CommonJS does not have`);
  const { code, map } = await transform(text, {
    ...MINIFY,
    format: 'cjs',
    platform: 'node',
    sourcemap: 'external',
    sourcesContent: false,
    sourcefile: name,
  });
  return [
    { name, contents: `${code}//# sourceMappingURL=${name}.map\n` },
    { name: `${name}.map`, contents: map },
  ];
}
