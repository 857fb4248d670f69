import type { Topic, TopicMessage } from '../core/ports.ts';
import type { Database } from './database.ts';
import { createDeliveries, type DeliveryControl, type DeliveryOptions } from './deliveries.ts';

/** What Pub/Sub posts (https://cloud.google.com/pubsub/docs/push#receive_push). */
export interface PushBody {
  message: {
    /** base64; absent when the message has attributes only. */
    data?: string;
    attributes: Record<string, string>;
    messageId: string;
    publishTime: string;
  };
  subscription: string;
  deliveryAttempt?: number;
}

export interface TopicOptions extends DeliveryOptions {
  /** `projects/P/topics/T` */
  name: string;
  /** `projects/P/subscriptions/S`, named in each push body. */
  subscription: string;
  /** A message is repeated until this resolves. */
  deliver: (body: PushBody) => Promise<void>;
}

/** A durable topic on SQLite with one push subscription. */
export function createTopic(database: Database, options: TopicOptions): Topic & DeliveryControl {
  const { name, subscription, clock, deliver } = options;
  const { add, ...control } = createDeliveries(
    database,
    name,
    ({ id, payload, retryCount }) => {
      const { data, attributes, publishedAt } = JSON.parse(payload) as TopicMessage & { publishedAt: number };
      return deliver({
        message: {
          ...(data !== '' && { data: Buffer.from(data).toString('base64') }),
          attributes,
          messageId: String(id),
          publishTime: new Date(publishedAt).toISOString(),
        },
        subscription,
        deliveryAttempt: retryCount + 1,
      });
    },
    options,
  );
  return {
    name,
    ...control,
    publish: async ({ data, attributes }) =>
      void (await add(JSON.stringify({ data, attributes, publishedAt: clock.now() }))),
  };
}
