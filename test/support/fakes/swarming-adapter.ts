import type { Services } from '../../../shared/adapters/contract.ts';
import { swarmingType } from '../../../shared/adapters/swarming/index.ts';
import type { ExecutionId } from '../../../shared/core/ids.ts';
import type { QuestDesc } from '../../../shared/core/quest.ts';
import { parseWith } from '../../../shared/core/validation.ts';
import { type DescribeOptions, describeTask, questOf } from '../drive.ts';
import { impatientHttp } from '../fake-service.ts';
import { fakeServices, manualClock } from '../services.ts';
import { serveSwarming } from './swarming.ts';

export const CONFIG = { pools: ['linux', 'mac'] };
export const COMMAND = { command: ['./job', '--fast'] };

export interface SwarmingOptions {
  config?: object;
  /** Beside the command. */
  parameters?: QuestDesc['distributorParameters'];
  quest?: Partial<QuestDesc>;
  /** `projects/test/…`, by default, is no topic that Swarming publishes to. */
  topic?: string;
  services?: Partial<Services>;
}

export function createSwarmingAdapter(config: object, services: Services) {
  return swarmingType.create(parseWith(swarmingType.configSchema, config, 'config'), services);
}

/** A distributor whose server is a fake, and a quest for it. */
export async function setUpSwarming({ config, parameters, quest: part, topic, services: given }: SwarmingOptions = {}) {
  const clock = manualClock();
  const service = await serveSwarming(() => clock.now());
  const services = fakeServices({ http: impatientHttp, clock, accessToken: async () => 'ya29.secret', ...given });
  const distributor = createSwarmingAdapter({ ...CONFIG, endpoint: service.url, ...config }, services);
  const quest = questOf({ ...part, distributorParameters: { ...COMMAND, ...parameters } });

  const describe = (options: DescribeOptions = {}) => {
    const task = describeTask(quest, options);
    const prepared = task.prepareTopic();
    return { ...task, prepareTopic: () => ({ ...prepared, topic: topic ?? prepared.topic }) };
  };

  /** Starts an execution; the job is the server's. */
  async function start(options: DescribeOptions = {}) {
    const task = describe(options);
    const { token, status } = await distributor.run(task);
    return { task, handle: { executionId: task.executionId, token }, status, job: service.taskOf(task.executionId) };
  }

  const finishJob = async (id: ExecutionId) => service.complete(service.taskOf(id));
  return { clock, service, services, distributor, quest, describe, start, finishJob };
}

export const TOPIC = 'projects/some-project/topics/notifications';
