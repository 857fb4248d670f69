import type { Engine } from '../shared/engine/engine.ts';
import { type HttpFunction, ok, type ServeOptions, serveRoutes } from './http.ts';

/** Cloud Scheduler calls this every minute, without a body. */
export function createSweep(engine: Engine, options: ServeOptions): HttpFunction {
  return serveRoutes([{ method: 'POST', path: '/', handle: async () => ok(await engine.sweep()) }], options);
}
