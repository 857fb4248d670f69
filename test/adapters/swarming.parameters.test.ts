import { describe, expect, test } from 'vitest';
import { swarmingType } from '../../shared/adapters/swarming/index.ts';
import type { QuestDesc } from '../../shared/core/quest.ts';
import { parseWith } from '../../shared/core/validation.ts';
import { questOf } from '../support/drive.ts';
import { COMMAND, CONFIG, createSwarmingAdapter } from '../support/fakes/swarming-adapter.ts';
import { fakeServices } from '../support/services.ts';

const ENDPOINT = 'https://swarming.test';
const parse = (config: object) => parseWith(swarmingType.configSchema, config, 'config');
const refusal = (field: string, description: unknown = expect.any(String)) =>
  expect.objectContaining({ name: 'InvalidArgument', field, description });

describe('the config', () => {
  const sound = { endpoint: ENDPOINT, pools: ['linux'] };

  test('has defaults', () => {
    expect(parse({ ...sound, endpoint: `${ENDPOINT}/` })).toEqual({ ...sound, priority: 200 });
  });

  test('may name all that quests may choose from', () => {
    const config = {
      ...sound,
      realms: ['some-project:pools/ci', 'some-project:@root'],
      serviceAccounts: ['none', 'bot', 'job@some-project.iam.gserviceaccount.com'],
      casInstances: ['projects/cas-project/instances/default_instance'],
      priority: 50,
      maxInFlight: 10,
      timeouts: { run: '60s' },
    };
    expect(parse(config)).toEqual(config);
  });

  test.each<[object, string]>([
    [{ pools: ['linux'] }, 'config.endpoint'],
    [{ ...sound, endpoint: 'swarming.test' }, 'config.endpoint'],
    [{ ...sound, endpoint: `${ENDPOINT}/?key=1` }, 'config.endpoint'],
    [{ endpoint: ENDPOINT }, 'config.pools'],
    [{ ...sound, pools: [] }, 'config.pools'],
    [{ ...sound, pools: ['a|b'] }, 'config.pools[0]'],
    [{ ...sound, pools: ['pool:linux'] }, 'config.pools[0]'],
    [{ ...sound, pools: [' linux'] }, 'config.pools[0]'],
    [{ ...sound, pools: ['x'.repeat(257)] }, 'config.pools[0]'],
    [{ ...sound, realms: ['pools/ci'] }, 'config.realms[0]'],
    [{ ...sound, realms: [] }, 'config.realms'],
    [{ ...sound, serviceAccounts: ['job'] }, 'config.serviceAccounts[0]'],
    [{ ...sound, casInstances: ['default_instance'] }, 'config.casInstances[0]'],
    [{ ...sound, priority: 0 }, 'config.priority'],
    [{ ...sound, priority: 256 }, 'config.priority'],
    [{ ...sound, topic: 'T' }, 'config'],
  ])('%j is refused', (config, field) => {
    expect(() => parse(config)).toThrow(refusal(field));
  });
});

const CAS = 'projects/cas-project/instances/default_instance';
const ALL = {
  ...CONFIG,
  endpoint: ENDPOINT,
  casInstances: [CAS],
  realms: ['some-project:ci'],
  serviceAccounts: ['bot'],
};

function check(part: Partial<QuestDesc>, config: object = ALL): void {
  createSwarmingAdapter(config, fakeServices()).validate(questOf(part));
}

