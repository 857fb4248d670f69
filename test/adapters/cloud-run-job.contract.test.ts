import { cloudRunJobType } from '../../shared/adapters/cloud-run-job/index.ts';
import { executionOfEntry } from '../../shared/adapters/cloud-run-job/names.ts';
import type { JsonObject } from '../../shared/core/json.ts';
import { parseWith } from '../../shared/core/validation.ts';
import { adapterContract } from '../contracts/adapter.ts';
import { type RemoteFixture, remoteAdapterContract } from '../contracts/remote-adapter.ts';
import { impatientHttp } from '../support/fake-service.ts';
import { LOCATION, PROJECT, serveCloudRun } from '../support/fakes/cloud-run-job.ts';
import { fakeServices } from '../support/services.ts';

const badParameters = (distributorParameters: JsonObject, field: string) => ({
  quest: { distributorParameters },
  field: `distributorParameters${field}`,
});
const MEBIBYTE = 'x'.repeat(1024 * 1024);

async function createFixture(): Promise<RemoteFixture> {
  const service = await serveCloudRun();
  const services = fakeServices({ http: impatientHttp, accessToken: async () => 'ya29.secret' });
  const config = { endpoint: service.url, project: PROJECT, location: LOCATION, jobs: ['render'] };
  return {
    distributor: cloudRunJobType.create(parseWith(cloudRunJobType.configSchema, config, 'config'), services),
    services,
    service,
    calls: {
      start: /^POST .*:run$/,
      status: /^GET .*\/executions\/[\w-]+$/,
      cancel: /^POST .*:cancel$/,
    },
    goodQuest: { parameters: { frame: 17 }, distributorParameters: { job: 'render' } },
    badQuests: [
      badParameters({}, '.job'),
      badParameters({ job: 'other' }, '.job'),
      badParameters({ job: `projects/p/locations/l/jobs/render` }, '.job'),
      badParameters({ job: 'render', container: 'Main' }, '.container'),
      badParameters({ job: 'render', args: 'a b' }, '.args'),
      badParameters({ job: 'render', args: [1] }, '.args[0]'),
      badParameters({ job: 'render', args: ['\0'] }, '.args[0]'),
      badParameters({ job: 'render', args: [MEBIBYTE.slice(0, 40_000)] }, ''),
      badParameters({ job: 'render', env: [] }, '.env'),
      badParameters({ job: 'render', env: { A: 1 } }, '.env.A'),
      badParameters({ job: 'render', env: { A: MEBIBYTE.slice(0, 40_000) } }, ''),
      badParameters({ job: 'render', env: { 'A=B': '1' } }, '.env.A=B'),
      badParameters({ job: 'render', env: { '1A': '1' } }, '.env.1A'),
      badParameters({ job: 'render', env: { DISTRIBUTOR_EXECUTION: 'x' } }, '.env.DISTRIBUTOR_EXECUTION'),
      badParameters({ job: 'render', env: { QUEST_PARAMETERS: 'x' } }, '.env.QUEST_PARAMETERS'),
      badParameters({ job: 'render', env: { CLOUD_RUN_TASK_INDEX: '0' } }, '.env.CLOUD_RUN_TASK_INDEX'),
      badParameters({ job: 'render', taskCount: 0 }, '.taskCount'),
      badParameters({ job: 'render', taskCount: 10_001 }, '.taskCount'),
      badParameters({ job: 'render', taskCount: 1.5 }, '.taskCount'),
      badParameters({ job: 'render', serviceAccount: 'root@proj' }, ''),
      badParameters({ job: 'render', project: 'another' }, ''),
      badParameters({ job: 'render', overrides: {} }, ''),
      {
        quest: { distributorParameters: { job: 'render' }, parameters: { text: MEBIBYTE.slice(0, 33_000) } },
        field: 'parameters',
      },
      {
        quest: { distributorParameters: { job: 'render' }, meta: { asAccount: 'root@proj' } },
        field: 'meta.asAccount',
      },
    ],
    jobs: () => service.executions.length,
    async finishJob(id) {
      const found = service.executions.find(
        execution => executionOfEntry({ data: JSON.stringify(execution), attributes: {} }) === id,
      );
      service.succeed(found!.name);
    },
  };
}

adapterContract('cloud-run-job', createFixture);
remoteAdapterContract('cloud-run-job', createFixture);
