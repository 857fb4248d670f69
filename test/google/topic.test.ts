import { vi } from 'vitest';
import { createTopicAndSubscription } from '../../local/emulators/pubsub.ts';
import { createTopic } from '../../shared/google/topic.ts';
import { type DeliveredMessage, topicContract } from '../contracts/topic.ts';
import { startReceiver } from '../support/receiver.ts';
import { describeWithEmulators, freshProject } from '../support/with-emulators.ts';

describeWithEmulators('Pub/Sub', ({ pubsub: host }) => {
  topicContract('Pub/Sub emulator', async deliver => {
    vi.stubEnv('PUBSUB_EMULATOR_HOST', host);
    const projectId = freshProject();
    const receiver = await startReceiver(({ body }) => deliver(body as DeliveredMessage));
    await createTopicAndSubscription({
      host,
      projectId,
      topicId: 'notifications',
      subscriptionId: 'notify',
      deadLetterTopicId: 'dead-letters',
      pushEndpoint: receiver.url,
    });
    const topic = createTopic({ projectId, topicId: 'notifications' });
    return {
      topic,
      async close() {
        await topic.close();
        receiver.close();
        vi.unstubAllEnvs();
      },
    };
  });
});