describe('a quest', () => {
  const hash = 'ab'.repeat(32);
  const pkg = { packageName: 'infra/python/${platform}', version: 'latest' };
  const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`v${i}`, 'x']));

  test.each<[object, string]>([
    [{ command: [] }, '.command'],
    [{ command: './job' }, '.command'],
    [{ command: ['a\0b'] }, '.command[0]'],
    [{ command: Array.from({ length: 129 }, () => 'x') }, '.command'],
    [{ relativeCwd: '/abs' }, '.relativeCwd'],
    [{ relativeCwd: '../up' }, '.relativeCwd'],
    [{ relativeCwd: 'a//b' }, '.relativeCwd'],
    [{ relativeCwd: 'a/' }, '.relativeCwd'],
    [{ relativeCwd: String.raw`a\b` }, '.relativeCwd'],
    [{ relativeCwd: '' }, '.relativeCwd'],
    [{ relativeCwd: 'x'.repeat(257) }, '.relativeCwd'],
    [{ env: { '1A': 'x' } }, '.env.1A'],
    [{ env: { A: 'x'.repeat(1025) } }, '.env.A'],
    [{ env: { A: 'ü'.repeat(513) } }, '.env.A'],
    [{ env: { A: 1 } }, '.env.A'],
    [{ env: { QUEST_PARAMETERS: '{}' } }, '.env.QUEST_PARAMETERS'],
    [{ env: many(64) }, '.env'],
    [{ envPrefixes: { PATH: [] } }, '.envPrefixes.PATH'],
    [{ envPrefixes: { PATH: ['../bin'] } }, '.envPrefixes.PATH[0]'],
    [{ pool: 'windows' }, '.pool'],
    [{ dimensions: { pool: 'linux' } }, '.dimensions.pool'],
    [{ dimensions: { 'a b': 'x' } }, '.dimensions.a b'],
    [{ dimensions: { os: '' } }, '.dimensions.os'],
    [{ dimensions: { os: 'Linux|' } }, '.dimensions.os'],
    [{ dimensions: { os: [' Linux'] } }, '.dimensions.os[0]'],
    [{ dimensions: { os: [] } }, '.dimensions.os'],
    [{ realm: 'other-project:ci' }, '.realm'],
    [{ casInstance: 'projects/other/instances/i' }, '.casInstance'],
    [{ casInputRoot: { hash: 'ab', sizeBytes: 1 } }, '.casInputRoot.hash'],
    [{ casInputRoot: { hash, sizeBytes: -1 } }, '.casInputRoot.sizeBytes'],
    [{ casInputRoot: { hash } }, '.casInputRoot.sizeBytes'],
    [{ cipdPackages: [{ ...pkg, packageName: 'Infra' }] }, '.cipdPackages[0].packageName'],
    [{ cipdPackages: [{ ...pkg, version: '' }] }, '.cipdPackages[0].version'],
    [{ cipdPackages: [{ ...pkg, path: '/bin' }] }, '.cipdPackages[0].path'],
    [{ cipdPackages: Array.from({ length: 65 }, () => pkg) }, '.cipdPackages'],
    [{ cipdPackages: [pkg], idempotent: true }, '.cipdPackages[0].version'],
    [{ caches: [{ name: 'Git', path: 'git' }] }, '.caches[0].name'],
    [{ caches: [{ name: 'git' }] }, '.caches[0].path'],
    [{ outputs: ['../out'] }, '.outputs[0]'],
    [{ outputs: ['x'.repeat(513)] }, '.outputs[0]'],
    [{ ioTimeout: '29s' }, '.ioTimeout'],
    [{ ioTimeout: '601141s' }, '.ioTimeout'],
    [{ ioTimeout: 'soon' }, '.ioTimeout'],
    [{ priority: 0 }, '.priority'],
    [{ name: '' }, '.name'],
    [{ tags: ['no-colon'] }, '.tags[0]'],
    [{ tags: [':x'] }, '.tags[0]'],
    [{ tags: ['a: x'] }, '.tags[0]'],
    [{ tags: [`a:${'x'.repeat(257)}`] }, '.tags[0]'],
    [{ tags: ['distributor_execution:x'] }, '.tags[0]'],
    [{ tags: ['swarming.terminate:1'] }, '.tags[0]'],
    [{ serviceAccount: 'job@some-project.iam.gserviceaccount.com' }, ''],
    [{ secretBytes: 'aaaa' }, ''],
    [{ pubsubTopic: 'projects/p/topics/t' }, ''],
  ])('with %j is refused', (parameters, field) => {
    const distributorParameters = { ...COMMAND, ...parameters } as QuestDesc['distributorParameters'];
    expect(() => check({ distributorParameters })).toThrow(refusal(`distributorParameters${field}`));
  });

  test('may hold all that there is', () => {
    const distributorParameters = {
      ...COMMAND,
      name: 'a name with ünicode',
      relativeCwd: '.',
      env: many(63),
      envPrefixes: { PATH: ['bin', '.'] },
      pool: 'mac',
      dimensions: { os: 'Mac|Linux', cpu: ['x86', 'x86-64'] },
      cipdPackages: [
        { packageName: 'infra/${os=linux,mac}-x', version: 'git_revision:abcdef' },
        { packageName: 'infra/b', version: 'a'.repeat(40) },
        { packageName: 'infra/c', version: '-DLkm_aJSGsWlQ_4R6zcMI9j_X8f8hRJWZ0Lwbp8T7wC' },
      ],
      idempotent: true,
      tags: ['a:', 'b:c:d e'],
      ioTimeout: '601140s',
      outputs: ['.'],
    };
    check({ distributorParameters });
  });

  test('cannot choose where the config gives no choice', () => {
    const config = { ...CONFIG, endpoint: ENDPOINT };
    const none = "is not for quests: the distributor's config names none";
    const missing = "needs a CAS instance, and the distributor's config names none";
    const cases: [object, string, string][] = [
      [{ realm: 'some-project:ci' }, 'realm', none],
      [{ casInstance: CAS }, 'casInstance', none],
      [{ casInputRoot: { hash, sizeBytes: 1 } }, 'casInputRoot', missing],
      [{ outputs: ['out'] }, 'outputs', missing],
    ];
    for (const [parameters, field, description] of cases) {
      const distributorParameters = { ...COMMAND, ...parameters };
      expect(() => check({ distributorParameters }, config)).toThrow(
        refusal(`distributorParameters.${field}`, description),
      );
    }
    expect(() => check({ distributorParameters: COMMAND, meta: { asAccount: 'bot' } }, config)).toThrow(
      refusal('meta.asAccount', none),
    );
  });

  test('acts as nobody whom the config does not name', () => {
    check({ distributorParameters: COMMAND, meta: { asAccount: 'bot' } });
    expect(() => check({ distributorParameters: COMMAND, meta: { asAccount: 'root@test' } })).toThrow(
      refusal('meta.asAccount', 'must be one of bot'),
    );
  });

  test('whose parameters do not fit into a variable is refused, with both sizes', () => {
    check({ distributorParameters: COMMAND, parameters: { x: 'x'.repeat(1024 - 8) } });
    expect(() => check({ distributorParameters: COMMAND, parameters: { x: 'x'.repeat(1024 - 7) } })).toThrow(
      refusal('parameters', 'are 1025 bytes of JSON; QUEST_PARAMETERS takes 1024'),
    );
  });

  test('that is interactive must run', () => {
    const distributorParameters = { ...COMMAND, idempotent: true };
    check({ distributorParameters });
    expect(() => check({ distributorParameters, meta: { mode: 'interactive' } })).toThrow(
      refusal('distributorParameters.idempotent'),
    );
  });
});
