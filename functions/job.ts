import { z } from 'zod';
import { InvalidArgument } from '../shared/core/errors.ts';
import { parseJson } from '../shared/core/json.ts';
import { parseWith } from '../shared/core/validation.ts';
import { dataSchema } from '../shared/core/result.ts';
import type { Engine } from '../shared/engine/engine.ts';
import { EXECUTION, executionOf, MAX_GRAPH_BYTES } from './api.ts';
import { bearerToken, type Call, type HttpFunction, ok, type Route, type ServeOptions, serveRoutes } from './http.ts';
import { ensuredView, graphPageView } from './views.ts';

const activateSchema = z.strictObject({ executionToken: z.string() });
const finishSchema = dataSchema.strict();

/** What jobs and executors use. The only public function: it accepts tokens, each for the one execution that it names. */
export function createJob(engine: Engine, options: ServeOptions): HttpFunction {
  const routes: Route[] = [
    {
      method: 'POST',
      path: `${EXECUTION}:activate`,
      async handle(call) {
        const activationToken = bearerToken(call);
        const { executionToken } = parseWith(activateSchema, call.json());
        const previousState = await engine.activate(executionOf(call.params), { activationToken, executionToken });
        return ok(previousState === undefined ? {} : { previousState });
      },
    },
    {
      method: 'POST',
      path: `${EXECUTION}:finish`,
      async handle(call) {
        const executionToken = bearerToken(call);
        const data = parseWith(finishSchema, call.json());
        await engine.finish(executionOf(call.params), { executionToken, data });
        return ok({});
      },
    },
    {
      method: 'POST',
      path: `${EXECUTION}:ensureGraphData`,
      maxBodyBytes: MAX_GRAPH_BYTES,
      async handle(call) {
        const executionToken = bearerToken(call);
        const request = call.json();
        const { shouldHalt, ...ensured } = await engine.ensureGraphData(executionOf(call.params), {
          executionToken,
          request,
        });
        return ok({ ...ensuredView(ensured), shouldHalt });
      },
    },
    {
      method: 'POST',
      path: `${EXECUTION}:walkGraph`,
      maxBodyBytes: MAX_GRAPH_BYTES,
      async handle(call) {
        const executionToken = bearerToken(call);
        const request = call.json();
        return ok(graphPageView(await engine.walkGraphOf(executionOf(call.params), { executionToken, request })));
      },
    },
    { method: 'POST', path: `${EXECUTION}:notify`, maxBodyBytes: 320 * 1024, handle: call => notify(engine, call) },
  ];
  return serveRoutes(routes, options);
}

async function notify(engine: Engine, call: Call) {
  const authToken = bearerToken(call);
  if (parseJson(call.text) === undefined) throw new InvalidArgument('body', 'is not valid JSON');
  await engine.publishNotification(executionOf(call.params), authToken, call.text);
  return { status: 202, body: {} };
}
