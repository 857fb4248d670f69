import { PubSub, type Topic } from '@google-cloud/pubsub';

export interface Notifications {
  /** `host:port` of the emulator. */
  host: string;
  projectId: string;
  topicId: string;
  subscriptionId: string;
  deadLetterTopicId: string;
  pushEndpoint: string;
  /** Topics that executors publish to by themselves, by distributor. */
  ownTopics?: ReadonlyMap<string, string>;
}

const ACK_DEADLINE_S = 60;
const MAX_DELIVERY_ATTEMPTS = 100;

/**
 * What `deploy.sh` makes with gcloud: the topic, its dead letters, and the subscription that pushes to `notify`; for each
 * distributor with a topic of its own that topic, in whatever project, and a subscription that pushes to `notify`, too.
 */
export async function createTopicAndSubscription(options: Notifications): Promise<void> {
  const { host, projectId, topicId, subscriptionId, deadLetterTopicId, pushEndpoint, ownTopics = new Map() } = options;
  const pubsub = new PubSub({ projectId, apiEndpoint: host, emulatorMode: true, universeDomain: 'googleapis.com' });
  try {
    const [[topic], [deadLetters]] = await Promise.all([
      pubsub.createTopic(topicId),
      pubsub.createTopic(deadLetterTopicId),
    ]);
    const subscribe = (to: Topic, id: string, path: string) =>
      to.createSubscription(id, {
        pushConfig: { pushEndpoint: new URL(path, pushEndpoint).href },
        ackDeadlineSeconds: ACK_DEADLINE_S,
        // No retry policy: with one, the emulator (0.8.20) loses for good some of the messages whose endpoint
        // was gone for a moment; without one it repeats all of them about once a second.
        deadLetterPolicy: { deadLetterTopic: deadLetters.name, maxDeliveryAttempts: MAX_DELIVERY_ATTEMPTS },
      });
    await subscribe(topic, subscriptionId, '');
    // Several distributors may share one.
    const shared = new Set([...ownTopics.values()].map(name => pubsub.topic(name).name));
    await Promise.all([...shared].map(name => pubsub.createTopic(name)));
    for (const [name, own] of ownTopics) {
      await subscribe(pubsub.topic(own), `${subscriptionId}.${name}`, `distributors/${name}`);
    }
  } finally {
    await pubsub.close();
  }
}
