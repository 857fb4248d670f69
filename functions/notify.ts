import { z } from 'zod';
import { parseJson } from '../shared/core/json.ts';
import type { Engine } from '../shared/engine/engine.ts';
import { type HttpFunction, ok, type ServeOptions, serveRoutes } from './http.ts';

/** https://cloud.google.com/pubsub/docs/push#receive_push */
const pushSchema = z.object({
  message: z.object({
    data: z.base64().default(''),
    attributes: z.record(z.string(), z.string()).default({}),
  }),
});

/** A Pub/Sub message may have 10 MB; nothing that we can use has more than this. */
const MAX_PUSH_BYTES = 1024 * 1024;

/** Pub/Sub pushes notifications here. What will never get better is acknowledged all the same, or it would come for days. */
export function createNotify(engine: Engine, options: ServeOptions): HttpFunction {
  const malformed = () => ok({ outcome: engine.drop('notification', 'malformed') });
  return serveRoutes(
    [
      {
        method: 'POST',
        path: '/',
        maxBodyBytes: MAX_PUSH_BYTES,
        oversized: malformed,
        async handle({ text }) {
          const push = pushSchema.safeParse(parseJson(text));
          if (!push.success) return malformed();
          const { data, attributes } = push.data.message;
          const message = { data: Buffer.from(data, 'base64').toString('utf8'), attributes };
          return ok({ outcome: await engine.receiveMessage(message) });
        },
      },
    ],
    options,
  );
}
