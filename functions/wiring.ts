import { createEngine, type Engine, type EngineOptions } from '../shared/engine/engine.ts';
import { createApi } from './api.ts';
import type { HttpFunction, ServeOptions } from './http.ts';
import { createJob } from './job.ts';
import { createNotify } from './notify.ts';
import { createSweep } from './sweep.ts';
import { createTasks } from './tasks.ts';

export const FUNCTION_NAMES = ['api', 'job', 'notify', 'tasks', 'sweep'] as const;
export type FunctionName = (typeof FUNCTION_NAMES)[number];

/** The five functions over one engine, once per instance. */
export function wire(
  engineOptions: EngineOptions,
  serveOptions: ServeOptions,
): { engine: Engine; functions: Record<FunctionName, HttpFunction> } {
  const engine = createEngine(engineOptions);
  return {
    engine,
    functions: {
      api: createApi(engine, serveOptions),
      job: createJob(engine, serveOptions),
      notify: createNotify(engine, serveOptions),
      tasks: createTasks(engine, serveOptions),
      sweep: createSweep(engine, serveOptions),
    },
  };
}
