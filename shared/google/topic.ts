import type { Topic } from '../core/ports.ts';
import { CHANNEL } from './channel.ts';
import { fromGoogle, GRPC } from './errors.ts';
import { lazyClient } from './lazy-client.ts';

export interface PubSubTopicOptions {
  projectId: string;
  topicId: string;
  timeoutMs?: number;
}

/** One publish with its repetitions. The client's own default is ten minutes. */
const TIMEOUT_MS = 10_000;

/**
 * The topic on Pub/Sub. It uses the generated client, since whoever publishes here waits for each message: the batches
 * of the handwritten one would only delay it.
 */
export function createTopic({ projectId, topicId, timeoutMs = TIMEOUT_MS }: PubSubTopicOptions): Topic & {
  close(): Promise<void>;
} {
  const name = `projects/${projectId}/topics/${topicId}`;
  const client = lazyClient('Pub/Sub', () => openPublisher(projectId));
  return {
    name,
    async publish({ data, attributes }) {
      const publisher = await client.get();
      try {
        await publisher.publish(
          { topic: name, messages: [{ data: Buffer.from(data), attributes }] },
          { timeout: timeoutMs, retry: retryWithin(timeoutMs) },
        );
      } catch (error) {
        throw fromGoogle(error, `publish to ${name}`);
      }
    },
    close: client.close,
  };
}

/** Repeats only what never reached Pub/Sub, or broke off: a job's update is then not refused for a lost connection. */
function retryWithin(totalTimeoutMillis: number) {
  return {
    retryCodes: [GRPC.UNAVAILABLE],
    backoffSettings: {
      initialRetryDelayMillis: 100,
      retryDelayMultiplier: 2,
      maxRetryDelayMillis: 2000,
      initialRpcTimeoutMillis: totalTimeoutMillis,
      rpcTimeoutMultiplier: 1,
      maxRpcTimeoutMillis: totalTimeoutMillis,
      totalTimeoutMillis,
    },
  };
}

async function openPublisher(projectId: string) {
  const { PubSub, v1 } = await import('@google-cloud/pubsub');
  const pubsub = new PubSub({ projectId });
  // Knows what PUBSUB_EMULATOR_HOST means.
  const config = await pubsub.getClientConfig();
  return new v1.PublisherClient({
    ...config,
    ...CHANNEL,
    // Given, so that no metadata server is looked for.
    ...(pubsub.isEmulator && { universeDomain: 'googleapis.com' }),
  });
}
