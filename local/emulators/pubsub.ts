import { PubSub } from '@google-cloud/pubsub';

export interface Notifications {
  /** `host:port` of the emulator. */
  host: string;
  projectId: string;
  topicId: string;
  subscriptionId: string;
  deadLetterTopicId: string;
  pushEndpoint: string;
}

const ACK_DEADLINE_S = 60;
const MAX_DELIVERY_ATTEMPTS = 100;

/** What `deploy.sh` makes with gcloud: the topic, its dead letters, and the subscription that pushes to `notify`. */
export async function createTopicAndSubscription(options: Notifications): Promise<void> {
  const { host, projectId, topicId, subscriptionId, deadLetterTopicId, pushEndpoint } = options;
  const pubsub = new PubSub({ projectId, apiEndpoint: host, emulatorMode: true, universeDomain: 'googleapis.com' });
  try {
    const [[topic], [deadLetters]] = await Promise.all([
      pubsub.createTopic(topicId),
      pubsub.createTopic(deadLetterTopicId),
    ]);
    await topic.createSubscription(subscriptionId, {
      pushConfig: { pushEndpoint },
      ackDeadlineSeconds: ACK_DEADLINE_S,
      // No retry policy: with one, the emulator (0.8.20) loses for good some of the messages whose endpoint
      // was gone for a moment; without one it repeats all of them about once a second.
      deadLetterPolicy: { deadLetterTopic: deadLetters.name, maxDeliveryAttempts: MAX_DELIVERY_ATTEMPTS },
    });
  } finally {
    await pubsub.close();
  }
}
