import { describe, expect, test } from 'vitest';
import { cloudBuildType } from '../../shared/adapters/cloud-build/index.ts';
import { executionName } from '../../shared/adapters/execution-name.ts';
import type { JsonObject } from '../../shared/core/json.ts';
import type { QuestDesc } from '../../shared/core/quest.ts';
import { parseWith } from '../../shared/core/validation.ts';
import { adapterContract } from '../contracts/adapter.ts';
import { type RemoteFixture, remoteAdapterContract } from '../contracts/remote-adapter.ts';
import { questOf } from '../support/drive.ts';
import { setUpCloudBuild } from '../support/fakes/cloud-build.ts';

const STEP = { name: 'ubuntu', args: ['true'] };

const quest = (part: JsonObject, meta: QuestDesc['meta'] = {}): Partial<QuestDesc> => ({
  distributorParameters: { steps: [STEP], ...part },
  meta,
});
const bad = (part: JsonObject, field: string) => ({ quest: quest(part), field: `distributorParameters${field}` });
const badStep = (step: JsonObject, field: string) => bad({ steps: [STEP, { ...STEP, ...step }] }, `.steps[1]${field}`);
const badSource = (source: JsonObject, field: string) => bad({ source }, `.source${field}`);

const REPOSITORY = 'locations/us-central1/connections/c/repositories/r';

const BAD_QUESTS: RemoteFixture['badQuests'] = [
  { quest: {}, field: 'distributorParameters.steps' },
  bad({ steps: [] }, '.steps'),
  bad({ steps: Array.from({ length: 301 }, () => STEP) }, '.steps'),
  bad({ timeout: '60s' }, ''),
  bad({ serviceAccount: 'root@my-project.iam.gserviceaccount.com' }, ''),
  bad({ options: { pool: {} } }, ''),
  bad({ tags: ['mine'] }, ''),
  badStep({ name: '' }, '.name'),
  badStep({ image: 'ubuntu' }, ''),
  badStep({ args: 'true' }, '.args'),
  badStep({ args: Array.from({ length: 101 }, () => 'x') }, '.args'),
  badStep({ args: ['x'.repeat(10_001)] }, '.args[0]'),
  badStep({ env: { KEY: 'value' } }, '.env'),
  badStep({ env: ['KEY'] }, '.env[0]'),
  badStep({ script: 'true' }, '.script'),
  badStep({ timeout: '0s' }, '.timeout'),
  badStep({ timeout: 'soon' }, '.timeout'),
  badStep({ timeout: '86401s' }, '.timeout'),
  badStep({ allowExitCodes: [256] }, '.allowExitCodes[0]'),
  badStep({ waitFor: ['nobody'] }, '.waitFor[0]'),
  badStep({ id: 'me', waitFor: ['-', 'me'] }, '.waitFor[1]'),
  bad(
    {
      steps: [
        { ...STEP, id: 'a' },
        { ...STEP, id: 'a' },
      ],
    },
    '.steps[1].id',
  ),
  badSource({}, ''),
  badSource({ gitSource: { url: 'https://h.test/r' }, storageSource: { bucket: 'bucket', object: 'o' } }, ''),
  badSource({ repoSource: { repoName: 'r' } }, ''),
  badSource({ storageSource: { bucket: 'gs://bucket', object: 'o' } }, '.storageSource.bucket'),
  badSource({ storageSource: { bucket: 'bucket', object: 'o', generation: 7 } }, '.storageSource.generation'),
  badSource({ gitSource: { url: 'git@h.test:r' } }, '.gitSource.url'),
  badSource({ gitSource: { url: 'https://user:pass@h.test/r' } }, '.gitSource.url'),
  badSource({ connectedRepository: { repository: 'r', revision: 'main' } }, '.connectedRepository.repository'),
  badSource(
    { connectedRepository: { repository: `projects/my-project/${REPOSITORY}` } },
    '.connectedRepository.revision',
  ),
  badSource(
    { connectedRepository: { repository: `projects/another/${REPOSITORY}`, revision: 'main' } },
    '.connectedRepository.repository',
  ),
  bad({ substitutions: { KEY: 'x' } }, '.substitutions.KEY'),
  bad({ substitutions: { _KEY: 'x'.repeat(4001) } }, '.substitutions._KEY'),
  bad({ substitutions: Object.fromEntries(Array.from({ length: 201 }, (_, i) => [`_K${i}`, ''])) }, '.substitutions'),
  bad({ images: [''] }, '.images[0]'),
  bad({ artifacts: { objects: { location: 'my-bucket', paths: ['x'] } } }, '.artifacts.objects.location'),
  bad({ artifacts: { objects: { location: 'gs://b/', paths: [] } } }, '.artifacts.objects.paths'),
  bad({ machineType: 'E2_HIGHCPU_32' }, '.machineType'),
  { quest: quest({}, { asAccount: 'root@my-project.iam.gserviceaccount.com' }), field: 'meta.asAccount' },
  {
    quest: quest({ steps: [{ ...STEP, timeout: '61s' }] }, { timeouts: { run: '60s' } }),
    field: 'distributorParameters.steps[0].timeout',
  },
  { quest: { ...quest({}), parameters: { text: 'x'.repeat(65_536) } }, field: 'parameters' },
  // Each is written with six characters.
  { quest: { ...quest({}), parameters: { text: '$'.repeat(11_000) } }, field: 'parameters' },
];

