import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { topicLines } from '../../build/distributors.ts';
import { ROOT } from '../../build/entry.ts';
import { typeTable } from '../../shared/adapters/registry.ts';
import { writeFile } from '../support/bundles.ts';
import { ADAPTER_TYPES } from '../support/publishing-types.ts';
import { NODE, temporaryFolder } from '../support/stack.ts';

const types = typeTable(ADAPTER_TYPES);
const linesOf = (text: string) => topicLines(writeFile(temporaryFolder(), 'distributors.yaml', text), types);
const publishing = (topic: string) => `{type: publishing, config: {allowedHosts: [x.example], topic: ${topic}}}`;

test('topics of executors are listed for deploy.sh by distributor, in the order of the file', () => {
  const file = [
    `b.2: ${publishing('projects/their-project/topics/Jobs_1')}`,
    'silent: {type: publishing, config: {allowedHosts: [x.example]}}',
    `a: ${publishing('cloud-builds')}`,
    'nickname: {alias: a}',
    'sim: {type: jobsim, config: {pool: x}}',
  ];
  expect(linesOf(file.join('\n'))).toEqual(['b.2\tprojects/their-project/topics/Jobs_1', 'a\tcloud-builds']);
  expect(linesOf('')).toEqual([]);
});

test.each(['projects/123456789012/topics/t', 'topics/t', 'a b', '-t', 't$(x)', '"t\\tu"', '""', 'ab'])(
  'a topic that is no name is refused, naming the field: %s',
  topic => {
    expect(() => linesOf(`a: ${publishing(topic)}`)).toThrow('a.config.topic: must be "T" or "projects/P/topics/T"');
  },
);

test('the program that deploy.sh runs prints the lines, or says what is wrong', () => {
  const run = (file: string) => {
    const { status, stdout, stderr } = spawnSync(NODE, ['build/topics.ts', file], { cwd: ROOT, encoding: 'utf8' });
    return { status, stdout, stderr };
  };
  expect(run('distributors.yaml')).toEqual({ status: 0, stdout: '', stderr: '' });
  const bad = writeFile(temporaryFolder(), 'bad.yaml', 'a: {type: teleport}');
  expect(run(bad)).toMatchObject({
    status: 1,
    stdout: '',
    stderr: expect.stringContaining('bad.yaml: a.type: unknown type'),
  });
  expect(run(join(ROOT, 'nowhere.yaml'))).toMatchObject({ status: 1, stdout: '' });
});
