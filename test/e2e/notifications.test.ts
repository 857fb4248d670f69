import { PubSub } from '@google-cloud/pubsub';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { JsonObject } from '../../shared/core/json.ts';
import type { TaskResult } from '../../shared/core/result.ts';
import { executionName } from '../../shared/adapters/execution-name.ts';
import { type ExecutionId } from '../../shared/core/ids.ts';
import { E2E_DISTRIBUTORS, type E2eStack, showLogsOnFailure, startE2eStack, untilOver } from '../support/e2e.ts';
import type { ReceivedRequest } from '../support/http-server.ts';
import { startJobService } from '../support/job-service.ts';
import { web } from '../support/stack.ts';
import { describeWithEmulators } from '../support/with-emulators.ts';

const TYPES = join(import.meta.dirname, '../support/publishing-types.ts');
const THEIR_TOPIC = 'projects/their-project/topics/jobs';
/** Of these, nobody is polled while the tests run. */
const DISTRIBUTORS = `${E2E_DISTRIBUTORS}
publishing: {type: publishing, config: {allowedHosts: [127.0.0.1], topic: jobs, pollInterval: 3600s}}
theirs: {type: publishing, config: {allowedHosts: [127.0.0.1], topic: ${THEIR_TOPIC}, pollInterval: 3600s}}
twin: {type: publishing, config: {allowedHosts: [127.0.0.1], topic: jobs, pollInterval: 3600s}}
`;

const PATIENT = { timeout: 30_000, interval: 50 };

interface Message {
  data: string;
  attributes: Record<string, string>;
}

/** What the service of this call could publish itself, twice each. */
function messagesOf({ headers }: ReceivedRequest, statuses: readonly object[]): Message[] {
  const attributes = {
    execution_id: headers['x-execution-id']!,
    auth_token: headers['x-auth-token']!,
  };
  const messages = statuses.map(status => ({ data: JSON.stringify(status), attributes }));
  return [...messages, ...messages];
}

