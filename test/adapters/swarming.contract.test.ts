import { adapterContract } from '../contracts/adapter.ts';
import { type RemoteFixture, remoteAdapterContract } from '../contracts/remote-adapter.ts';
import type { QuestDesc } from '../../shared/core/quest.ts';
import { COMMAND, setUpSwarming } from '../support/fakes/swarming-adapter.ts';

const bad = (distributorParameters: QuestDesc['distributorParameters'], field: string) => ({
  quest: { distributorParameters },
  field: `distributorParameters${field}`,
});

async function createFixture(): Promise<RemoteFixture> {
  const { distributor, services, service, finishJob } = await setUpSwarming();
  return {
    distributor,
    services,
    service,
    goodQuest: { distributorParameters: COMMAND },
    badQuests: [bad({}, '.command'), bad({ ...COMMAND, pool: 'windows' }, '.pool'), bad({ ...COMMAND, extra: {} }, '')],
    jobs: () => service.tasks.length,
    finishJob,
    calls: { start: /NewTask$/, status: /GetResult$/, cancel: /CancelTask$/ },
  };
}

adapterContract('swarming', createFixture);
remoteAdapterContract('swarming', createFixture);
