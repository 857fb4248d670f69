import { describe, expect, test } from 'vitest';
import { tesType } from '../../shared/adapters/tes/index.ts';
import type { QuestDesc } from '../../shared/core/quest.ts';
import { parseWith } from '../../shared/core/validation.ts';
import { questOf } from '../support/drive.ts';
import { createTesAdapter, GOOD_TASK } from '../support/fakes/tes.ts';

const parse = (config: object) => parseWith(tesType.configSchema, config, 'config');
const endpoint = 'https://tes.test/ga4gh/tes/v1';

describe('the config', () => {
  test('needs an endpoint only', () => {
    expect(parse({ endpoint: `${endpoint}/` })).toEqual({ endpoint, tags: {}, pollInterval: '30s' });
  });

  test.each<[object, string]>([
    [{}, 'config.endpoint'],
    [{ endpoint: 'tes.test' }, 'config.endpoint'],
    [{ endpoint: 'https://user:pass@tes.test/' }, 'config.endpoint'],
    [{ endpoint, authorization: 'Bearer x' }, 'config.authorization'],
    [{ endpoint, authorization: 'env:' }, 'config.authorization'],
    [{ endpoint, taskPage: 'https://tes.test/tasks' }, 'config.taskPage'],
    [{ endpoint, taskPage: 'https://{id}/' }, 'config.taskPage'],
    [{ endpoint, taskPage: 'javascript:{id}' }, 'config.taskPage'],
    [{ endpoint, tags: { a: 1 } }, 'config.tags.a'],
    [{ endpoint, tags: { distributor_execution: 'x' } }, 'config.tags.distributor_execution'],
    [{ endpoint, backendParameters: { VmSize: 4 } }, 'config.backendParameters.VmSize'],
    [{ endpoint, backendParametersStrict: 'yes' }, 'config.backendParametersStrict'],
    [{ endpoint, maxInFlight: 0 }, 'config.maxInFlight'],
    [{ endpoint, google: true }, 'config'],
  ])('%j is refused', (config, field) => {
    expect(() => parse(config)).toThrow(expect.objectContaining({ name: 'InvalidArgument', field }));
  });
});

describe('the parameters', () => {
  const { distributor } = createTesAdapter({ endpoint });
  const [good] = GOOD_TASK.executors;
  const executor = (part: object) => ({ executors: [{ ...good, ...part }] });
  const task = (part: object) => ({ ...GOOD_TASK, ...part });
  const validate = (distributorParameters: object, rest: Partial<QuestDesc> = {}) =>
    distributor.validate(
      questOf({ distributorParameters: distributorParameters as QuestDesc['distributorParameters'], ...rest }),
    );

  test.each<[object, string]>([
    [{}, '.executors'],
    [{ executors: [] }, '.executors'],
    [{ executors: Array.from({ length: 101 }, () => good) }, '.executors'],
    [executor({ image: '' }), '.executors[0].image'],
    [executor({ command: [] }), '.executors[0].command'],
    [executor({ command: 'ls' }), '.executors[0].command'],
    [executor({ workdir: 'data' }), '.executors[0].workdir'],
    [executor({ stdin: 'in' }), '.executors[0].stdin'],
    [executor({ stdout: './out' }), '.executors[0].stdout'],
    [executor({ stderr: '' }), '.executors[0].stderr'],
    [executor({ env: { A: 1 } }), '.executors[0].env.A'],
    [executor({ env: { 'A=B': '1' } }), '.executors[0].env.A=B'],
    [executor({ env: { QUEST_PARAMETERS: '{}' } }), '.executors[0].env.QUEST_PARAMETERS'],
    [executor({ ignore_error: 1 }), '.executors[0].ignore_error'],
    [executor({ ignoreError: true }), '.executors[0]'],
    [task({ inputs: [{ url: 's3://b/o' }] }), '.inputs[0].path'],
    [task({ inputs: [{ path: '/in' }] }), '.inputs[0]'],
    [task({ inputs: [{ path: '/in', url: 's3://b/o', content: 'x' }] }), '.inputs[0]'],
    [task({ inputs: [{ path: '/in', content: 'x', type: 'DIRECTORY' }] }), '.inputs[0]'],
    [task({ inputs: [{ path: '/in', content: 'ü'.repeat(65_537) }] }), '.inputs[0].content'],
    [task({ inputs: [{ path: '/in', url: 's3://b/o', type: 'LINK' }] }), '.inputs[0].type'],
    [task({ outputs: [{ path: '/out' }] }), '.outputs[0].url'],
    [task({ outputs: [{ path: 'out', url: 's3://b/o' }] }), '.outputs[0].path'],
    [task({ outputs: [{ path: '/out/*.bam', url: 's3://b/o' }] }), '.outputs[0].path_prefix'],
    [task({ resources: { cpu_cores: 0.5 } }), '.resources.cpu_cores'],
    [task({ resources: { ram_gb: 0 } }), '.resources.ram_gb'],
    [task({ resources: { disk_gb: '10' } }), '.resources.disk_gb'],
    [task({ resources: { zones: [''] } }), '.resources.zones[0]'],
    [task({ resources: { backend_parameters: { VmSize: 'huge' } } }), '.resources'],
    [task({ volumes: ['vol'] }), '.volumes[0]'],
    [task({ tags: { GROUP_NAME: 'admins' } }), ''],
    [task({ name: 'mine' }), ''],
  ])('%j are refused', (parameters, field) => {
    expect(() => validate(parameters)).toThrow(
      expect.objectContaining({ name: 'InvalidArgument', field: `distributorParameters${field}` }),
    );
  });

  test.each([
    ['A=B', 'must be a name of a variable'],
    ['QUEST_PARAMETERS', 'is set by the distributor'],
  ])('a variable %s is told what is wrong with it', (name, problem) => {
    expect(() => validate(executor({ env: { [name]: '1' } }))).toThrow(
      `distributorParameters.executors[0].env.${name}: ${problem}`,
    );
  });

  test('of the quest must fit into a variable', () => {
    validate(GOOD_TASK, { parameters: { x: 'x'.repeat(32_000) } });
    expect(() => validate(GOOD_TASK, { parameters: { x: 'x'.repeat(33_000) } })).toThrow(
      expect.objectContaining({ field: 'parameters', message: expect.stringContaining('QUEST_PARAMETERS') }),
    );
  });

  test('cannot choose an account', () => {
    expect(() => validate(GOOD_TASK, { meta: { asAccount: 'root' } })).toThrow(
      expect.objectContaining({ field: 'meta.asAccount' }),
    );
  });
});