function shuffled<Item>(items: readonly Item[]): Item[] {
  return items
    .map(item => ({ item, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

const running = { state: 'running' };
const finished = (data: JsonObject) => ({ state: 'finished', result: { data } });

interface ExecutionWithLate {
  state: string;
  result: TaskResult;
  lateOutcome?: TaskResult;
}

describeWithEmulators('notifications through the real topic', () => {
  let stack: E2eStack;
  let pubsub: PubSub;
  beforeAll(async () => {
    stack = await startE2eStack({ distributors: DISTRIBUTORS, types: TYPES });
    pubsub = new PubSub({
      projectId: stack.projectId,
      apiEndpoint: stack.pubsubHost,
      emulatorMode: true,
      // Given, so that no metadata server is looked for.
      universeDomain: 'googleapis.com',
    });
  }, 180_000);
  afterAll(async () => {
    await pubsub?.close();
    await stack?.close();
  }, 30_000);

  async function publish(messages: readonly Message[], to = stack.topic): Promise<void> {
    const topic = pubsub.topic(to);
    await Promise.all(
      messages.map(({ data, attributes }) => topic.publishMessage({ data: Buffer.from(data), attributes })),
    );
  }

  /** Jobs that the service has accepted and will never tell anything about by itself. */
  async function startJobs(count: number, name: string, { meta = {}, asked = false, by = {} } = {}) {
    const service = await startJobService();
    const more = asked ? { statusUrl: service.statusUrl } : {};
    const quests = await stack.api.submitAll(
      Array.from({ length: count }, (_, n) => ({ ...web(`${service.url}/endless`, { [name]: n }, more), meta, ...by })),
    );
    await vi.waitFor(() => expect(service.jobs.size).toBe(count), PATIENT);
    return { service, quests, callOf: (quest: string) => service.jobsOf(quest)[0]!.calls[0]! };
  }

  const executionOf = async (quest: string) =>
    (await stack.api.get(quest)).executions[0] as unknown as ExecutionWithLate;

  test('that come twice and in any order end each execution once, with what came first', async () => {
    showLogsOnFailure(() => stack);
    const { quests, callOf } = await startJobs(20, 'shuffled');
    const ends = [1, 2, 3].map(n => finished({ end: n }));
    await publish(shuffled(quests.flatMap(quest => messagesOf(callOf(quest), [running, ...ends]))));
    const attempts = await untilOver(stack, quests, 60_000);
    for (const { state, result, executions } of attempts) {
      expect(state).toBe('FINISHED');
      expect(ends.map(end => end.result)).toContainEqual(result);
      expect(executions).toHaveLength(1);
    }
    await publish(shuffled(quests.flatMap(quest => messagesOf(callOf(quest), [running, finished({ end: 4 })]))));
    await sleep(2000);
    expect(await Promise.all(quests.map(quest => stack.api.get(quest)))).toEqual(attempts);
  }, 120_000);

  test('that come after the end change nothing; the first outcome among them is kept beside it', async () => {
    showLogsOnFailure(() => stack);
    const { quests, callOf } = await startJobs(6, 'late', { meta: { timeouts: { run: '2s' } }, asked: true });
    await Promise.all(quests.slice(0, 3).map(quest => stack.cancel(quest)));
    await untilOver(stack, quests, 60_000);
    await publish(shuffled(quests.flatMap(quest => messagesOf(callOf(quest), [running, finished({ late: 1 })]))));
    for (const [i, quest] of quests.entries()) {
      await vi.waitFor(async () => {
        const { state, result, lateOutcome } = await executionOf(quest);
        expect(state).toBe('ABNORMAL_FINISHED');
        expect(result).toMatchObject({ abnormalFinish: { status: i < 3 ? 'CANCELLED' : 'TIMED_OUT' } });
        expect(lateOutcome).toEqual({ data: { late: 1 } });
      }, PATIENT);
    }
    const before = await Promise.all(quests.map(executionOf));
    await publish(quests.flatMap(quest => messagesOf(callOf(quest), [finished({ late: 2 })])));
    await sleep(2000);
    expect(await Promise.all(quests.map(executionOf))).toEqual(before);
  }, 120_000);

  test('that are forged, malformed or about nobody are acknowledged and change nothing', async () => {
    showLogsOnFailure(() => stack);
    const { quests, callOf } = await startJobs(2, 'forged');
    const [victim, other] = quests.map(callOf);
    const token = victim!.headers['x-auth-token']!;
    const execution = victim!.headers['x-execution-id']!;
    const data = JSON.stringify(finished({ forged: true }));
    await publish([
      { data, attributes: {} },
      { data, attributes: { execution_id: execution } },
      { data, attributes: { execution_id: execution, auth_token: `${token.slice(0, -4)}AAAA` } },
      { data, attributes: { execution_id: execution, auth_token: other!.headers['x-auth-token']! } },
      { data, attributes: { execution_id: 'nobody', auth_token: token } },
      { data: 'no JSON', attributes: { execution_id: execution, auth_token: token } },
      { data: '', attributes: { execution_id: execution, auth_token: token } },
    ]);
    await publish(messagesOf(victim!, [finished({ forged: false })]));
    const [attempt] = await untilOver(stack, quests.slice(0, 1), 60_000);
    expect(attempt!.result).toEqual({ data: { forged: false } });
    await sleep(3000);
    // What is not acknowledged would come again and again.
    const calls = stack
      .logOf('notify')
      .split('\n')
      .filter(line => line.includes('a call must be repeated'));
    expect(calls).toEqual([]);
    expect((await stack.api.get(quests[1]!)).result).toBeUndefined();
  }, 120_000);

  test.each([
    ['publishing', 'jobs'],
    ['theirs', THEIR_TOPIC],
  ])(
    'without a token, on the topic that an executor publishes to by itself (%s), have it asked',
    async (by, topic) => {
      showLogsOnFailure(() => stack);
      const options = { asked: true, by: { distributorConfigName: by } };
      const { service, quests, callOf } = await startJobs(3, `hinted by ${by}`, options);
      for (const job of service.jobs.values()) job.result = { done: job.key };
      const idOf = (quest: string) => callOf(quest).headers['x-execution-id'] as ExecutionId;
      const data = JSON.stringify(finished({ forged: true }));
      const messages = quests.slice(1).map(quest => ({ data, attributes: { job: executionName(idOf(quest)) } }));
      const others = [
        { data, attributes: {} },
        { data: '', attributes: { job: 'of-somebody-else' } },
      ];
      await sleep(1000);
      await vi.waitFor(
        async () => {
          // Again, for the case that the first ones came before the answer of the service was recorded.
          await publish(shuffled([...messages, ...others]), topic);
          for (const quest of quests.slice(1))
            expect((await stack.api.get(quest)).result).toEqual({ data: { done: idOf(quest) } });
        },
        { timeout: 90_000, interval: 2000 },
      );
      // Of which nothing was published.
      expect((await stack.api.get(quests[0]!)).result).toBeUndefined();
      expect(stack.logOf('notify')).not.toContain('was dropped","reason":"another distributor');
    },
    120_000,
  );
});
