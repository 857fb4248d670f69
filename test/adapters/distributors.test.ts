import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { commonConfig, type DistributorType } from '../../shared/adapters/contract.ts';
import { parseDistributors } from '../../shared/adapters/distributors.ts';
import { createRegistry, typeTable } from '../../shared/adapters/registry.ts';
import { InvalidArgument } from '../../shared/core/errors.ts';
import { normalizeQuest } from '../../shared/core/quest.ts';
import { fakeServices } from '../support/services.ts';

const echo: DistributorType = {
  type: 'echo',
  modes: ['unattended'],
  configSchema: z.strictObject({ ...commonConfig, pool: z.string().default('main') }),
  create: () =>
    ({
      validate({ parameters }) {
        if (parameters.bad === 'field') throw new InvalidArgument('parameters.bad', 'must not be "field"');
        if (parameters.bad === 'crash') throw 'no Error at all';
      },
    }) as ReturnType<DistributorType['create']>,
};
const types = typeTable([echo]);

describe('the distributors file', () => {
  test('gives each name its type, its config with defaults and its version', () => {
    const file = { a: { type: 'echo', config: { pollInterval: '90.0s' } }, b: { type: 'echo' }, c: { alias: 'a' } };
    const distributors = parseDistributors(file, types);
    expect(distributors.get('a')).toMatchObject({ name: 'a', config: { pool: 'main', pollInterval: '90s' } });
    expect(distributors.get('c')).toBe(distributors.get('a'));
    expect(distributors.get('a')?.version).not.toBe(distributors.get('b')?.version);
  });

  test('has the same version for the same entry, however it is written, and under any name', () => {
    const file = { a: { type: 'echo' }, b: { type: 'echo', config: { pool: 'main' } } };
    const [a, b] = [...parseDistributors(file, types).values()];
    expect(a?.version).toBe(b?.version);
  });

  test('may be empty', () => {
    expect(parseDistributors(undefined, types).size).toBe(0);
    expect(parseDistributors(null, types).size).toBe(0);
  });

  test.each<[string, unknown, string]>([
    ['no table', ['a'], 'distributors: must be record, not array'],
    ['an entry that is text', { a: 'echo' }, 'a: must be object, not string'],
    ['a bad name', { 'a b': { type: 'echo' } }, 'a b: must be 1 to 100 characters'],
    ['an unknown type', { a: { type: 'ech' } }, 'a.type: unknown type "ech"; known: echo'],
    ['no type', { a: {} }, 'a.type: is missing'],
    ['an unknown key', { a: { type: 'echo', conf: {} } }, 'a: unknown field "conf"'],
    ['an unknown config key', { a: { type: 'echo', config: { pol: 1 } } }, 'a.config: unknown field "pol"'],
    ['a bad config value', { a: { type: 'echo', config: { pool: 1 } } }, 'a.config.pool: must be string, not number'],
    ['a bad duration', { a: { type: 'echo', config: { pollInterval: '1m' } } }, 'a.config.pollInterval: must be'],
    [
      'an unlimited stop',
      { a: { type: 'echo', config: { timeouts: { stop: '0.0s' } } } },
      'a.config.timeouts.stop: must not be unlimited',
    ],
    ['an alias of nothing', { a: { alias: 'b' } }, 'a.alias: "b" does not exist'],
    [
      'an alias of an alias',
      { a: { type: 'echo' }, b: { alias: 'a' }, c: { alias: 'b' } },
      'c.alias: "b" is itself an alias',
    ],
    ['an alias of itself', { a: { alias: 'a' } }, 'a.alias: "a" is itself an alias'],
    ['an alias with a type', { a: { type: 'echo' }, b: { alias: 'a', type: 'echo' } }, 'b: unknown field "type"'],
    ['an alias of what every object has', { a: { alias: 'constructor' } }, 'a.alias: "constructor" does not exist'],
  ])('with %s is refused, naming entry and field', (_, file, message) => {
    expect(() => parseDistributors(file, types)).toThrow(message);
  });
});

test('a type that is listed twice fails at start-up', () => {
  expect(() => typeTable([echo, echo])).toThrow('duplicate distributor type "echo"');
});

describe('resolving a quest', () => {
  const file = {
    plain: { type: 'echo' },
    slow: { type: 'echo', config: { pollInterval: '0.1s', timeouts: { run: '10s', stop: '20s' } } },
    other: { alias: 'slow' },
  };
  const registry = createRegistry({
    types,
    distributors: parseDistributors(file, types),
    servicesFor: () => fakeServices(),
  });
  const quest = (desc: object) => normalizeQuest({ distributorConfigName: 'plain', ...desc }).desc;

  test('takes durations from the quest, else the config, else the defaults', () => {
    const desc = quest({ distributorConfigName: 'slow', meta: { timeouts: { run: '0s' } } });
    expect(registry.resolve(desc)).toMatchObject({
      mode: 'unattended',
      timeoutsMs: { start: 3_600_000, run: 0, stop: 20_000 },
      pollIntervalMs: 1000,
    });
    expect(registry.resolve(quest({}))).toMatchObject({
      timeoutsMs: { start: 3_600_000, run: 86_400_000, stop: 300_000 },
      pollIntervalMs: 600_000,
    });
  });

  test('by an alias pins the distributor that it stands for', () => {
    expect(registry.resolve(quest({ distributorConfigName: 'other' })).distributor.name).toBe('slow');
  });

  test.each([
    [{ distributorConfigName: 'nobody' }, 'distributorConfigName: unknown distributor "nobody"'],
    [{ meta: { mode: 'interactive' } }, 'meta.mode: distributor "plain" (echo) cannot run interactive quests'],
    [{ parameters: { bad: 'field' } }, 'parameters.bad: must not be "field"'],
    [{ parameters: { bad: 'crash' } }, 'refused by "plain": no Error at all'],
  ])('%j is refused: %s', (desc, message) => {
    expect(() => registry.resolve(quest(desc))).toThrow(InvalidArgument);
    expect(() => registry.resolve(quest(desc))).toThrow(message);
    expect(registry.resolveOrReject(quest(desc)).rejected).toBe(message);
  });

  test('an instance is made once per name, type and version', () => {
    const { distributor } = registry.resolve(quest({}));
    expect(registry.instance(distributor)).toBe(registry.instance({ ...distributor }));
    expect(registry.instance({ ...distributor, version: 'older' })).not.toBe(registry.instance(distributor));
    expect(registry.instance({ ...distributor, type: 'gone' })).toBeUndefined();
  });
});