async function createFixture(): Promise<RemoteFixture> {
  const { service, services, distributor } = await setUpCloudBuild();
  return {
    service,
    services,
    distributor,
    calls: { start: /^POST .*\/builds$/, status: /^GET .*\/builds\//, cancel: /^POST .*:cancel$/ },
    goodQuest: quest({}),
    badQuests: BAD_QUESTS,
    jobs: () => service.builds.length,
    async finishJob(id) {
      const build = service.builds.find(({ tags }) => tags.includes(executionName(id)));
      Object.assign(build!, { status: 'SUCCESS' });
    },
  };
}

adapterContract('cloud-build', createFixture);
remoteAdapterContract('cloud-build', createFixture);

const MINIMAL = { project: 'my-project', location: 'us-central1' };
const parse = (config: object) => parseWith(cloudBuildType.configSchema, config, 'config');

describe('the config', () => {
  test('has a default endpoint', () => {
    expect(parse(MINIMAL)).toEqual({ ...MINIMAL, endpoint: 'https://cloudbuild.googleapis.com' });
  });

  test.each([{ project: 'example.com:my-project' }, { location: 'global' }, { topic: 'projects/p-1/topics/builds' }])(
    'may have %j',
    part => {
      expect(parse({ ...MINIMAL, ...part })).toMatchObject(part);
    },
  );

  test.each<[object, string]>([
    [{ location: 'us-central1' }, 'config.project'],
    [{ project: 'my-project' }, 'config.location'],
    [{ ...MINIMAL, project: 'my/project' }, 'config.project'],
    [{ ...MINIMAL, location: '../x' }, 'config.location'],
    [{ ...MINIMAL, endpoint: 'ftp://h.test' }, 'config.endpoint'],
    [{ ...MINIMAL, serviceAccounts: [] }, 'config.serviceAccounts'],
    [{ ...MINIMAL, serviceAccounts: ['builder'] }, 'config.serviceAccounts[0]'],
    [{ ...MINIMAL, serviceAccounts: ['1@cloudbuild.gserviceaccount.com'] }, 'config.serviceAccounts[0]'],
    [{ ...MINIMAL, workerPool: 'my-pool' }, 'config.workerPool'],
    [{ ...MINIMAL, workerPool: 'projects/p/locations/europe-west1/workerPools/w' }, 'config.workerPool'],
    [{ ...MINIMAL, machineTypes: ['e2-highcpu-8'] }, 'config.machineTypes[0]'],
    [{ ...MINIMAL, diskSizeGb: 4001 }, 'config.diskSizeGb'],
    [{ ...MINIMAL, logsBucket: 'my-bucket' }, 'config.logsBucket'],
    [{ ...MINIMAL, topic: 'projects/p/t' }, 'config.topic'],
    [{ ...MINIMAL, token: 'x' }, 'config'],
  ])('%j is refused', (config, field) => {
    expect(() => parse(config)).toThrow(expect.objectContaining({ name: 'InvalidArgument', field }));
  });
});

test('a substitution of a bad name is told which names are good', async () => {
  const { distributor } = await setUpCloudBuild();
  expect(() => distributor.validate(questOf(quest({ substitutions: { KEY: 'x' } })))).toThrow(
    'distributorParameters.substitutions.KEY: must begin with "_" and hold only A-Z, 0-9 and "_"',
  );
});
