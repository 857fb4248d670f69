import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from '../../build/build.ts';
import { ROOT } from '../../build/entry.ts';

/** What one machine can run: the types of every deployment, and commands. */
export const LOCAL_TYPES = join(ROOT, 'local/emulators/types.ts');

/** Below node_modules, so that bundles find the framework as they do where they are deployed: beside them. */
const CACHE = join(ROOT, 'node_modules/.cache/distributor');
const KEEP_UNUSED_MS = 24 * 60 * 60_000;

/** A folder with the five bundles of this very code, file and module of types. Builds them unless it was done before. */
export async function bundlesFor(distributorsFile: string, types: string): Promise<string> {
  const folder = join(CACHE, await fingerprintOf(distributorsFile, types));
  if (!existsSync(folder)) {
    const unfinished = `${folder}.${process.pid}`;
    await build({ distributorsFile, outDir: unfinished, types });
    // Another process may have been quicker; its bundles are the same.
    await rename(unfinished, folder).catch(async (error: unknown) => {
      await rm(unfinished, { recursive: true });
      if (!existsSync(folder)) throw error;
    });
  }
  await utimes(folder, new Date(), new Date());
  await removeUnused();
  return folder;
}

const SOURCES = ['functions', 'shared', 'build', 'local/emulators'];

async function fingerprintOf(distributorsFile: string, types: string): Promise<string> {
  const hash = createHash('sha256');
  const names = await Promise.all(SOURCES.map(filesBelow));
  hash.update(await readFile(distributorsFile)).update(await readFile(types));
  for (const file of ['package-lock.json', ...names.flat()])
    hash.update(`${file}\n`).update(await readFile(join(ROOT, file)));
  return hash.digest('hex').slice(0, 16);
}

async function filesBelow(folder: string): Promise<string[]> {
  const names = await readdir(join(ROOT, folder), { recursive: true });
  return names
    .filter(name => name.endsWith('.ts'))
    .toSorted()
    .map(name => join(folder, name));
}

async function removeUnused(): Promise<void> {
  await mkdir(CACHE, { recursive: true });
  for (const name of await readdir(CACHE)) {
    const folder = join(CACHE, name);
    const usedAt = await stat(folder).then(
      ({ mtimeMs }) => mtimeMs,
      () => Infinity,
    );
    if (Date.now() - usedAt > KEEP_UNUSED_MS) await rm(folder, { recursive: true, force: true });
  }
}
