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
const RETRY = { minimumBackoff: { seconds: 1 }, maximumBackoff: { seconds: 60 } };
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
      retryPolicy: RETRY,
      deadLetterPolicy: { deadLetterTopic: deadLetters.name, maxDeliveryAttempts: MAX_DELIVERY_ATTEMPTS },
    });
  } finally {
    await pubsub.close();
  }
}
