import { afterEach, describe, expect, test } from 'vitest';
import { TransientError } from '../../shared/core/errors.ts';
import type { Topic } from '../../shared/core/ports.ts';
import { createInbox } from '../support/inbox.ts';

/** A push body as Pub/Sub documents it (https://cloud.google.com/pubsub/docs/push#receive_push). */
export interface DeliveredMessage {
  message: { data?: string; attributes?: Record<string, string>; messageId: string; publishTime: string };
  subscription: string;
}

export interface TopicFixture {
  topic: Topic;
  close(): Promise<void>;
}

/** What every implementation of the Topic port must do. Fixtures choose short backoffs. */
export function topicContract(
  name: string,
  createFixture: (deliver: (body: DeliveredMessage) => Promise<void>) => Promise<TopicFixture>,
): void {
  describe(`topic contract: ${name}`, () => {
    let close: () => Promise<void>;
    afterEach(() => close());

    async function open(deliver = async (_body: DeliveredMessage) => {}) {
      const inbox = createInbox<DeliveredMessage>();
      const fixture = await createFixture(body => {
        inbox.add(body);
        return deliver(body);
      });
      close = fixture.close;
      return { topic: fixture.topic, inbox };
    }

    const textOf = ({ message }: DeliveredMessage) => Buffer.from(message.data ?? '', 'base64').toString();

    test('the name is the full resource name', async () => {
      const { topic } = await open();
      expect(topic.name).toMatch(/^projects\/[^/]+\/topics\/[^/]+$/);
    });

    test('a message is delivered as a push body', async () => {
      const { topic, inbox } = await open();
      const attributes = { execution_id: 'q|1|1', auth_token: 'secret' };
      await topic.publish({ data: '{"state":"grüße 👋"}', attributes });
      const body = await inbox.first();
      expect(body).toMatchObject({
        message: { attributes, messageId: expect.stringMatching(/./) },
        subscription: expect.stringMatching(/^projects\/[^/]+\/subscriptions\/[^/]+$/),
      });
      expect(textOf(body)).toBe('{"state":"grüße 👋"}');
      expect(Date.parse(body.message.publishTime)).not.toBeNaN();
    });

    test('a message may have attributes without data', async () => {
      const { topic, inbox } = await open();
      await topic.publish({ data: '', attributes: { execution_id: 'q|1|1' } });
      const body = await inbox.first();
      expect(textOf(body)).toBe('');
      expect(body.message.attributes).toEqual({ execution_id: 'q|1|1' });
    });

    test('a message may have data without attributes', async () => {
      const { topic, inbox } = await open();
      await topic.publish({ data: 'hello', attributes: {} });
      const body = await inbox.first();
      expect(textOf(body)).toBe('hello');
      expect(body.message.attributes ?? {}).toEqual({});
    });

    test('a message of 320 KiB arrives whole', async () => {
      const { topic, inbox } = await open();
      const data = 'ä'.repeat(160 * 1024);
      await topic.publish({ data, attributes: {} });
      expect(textOf(await inbox.first())).toBe(data);
    });

    test('each of many messages is delivered, with an id of its own', async () => {
      const { topic, inbox } = await open();
      const texts = Array.from({ length: 200 }, (_, n) => `message ${n}`);
      await Promise.all(texts.map(data => topic.publish({ data, attributes: {} })));
      const bodies = await inbox.until(found => new Set(found.map(textOf)).size === texts.length);
      const idOf = new Map(bodies.map(body => [textOf(body), body.message.messageId]));
      expect(new Set(idOf.values()).size).toBe(texts.length);
    });

    test('what fails is delivered again as the same message until it is accepted, and holds up no other', async () => {
      let failures = 0;
      const { topic, inbox } = await open(async body => {
        if (textOf(body) === 'stubborn' && failures++ < 2) throw new TransientError('not yet');
      });
      await topic.publish({ data: 'stubborn', attributes: { a: 'b' } });
      await topic.publish({ data: 'easy', attributes: {} });
      const bodies = await inbox.until(
        found =>
          found.filter(body => textOf(body) === 'stubborn').length >= 3 && found.some(body => textOf(body) === 'easy'),
      );
      const stubborn = bodies.filter(body => textOf(body) === 'stubborn').map(({ message }) => message);
      expect(stubborn.slice(1)).toEqual(stubborn.slice(1).map(() => stubborn[0]));
    });
  });
}
