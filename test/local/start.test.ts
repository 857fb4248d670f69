import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { startStack } from '../../local/stack.ts';
import { freePorts, run, runStack, temporaryFolder, writeDistributors } from '../support/stack.ts';

describe('a distributors file is refused, naming the file and the field:', () => {
  const REFUSED: readonly (readonly [what: string, file: string, message: string])[] = [
    ['an alias to an alias', 'a: {type: exec}\nb: {alias: a}\nc: {alias: b}', 'c.alias: "b" is itself an alias'],
    ['an alias to nothing', 'a: {alias: b}', 'a.alias: "b" does not exist'],
    ['an alias to itself', 'a: {alias: a}', 'a.alias'],
    ['an alias with a config', 'a: {type: exec}\nb: {alias: a, config: {}}', 'b: unknown field "config"'],
    ['an unknown config key', 'a: {type: exec, config: {shell: zsh}}', 'a.config: unknown field "shell"'],
    ['an unknown key of an entry', 'a: {type: exec, cfg: {}}', 'a: unknown field "cfg"'],
    ['an unknown type', 'a: {type: teleport}', 'a.type: unknown type "teleport"'],
    ['a malformed duration', 'a: {type: exec, config: {gracePeriod: soon}}', 'a.config.gracePeriod'],
    [
      'a secret in the open',
      'a: {type: http, config: {allowedHosts: [x], headers: {Authorization: abc}}}',
      'a.config.headers',
    ],
    ['no hosts', 'a: {type: http, config: {}}', 'a.config.allowedHosts'],
    ['a malformed name', '"a b": {type: exec}', 'a b'],
    ['a list', '- a', 'distributors'],
    ['no YAML', 'a: {', 'distributors.yaml'],
  ];
  test.each(REFUSED)('%s', async (_, text, message) => {
    const dataDir = temporaryFolder();
    const distributorsFile = writeDistributors(dataDir, text);
    const started = startStack({ port: 0, dataDir, distributorsFile, logLevel: 'warn' });
    await expect(started).rejects.toThrow(message);
    await expect(started).rejects.toThrow('distributors.yaml');
  });
});

test('npm start ends with 1 and a line that says why', async () => {
  const folder = temporaryFolder();
  const port = await freePorts();
  const first = await runStack({
    DATA_DIR: join(folder, 'first'),
    PORT: String(port),
    DISTRIBUTORS: writeDistributors(folder),
  });
  const second = (environment: Record<string, string>) =>
    run('local/main.ts', {
      DATA_DIR: join(folder, 'second'),
      PORT: '0',
      DISTRIBUTORS: 'distributors.yaml',
      ...environment,
    });
  const cases: [Record<string, string>, string][] = [
    [{ PORT: String(port) }, `PORT: port ${port} (api) is in use`],
    [{ PORT: String(port - 2) }, `PORT: port ${port} (notify) is in use`],
    [{ DATA_DIR: join(folder, 'first') }, 'is in use by another process'],
    [{ PORT: 'http' }, 'PORT: must be a port number'],
    [{ LOG_LEVEL: 'loud' }, 'LOG_LEVEL'],
    [{ DISTRIBUTORS: join(folder, 'missing.yaml') }, 'missing.yaml'],
    [
      { DISTRIBUTORS: writeDistributors(join(folder, 'bad'), 'a: {alias: b}\nb: {alias: a}') },
      'a.alias: "b" is itself an alias',
    ],
  ];
  for (const [environment, message] of cases) {
    const program = second(environment);
    expect(await program.exited).toEqual({ code: 1, signal: null });
    expect(program.stderr()).toMatch(/^cannot start: [^\n]+\n$/);
    expect(program.stderr()).toContain(message);
    expect(program.stdout()).toBe('');
  }
  // The first one minds none of it.
  expect((await first.api.list()).attempts).toEqual([]);
});
