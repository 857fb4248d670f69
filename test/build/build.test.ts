import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { overBudget } from '../../build/budget.ts';
import { build, type Built } from '../../build/build.ts';
import { deployable } from '../../build/distributors.ts';
import { ROOT } from '../../build/entry.ts';
import { FUNCTION_NAMES } from '../../functions/wiring.ts';
import { typeTable } from '../../shared/adapters/registry.ts';
import { ADAPTER_TYPES } from '../../shared/adapters/types.ts';
import { bundleFolder, writeFile } from '../support/bundles.ts';
import { temporaryFolder } from '../support/stack.ts';

const FILE = join(ROOT, 'distributors.yaml');

describe('the bundles', () => {
  const first = bundleFolder();
  const second = bundleFolder();
  let built: Built;
  beforeAll(async () => {
    built = await build({ distributorsFile: FILE, outDir: first.folder });
    await build({ distributorsFile: FILE, outDir: join(second.folder, 'deeper') });
    return () => [first, second].forEach(({ remove }) => remove());
  }, 120_000);

  test('are the same bytes wherever they are built', () => {
    const files = hashes(first.folder);
    expect(Object.keys(files).length).toBeGreaterThan(5 * 3);
    expect(hashes(join(second.folder, 'deeper'))).toEqual(files);
  });

  test('tell nothing of the machine that built them', () => {
    for (const file of filesBelow(first.folder)) expect(readFileSync(file, 'utf8').includes(ROOT), file).toBe(false);
  });

  test.each(FUNCTION_NAMES)('of %s can be deployed as they are', name => {
    const manifest = JSON.parse(readFileSync(join(first.folder, name, 'package.json'), 'utf8')) as object;
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    const framework = '@google-cloud/functions-framework';
    expect(manifest).toMatchObject({ main: 'index.js', dependencies: { [framework]: dependencies[framework] } });
    expect(manifest).not.toHaveProperty('scripts');
    expect(manifest).not.toHaveProperty('type');
  });

  test('map back to the sources', () => {
    const map = JSON.parse(readFileSync(join(first.folder, 'api/index.js.map'), 'utf8')) as { sources: string[] };
    expect(map.sources).toContain('../../functions/api.ts');
  });

  test('hold no parser of YAML, and load the clients of Cloud Tasks and Pub/Sub only when they are used', () => {
    for (const { inputs } of built.sizes)
      expect([...inputs.keys()].filter(path => path.includes('/yaml/'))).toEqual([]);
    const index = readFileSync(join(first.folder, 'tasks/index.js'), 'utf8');
    for (const client of ['CloudTasksClient', 'PublisherClient']) expect(index).not.toContain(`class ${client}`);
  });

  test('fit their budgets, and one that did not would be named with its figures', () => {
    expect(overBudget(built.sizes)).toEqual([]);
    const { raw } = built.sizes[0]!;
    const budgets = { ...Object.fromEntries(FUNCTION_NAMES.map(name => [name, raw * 2])), api: raw - 7 } as never;
    expect(overBudget(built.sizes, budgets)).toEqual([`api has ${raw} bytes, 7 over its budget of ${raw - 7}`]);
  });
});

describe('of the distributors file', () => {
  const types = typeTable(ADAPTER_TYPES);
  const read = (text: string) => deployable(writeFile(temporaryFolder(), 'distributors.yaml', text), types);

  test('commands and their aliases are left out, since they run on one machine only', () => {
    const { file, leftOut } = read(
      'a: {type: exec}\nb: {alias: a}\nc: {type: jobsim, config: {pool: x}}\nd: {alias: c}',
    );
    expect(leftOut).toEqual(['a', 'b']);
    expect(file).toEqual({ c: { type: 'jobsim', config: { pool: 'x' } }, d: { alias: 'c' } });
  });

  test.each([
    ['an unknown type', 'a: {type: teleport}', 'a.type: unknown type "teleport"'],
    ['an unknown key', 'a: {type: jobsim, config: {pool: x, size: 1}}', 'a.config: unknown field "size"'],
    ['an alias to nothing', 'a: {alias: b}', 'a.alias: "b" does not exist'],
  ])('%s fails the build, named with its field', (_, text, message) => {
    expect(() => read(text)).toThrow(message);
    expect(() => read(text)).toThrow('distributors.yaml');
  });
});

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name));
}

function hashes(folder: string): Record<string, string> {
  const hashOf = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');
  return Object.fromEntries(filesBelow(folder).map(file => [file.slice(folder.length), hashOf(file)]));
}
