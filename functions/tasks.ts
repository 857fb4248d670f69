import { parseJson } from '../shared/core/json.ts';
import type { Engine } from '../shared/engine/engine.ts';
import { adapterTaskSchema } from '../shared/engine/adapter-task.ts';
import { pollsSchema } from '../shared/engine/polls.ts';
import { wakeSchema } from '../shared/engine/wake-task.ts';
import { type Call, type HttpFunction, ok, type Route, type ServeOptions, serveRoutes } from './http.ts';

/**
 * Cloud Tasks delivers here what the engine and the adapters enqueued. The path of a wake-up says what was owed when the
 * task was made; what is owed now, the document says. A task that can never be understood is acknowledged.
 */
export function createTasks(engine: Engine, options: ServeOptions): HttpFunction {
  async function wake(call: Call) {
    const parsed = wakeSchema.safeParse(parseJson(call.text));
    if (!parsed.success) return dropped();
    return ok({ outcome: await engine.wake(parsed.data) });
  }

  async function polls(call: Call) {
    const parsed = pollsSchema.safeParse(parseJson(call.text));
    if (!parsed.success) return dropped();
    return ok({ outcome: await engine.pollTogether(parsed.data) });
  }

  async function adapterTask(call: Call) {
    const parsed = adapterTaskSchema.safeParse(parseJson(call.text));
    if (!parsed.success) return dropped();
    const retryCount = Number(call.headers['x-cloudtasks-taskretrycount'] ?? 0);
    return ok({ outcome: await engine.handleAdapterTask(call.params.name ?? '', parsed.data, retryCount) });
  }

  function dropped() {
    return ok({ outcome: engine.drop('task', 'malformed') });
  }

  const routes: Route[] = [
    ...['/run', '/poll', '/cancel', '/wake', '/propagate', '/start'].map(
      (path): Route => ({ method: 'POST', path, handle: wake }),
    ),
    { method: 'POST', path: '/polls', handle: polls },
    { method: 'POST', path: '/distributor/{name}', handle: adapterTask },
  ];
  return serveRoutes(routes, options);
}
