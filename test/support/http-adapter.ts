import type { Services } from '../../shared/adapters/contract.ts';
import { httpType } from '../../shared/adapters/http/index.ts';
import { createHttpClient } from '../../shared/adapters/http-client.ts';
import type { QuestDesc } from '../../shared/core/quest.ts';
import { parseWith } from '../../shared/core/validation.ts';
import { createDriver, describeTask, questOf } from './drive.ts';
import { type Answer, type ReceivedRequest, serve } from './http-server.ts';
import { fakeServices, manualClock, recordingLog } from './services.ts';

export const localHttp = createHttpClient({ local: true });

export function createHttpAdapter(config: object, services: Services) {
  return httpType.create(parseWith(httpType.configSchema, config, 'config'), services);
}

export interface HttpAdapterOptions {
  config?: object;
  /** Beside the url. */
  parameters?: QuestDesc['distributorParameters'];
  quest?: Partial<QuestDesc>;
  services?: Partial<Services>;
}

/** A distributor and one execution of a quest whose call reaches `answer`. */
export async function setUpHttpAdapter(
  answer: (request: ReceivedRequest) => Answer | Promise<Answer>,
  options: HttpAdapterOptions = {},
) {
  const server = await serve(answer);
  const clock = manualClock();
  const log = recordingLog();
  const services = fakeServices({ http: localHttp, clock, log, ...options.services });
  const distributor = createHttpAdapter({ allowedHosts: [server.host], ...options.config }, services);
  const parameters = Object.fromEntries(
    Object.entries({ url: '/job', ...options.parameters }).map(([key, value]) => [
      key,
      key.toLowerCase().endsWith('url') ? `${server.url}${value}` : value,
    ]),
  );
  const task = describeTask(questOf({ ...options.quest, distributorParameters: parameters }));
  const { quest, executionId } = task;
  const handle = { executionId, token: executionId };
  const driver = createDriver(distributor, services);
  return { server, clock, log, services, distributor, driver, task, quest, executionId, handle };
}

export function abnormalFinish(status: string, reason: string) {
  return { state: 'finished', result: { abnormalFinish: { status, reason } } };
}
