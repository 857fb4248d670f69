import { z } from 'zod';
import { parseJson } from '../shared/core/json.ts';
import type { TopicMessage } from '../shared/core/ports.ts';
import type { Engine } from '../shared/engine/engine.ts';
import { type Call, type HttpFunction, ok, type Reply, type Route, type ServeOptions, serveRoutes } from './http.ts';

/** https://cloud.google.com/pubsub/docs/push#receive_push */
const pushSchema = z.object({
  message: z.object({
    data: z.base64().default(''),
    attributes: z.record(z.string(), z.string()).default({}),
  }),
});

/** A Pub/Sub message may have 10 MB; nothing that we can use has more than this. */
const MAX_PUSH_BYTES = 1024 * 1024;

/**
 * Pub/Sub pushes here what comes on the notification topic, and what comes on the own topics of distributors. What will
 * never get better is acknowledged all the same, or it would come for days.
 */
export function createNotify(engine: Engine, options: ServeOptions): HttpFunction {
  const malformed = () => ok({ outcome: engine.drop('notification', 'malformed') });

  function push(path: string, receive: (message: TopicMessage, params: Call['params']) => Promise<Reply>): Route {
    return {
      method: 'POST',
      path,
      maxBodyBytes: MAX_PUSH_BYTES,
      oversized: malformed,
      async handle({ text, params }) {
        const parsed = pushSchema.safeParse(parseJson(text));
        if (!parsed.success) return malformed();
        const { data, attributes } = parsed.data.message;
        return receive({ data: Buffer.from(data, 'base64').toString('utf8'), attributes }, params);
      },
    };
  }

  return serveRoutes(
    [
      push('/', async message => {
        return ok({ outcome: await engine.receiveMessage(message) });
      }),
      push('/distributors/{name}', async (message, { name = '' }) => {
        return ok({ outcome: await engine.receiveHint(name, message) });
      }),
    ],
    options,
  );
}
