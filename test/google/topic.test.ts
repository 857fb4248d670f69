import { createServer } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createTopicAndSubscription } from '../../local/emulators/pubsub.ts';
import { TransientError } from '../../shared/core/errors.ts';
import { createTopic } from '../../shared/google/topic.ts';
import { type DeliveredMessage, topicContract } from '../contracts/topic.ts';
import { grpcProxy } from '../support/grpc-proxy.ts';
import { listen, serveDeliveries } from '../support/http-server.ts';
import { describeWithEmulators, freshProject } from '../support/with-emulators.ts';

const NAMES = { topicId: 'notifications', subscriptionId: 'notify', deadLetterTopicId: 'dead-letters' };
const MESSAGE = { data: '{}', attributes: { execution_id: 'q|1|1' } };

describeWithEmulators('Pub/Sub', ({ pubsub: host }) => {
  topicContract('Pub/Sub emulator', async deliver => {
    vi.stubEnv('PUBSUB_EMULATOR_HOST', host);
    const projectId = freshProject();
    const receiver = await serveDeliveries(({ body }) => deliver(JSON.parse(body) as DeliveredMessage));
    await createTopicAndSubscription({
      host,
      projectId,
      ...NAMES,
      pushEndpoint: receiver.url,
    });
    const topic = createTopic({ projectId, topicId: NAMES.topicId });
    return {
      topic,
      async close() {
        await topic.close();
        vi.unstubAllEnvs();
      },
    };
  });

  /** A topic whose emulator is reached through a proxy, with a subscription that nobody answers for. */
  async function behindProxy(timeoutMs: number) {
    const projectId = freshProject();
    await createTopicAndSubscription({ ...NAMES, host, projectId, pushEndpoint: 'http://127.0.0.1:1' });
    const proxy = await grpcProxy(host);
    return { projectId, proxy, topic: topicAt(proxy.host, { projectId, topicId: NAMES.topicId, timeoutMs }) };
  }

  test('a topic that is down is a TransientError, and the same one goes on when it is back', async () => {
    const { proxy, topic } = await behindProxy(1000);
    await topic.publish(MESSAGE);
    await proxy.stop();
    await expect(topic.publish(MESSAGE)).rejects.toThrow(TransientError);
    await proxy.start();
    await expect
      .poll(() => topic.publish(MESSAGE).then(() => 'published', String), { timeout: 20_000 })
      .toBe('published');
  });

  test('a message is published though a connection breaks under it', async () => {
    const { proxy, topic } = await behindProxy(10_000);
    proxy.onAnswer(async () => (proxy.calls.length === 1 ? 'cut' : 'pass'));
    await topic.publish(MESSAGE);
    expect(proxy.calls).toEqual(['Publish', 'Publish']);
  });

  test('a topic that was never made is an error that names it', async () => {
    const { projectId, proxy } = await behindProxy(10_000);
    const topic = topicAt(proxy.host, { projectId, topicId: 'nowhere' });
    const failure: unknown = await topic.publish(MESSAGE).catch((error: unknown) => error);
    expect(failure).toMatchObject({ message: expect.stringContaining('topics/nowhere') });
    expect(failure).not.toBeInstanceOf(TransientError);
  });

  test('one that says nothing is a TransientError once the time is up', async () => {
    const silent = await listen(createServer(socket => onTestFinished(() => void socket.destroy())));
    const topic = topicAt(silent, { projectId: 'p', topicId: 'silent', timeoutMs: 300 });
    await expect(topic.publish(MESSAGE)).rejects.toThrow(TransientError);
  });
});

/** It ends with the test. */
function topicAt(emulatorHost: string, options: Parameters<typeof createTopic>[0]) {
  vi.stubEnv('PUBSUB_EMULATOR_HOST', emulatorHost);
  const topic = createTopic(options);
  onTestFinished(async () => {
    await topic.close();
    vi.unstubAllEnvs();
  });
  return topic;
}
