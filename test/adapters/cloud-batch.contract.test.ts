import type { QuestDesc } from '../../shared/core/quest.ts';
import { executionName } from '../../shared/adapters/execution-name.ts';
import { adapterContract } from '../contracts/adapter.ts';
import { remoteAdapterContract, type RemoteFixture } from '../contracts/remote-adapter.ts';
import { createBatch, IMAGE } from '../support/fakes/cloud-batch-adapter.ts';

const bad = (distributorParameters: QuestDesc['distributorParameters'], field: string) => ({
  quest: { distributorParameters },
  field: `distributorParameters${field}`,
});
const LONG = 'x'.repeat(128 * 1024);

async function createFixture(): Promise<RemoteFixture> {
  const { service, services, distributor, nameOf } = await createBatch();
  return {
    service,
    services,
    distributor,
    calls: {
      start: /^POST \S+\/jobs\?/,
      status: /^GET \S+\/jobs\/[^/]+$/,
      cancel: /^POST \S+:cancel$/,
    },
    goodQuest: { parameters: { n: 1 }, distributorParameters: { image: IMAGE, commands: ['--fast'] } },
    badQuests: [
      bad({}, '.image'),
      bad({ image: '' }, '.image'),
      bad({ image: 'a b' }, '.image'),
      bad({ image: IMAGE, script: 'true' }, '.script'),
      bad({ script: '' }, '.script'),
      bad({ script: 'a\0b' }, '.script'),
      bad({ script: LONG }, '.script'),
      bad({ script: 'true', commands: ['x'] }, '.commands'),
      bad({ script: 'true', entrypoint: '/bin/sh' }, '.entrypoint'),
      bad({ image: IMAGE, commands: ['a', LONG] }, '.commands[1]'),
      bad({ image: IMAGE, env: { 'a b': 'x' } }, '.env.a b'),
      bad({ image: IMAGE, env: { A: 1 } }, '.env.A'),
      bad({ image: IMAGE, env: { A: LONG.slice(2) } }, '.env.A'),
      bad({ image: IMAGE, env: { QUEST_PARAMETERS: '{}' } }, '.env.QUEST_PARAMETERS'),
      bad({ image: IMAGE, env: { DISTRIBUTOR_EXECUTION: 'x' } }, '.env.DISTRIBUTOR_EXECUTION'),
      bad({ image: IMAGE, env: { BATCH_TASK_INDEX: '0' } }, '.env.BATCH_TASK_INDEX'),
      bad({ image: IMAGE, secretEnv: { KEY: 'hunter2' } }, '.secretEnv.KEY'),
      bad({ image: IMAGE, env: { KEY: 'x' }, secretEnv: { KEY: 'projects/p/secrets/s/versions/1' } }, '.secretEnv.KEY'),
      bad({ image: IMAGE, cpuMilli: 0 }, '.cpuMilli'),
      bad({ image: IMAGE, memoryMib: 0.5 }, '.memoryMib'),
      bad({ image: IMAGE, machineType: 'E2 standard' }, '.machineType'),
      bad({ image: IMAGE, provisioningModel: 'CHEAP' }, '.provisioningModel'),
      bad({ image: IMAGE, bootDisk: { size: 1 } }, '.bootDisk'),
      bad({ image: IMAGE, taskCount: 100_001 }, '.taskCount'),
      bad({ image: IMAGE, parallelism: 5001 }, '.parallelism'),
      bad({ image: IMAGE, subnetwork: 'regions/us-central1/subnetworks/any' }, '.subnetwork'),
      bad({ image: IMAGE, serviceAccount: 'root@acme-jobs.iam.gserviceaccount.com' }, ''),
      bad({ image: IMAGE, project: 'another' }, ''),
      bad({ image: IMAGE, taskGroups: [] }, ''),
      {
        quest: { distributorParameters: { image: IMAGE }, meta: { asAccount: 'root@acme.test' } },
        field: 'meta.asAccount',
      },
      { quest: { distributorParameters: { image: IMAGE }, parameters: { a: LONG } }, field: 'parameters' },
    ],
    jobs: () => service.jobs.size,
    finishJob: async id =>
      void (service.jobs.get(nameOf(executionName(id)))!.status = { state: 'SUCCEEDED', runDuration: '61.5s' }),
  };
}

adapterContract('cloud-batch', createFixture);
remoteAdapterContract('cloud-batch', createFixture);
