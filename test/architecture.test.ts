import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');

/** From top to bottom: a layer imports itself and what stands below it. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  functions: ['local', 'shared/google', 'shared/embedded', 'shared/engine', 'shared/adapters', 'shared/core'],
  local: ['functions', 'shared/google', 'shared/embedded', 'shared/engine', 'shared/adapters', 'shared/core'],
  'shared/google': ['shared/engine', 'shared/adapters', 'shared/core'],
  'shared/embedded': ['shared/engine', 'shared/adapters', 'shared/core'],
  'shared/engine': ['shared/adapters', 'shared/core'],
  'shared/adapters': ['shared/core'],
  'shared/core': [],
};
const LAYERS = Object.keys(MAY_IMPORT);

/** What the engine may use of the adapters: the contract and what finds them, no adapter of its own. */
const ADAPTER_SEAM = ['contract.ts', 'registry.ts', 'distributors.ts'].map(name => `shared/adapters/${name}`);
const CORE_PACKAGES = ['zod', 'canonicalize', 'node:crypto'];

interface Import {
  from: string;
  to: string;
}

function filesOf(layer: string): string[] {
  const folder = join(ROOT, layer);
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.ts'))
      .map(name => join(layer, name));
  } catch {
    // `shared/google` comes later.
    return [];
  }
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const specifiers = [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'([^']+)'/g)].map(match => match[1] ?? '');
  return specifiers.map(to => ({
    from: file,
    to: to.startsWith('.') ? relative(ROOT, resolve(ROOT, dirname(file), to)) : to,
  }));
}

function layerOf(path: string): string | undefined {
  return LAYERS.find(layer => path.startsWith(`${layer}/`));
}

function isPackage({ to }: Import): boolean {
  return layerOf(to) === undefined && !to.startsWith('..');
}

const IMPORTS = LAYERS.flatMap(filesOf).flatMap(importsOf);

describe('imports run downwards only:', () => {
  test.each(LAYERS)('%s', layer => {
    const allowed = [layer, ...(MAY_IMPORT[layer] ?? [])];
    const wrong = IMPORTS.filter(({ from }) => layerOf(from) === layer).filter(
      one => !isPackage(one) && !allowed.includes(layerOf(one.to) ?? ''),
    );
    expect(wrong).toEqual([]);
  });

  test('there are files and imports to look at', () => {
    expect(IMPORTS.length).toBeGreaterThan(200);
    expect(new Set(IMPORTS.map(({ from }) => layerOf(from)))).toContain('shared/core');
  });
});

test('nothing of the product imports what tries it', () => {
  const trying = /^(simulate|soak|bench|test)\//;
  expect(IMPORTS.filter(({ to }) => trying.test(to))).toEqual([]);
});

test('the core needs only zod, canonicalize and node:crypto', () => {
  const packages = IMPORTS.filter(one => layerOf(one.from) === 'shared/core' && isPackage(one)).map(({ to }) => to);
  expect([...new Set(packages)].toSorted()).toEqual(CORE_PACKAGES.toSorted());
});

test('the engine knows the contract of adapters, and no adapter', () => {
  const used = IMPORTS.filter(({ from, to }) => layerOf(from) === 'shared/engine' && layerOf(to) === 'shared/adapters');
  expect(used.filter(({ to }) => !ADAPTER_SEAM.includes(to))).toEqual([]);
});

test('an adapter does not import another', () => {
  const folderOf = (path: string) => /^shared\/adapters\/([\w-]+)\//.exec(path)?.[1];
  const crossing = IMPORTS.filter(({ from, to }) => folderOf(from) && folderOf(to) && folderOf(from) !== folderOf(to));
  expect(crossing).toEqual([]);
});

describe.each(['shared/core', 'shared/engine'])('%s is handed time, chance and the world', layer => {
  test.each([
    ...['Date.now', 'new Date()', 'performance.now', 'Math.random', 'randomBytes', 'randomUUID'],
    ...['setTimeout', 'setInterval', 'setImmediate', 'fetch(', 'process.', 'console.', 'node:fs', 'node:http'],
  ])('it has no %s', forbidden => {
    const files = filesOf(layer).filter(file => readFileSync(join(ROOT, file), 'utf8').includes(forbidden));
    expect(files).toEqual([]);
  });
});
