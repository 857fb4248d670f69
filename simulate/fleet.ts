import type { FunctionName } from '../functions/wiring.ts';
import type { Answer, Request } from './http-call.ts';
import { createInstance, type Deployment, type Instance } from './instance.ts';
import { stream } from './random.ts';
import type { World } from './world.ts';

/** The instances that run, and what becomes of a request among them. */
export interface Fleet {
  /** Has one of the instances serve a request; undefined when none does, or it dies. */
  serve(name: FunctionName, request: Request): Promise<Answer | undefined>;
  /** A new revision takes over: the old instances are killed, one after the other. */
  rollOut(): void;
  /** How far ahead the clock of an instance is. */
  worstSkewMs(): number;
}

const INSTANCES = 3;
const MAX_SKEW_MS = 5 * 60_000;
const RESTART_MS = 10_000;
/** The longest that a caller waits: Cloud Tasks for the work of an adapter. */
const PATIENCE_MS = 10 * 60_000;

export function createFleet(world: World, deployed: () => Deployment): Fleet {
  const { scheduler, faults } = world;
  const chance = stream(world.seed, 'instances');
  const fleet: Instance[] = [];
  let born = 0;

  function launch(): void {
    const name = `i${++born}`;
    const skewMs = faults.happens('clock is wrong', name) ? chance.between(-MAX_SKEW_MS, MAX_SKEW_MS) : 0;
    const backends = {
      store: world.database.reach,
      queue: world.deliveries.queue,
      topic: world.deliveries.topic,
    };
    fleet.push(createInstance(world, backends, { name, skewMs, deployment: deployed() }));
  }

  function replaceLater(dead: Instance): void {
    const index = fleet.indexOf(dead);
    if (index < 0) return;
    fleet.splice(index, 1);
    scheduler.after(chance.between(100, RESTART_MS), launch);
  }

  for (let n = 0; n < INSTANCES; n++) launch();
  return {
    async serve(name, request) {
      const alive = fleet.filter(one => one.alive);
      const instance = alive[Math.floor(chance.fraction() * alive.length)];
      if (instance === undefined) return undefined;
      const { promise: gaveUp, resolve: giveUp } = Promise.withResolvers<undefined>();
      const stopWaiting = scheduler.after(PATIENCE_MS, () => giveUp(undefined));
      const served = await Promise.race([instance.serve(name, request), gaveUp]);
      stopWaiting();
      if (!instance.alive) replaceLater(instance);
      if (served === undefined) return undefined;
      world.check.answered(name, request, served.answer, served.told);
      return served.answer;
    },
    rollOut() {
      for (const old of fleet.splice(0)) {
        launch();
        scheduler.after(chance.between(0, RESTART_MS), old.kill);
      }
      while (fleet.length < INSTANCES) launch();
    },
    worstSkewMs: () => Math.max(0, ...fleet.map(one => one.skewMs)),
  };
}
