import { adapterContract } from '../contracts/adapter.ts';
import { type RemoteFixture, remoteAdapterContract } from '../contracts/remote-adapter.ts';
import { createTesAdapter, GOOD_TASK, type Quirks, serveTes } from '../support/fakes/tes.ts';

async function createFixture(quirks: Quirks): Promise<RemoteFixture> {
  const service = await serveTes(quirks);
  return {
    ...createTesAdapter(service),
    service,
    goodQuest: { distributorParameters: GOOD_TASK },
    badQuests: [{ quest: { distributorParameters: {} }, field: 'distributorParameters.executors' }],
    jobs: () => service.tasks.length,
    finishJob: async id => {
      const task = service.taskOf(id);
      task.state = 'COMPLETE';
      task.logs = [{ logs: [{ exit_code: 0 }], outputs: [] }];
    },
    calls: { start: /^POST .*\/tasks$/, status: /^GET .*\/tasks\/[^/?]+/, cancel: /^POST .*:cancel$/ },
  };
}

const ALL_FILTERS = ['name_prefix', 'state', 'tag_key', 'tag_value'];

const SERVERS: Record<string, Quirks> = {
  tes: {},
  'tes (a server that ignores every filter and refuses to cancel what has ended)': {
    unknown: ALL_FILTERS,
    cancelEnded: 400,
  },
  'tes (a strict server of TES 1.0 that answers 500 to the cancel of what has ended)': {
    unknown: ['state', 'tag_key', 'tag_value'],
    strict: true,
    cancelEnded: 500,
    omitsZeros: true,
  },
};

for (const [name, quirks] of Object.entries(SERVERS)) {
  adapterContract(name, () => createFixture(quirks));
  remoteAdapterContract(name, () => createFixture(quirks));
}
