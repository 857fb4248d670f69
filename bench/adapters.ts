import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Bundled, bundle } from '../build/bundle.ts';
import { entryText, ROOT } from '../build/entry.ts';
import { ADAPTER_TYPES } from '../shared/adapters/types.ts';
import { type Figure, median, type Scale } from './figures.ts';

const RUNS = 15;
const FEWEST_RUNS = 3;
const MAX_MS = 10;
const MAX_BYTES = 30_000;

const NODE = join(ROOT, 'node_modules/.bin/node');
const TYPES = ADAPTER_TYPES.map(({ type }) => type);

/**
 * What each type costs the `tasks` function, as if it were the only one: beside one that knows no type at all. So what types
 * share (the caller of REST services, names of executions) is counted for each of them.
 */
export async function adapters({ scaled }: Scale): Promise<Figure[]> {
  const runs = Math.max(FEWEST_RUNS, scaled(RUNS));
  return inBundleDirectory(async directory => {
    const sizes = await measureSizes(directory);
    const elapsed = await measureImports(directory, runs);
    const imports = TYPES.flatMap((type): Figure[] => {
      const times = elapsed.get(type)!;
      return [
        { name: `${type}, import`, unit: 'ms', runs: times },
        { name: '– the median', unit: 'ms', runs: [median(times)], target: { below: MAX_MS } },
      ];
    });
    const bundles = TYPES.flatMap((type): Figure[] => {
      const { alone, own, beside } = sizes.get(type)!;
      return [
        { name: `${type}, in the bundle`, unit: 'bytes', runs: [alone], target: { below: MAX_BYTES } },
        { name: '– its folder alone', unit: 'bytes', runs: [own] },
        { name: '– beside all the others', unit: 'bytes', runs: [beside] },
      ];
    });
    return [...imports, ...bundles];
  });
}

/** Below node_modules, where a bundle finds the framework. */
export async function inBundleDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  await mkdir(join(ROOT, 'node_modules/.cache'), { recursive: true });
  const directory = await mkdtemp(join(ROOT, 'node_modules/.cache/bench-'));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

export interface AdapterSize {
  /** What a bundle has more with this type than with none. */
  alone: number;
  /** What of it comes from the type's folder. */
  own: number;
  /** What a bundle of all types has more than one of all others. */
  beside: number;
}

/** In bytes of all code, minified as it is deployed. */
export async function measureSizes(directory: string, types = TYPES): Promise<Map<string, AdapterSize>> {
  const bundleOf = (some: readonly string[]) => bundleOfTypes(directory, some);
  const none = codeBytes(await bundleOf([]));
  const all = codeBytes(await bundleOf(TYPES));
  const sizes = new Map<string, AdapterSize>();
  for (const type of types) {
    const one = await bundleOf([type]);
    const own = [...one.inputs].filter(([path]) => path.startsWith(`shared/adapters/${type}/`));
    sizes.set(type, {
      alone: codeBytes(one) - none,
      own: own.reduce((sum, [, bytes]) => sum + bytes, 0),
      beside: all - codeBytes(await bundleOf(TYPES.filter(other => other !== type))),
    });
  }
  return sizes;
}

async function bundleOfTypes(directory: string, types: readonly string[]): Promise<Bundled> {
  const file = join(directory, 'types.ts');
  const imports = types.map(type => `import { ${exportOf(type)} } from ${JSON.stringify(moduleOf(type))};`);
  await writeFile(file, [...imports, `export const ADAPTER_TYPES = [${types.map(exportOf).join(', ')}];`].join('\n'));
  return bundle(entryText({ name: 'tasks', types: file, distributors: {} }));
}

function codeBytes({ files }: Bundled): number {
  const code = files.filter(({ name }) => name.endsWith('.js'));
  return code.reduce((sum, { contents }) => sum + Buffer.byteLength(contents), 0);
}

/**
 * In milliseconds, each time in a new process that has everything else of the function loaded. There the adapter is a file of
 * its own, whereas it is deployed within the function's: what it takes to find and open a file is counted, too.
 */
export async function measureImports(directory: string, runs: number, types = TYPES): Promise<Map<string, number[]>> {
  await writeFile(join(directory, 'package.json'), '{"type":"commonjs"}');
  await writeFile(join(directory, 'empty.js'), '');
  for (const type of types) {
    const { files } = await bundle(importEntry(type));
    await mkdir(join(directory, type));
    for (const { name, contents } of files) await writeFile(join(directory, type, name), contents);
  }
  const elapsed = new Map(types.map(type => [type, [] as number[]]));
  // In turns, so that what else the machine does meets all alike. The first of each reads files that are in no cache yet.
  for (let run = 0; run <= runs; run++) {
    for (const type of types) {
      const ms = importMs(join(directory, type));
      if (run > 0) elapsed.get(type)!.push(ms);
    }
  }
  return elapsed;
}

function importEntry(type: string): string {
  return [
    `export { createTasks } from './functions/tasks.ts';`,
    `export { deploy } from './functions/deployed.ts';`,
    `export const load = () => import(${JSON.stringify(moduleOf(type))});`,
  ].join('\n');
}

/** The first import of all makes Node's loader ready. */
const MEASURE = `
  const { load } = require('./index.js');
  import('../empty.js').then(async () => {
    const startedAt = performance.now();
    await load();
    console.log(performance.now() - startedAt);
    process.exit();
  });`;

function importMs(folder: string): number {
  const { stdout, stderr } = spawnSync(NODE, ['--eval', MEASURE], { cwd: folder, encoding: 'utf8' });
  const ms = Number(stdout.trim());
  if (!(ms > 0)) throw new Error(`the import cannot be measured: ${stderr}`);
  return ms;
}

/** Folders are named after their types, and export them by that name. */
function moduleOf(type: string): string {
  return join(ROOT, 'shared/adapters', type, 'index.ts');
}

function exportOf(type: string): string {
  return `${type.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase())}Type`;
}
