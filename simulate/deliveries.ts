import type { QueueTask, TopicMessage } from '../shared/core/ports.ts';
import type { Backends } from './instance.ts';
import type { Answer, Request } from './http-call.ts';
import { stream } from './random.ts';
import { short } from './store.ts';
import type { World } from './world.ts';

/** A queue, a topic and a scheduler as Google's are: at least once, in any order, again until it is acknowledged. */
export interface Deliveries extends Pick<Backends, 'queue' | 'topic'> {
  /** What an executor publishes by itself. */
  publish(message: TopicMessage): void;
  /** What comes on the own topic of a distributor. */
  hint(distributor: string, message: TopicMessage): void;
  /** Begins to sweep. */
  startSweeping(): void;
  /** Messages and tasks that are on their way, or will come again. */
  pending(): number;
}

/** Cloud Tasks remembers names for up to an hour after their task is gone; ours are used for ten minutes. */
const NAME_WINDOW_MS = 60 * 60_000;
const DEADLINE_MS = { tasks: 600_000, notify: 60_000 } as const;
/** https://cloud.google.com/tasks/docs/configuring-queues, as deploy.sh sets them. */
const BACKOFF_MS = { tasks: { first: 1000, most: 60_000 }, notify: { first: 2000, most: 600_000 } } as const;
const MAX_TRIES = 100;
const LATEST_MS = 5 * 60_000;
export const SWEEP_EVERY_MS = 60_000;
/** A sweep of nothing writes nothing, which an invariant sees to: of those that would find nothing few are made. */
const IDLE_SWEEPS = 0.04;

export function createDeliveries(world: World): Deliveries {
  const { scheduler, faults, trace } = world;
  const chance = stream(world.seed, 'deliveries');
  const names = new Map<string, number>();
  let pending = 0;

  /** Delivers until it is acknowledged. Resolves the fate of each try by itself, since the caller does not wait. */
  function deliver(
    to: 'tasks' | 'notify',
    label: string,
    at: number,
    request: (tries: number) => Request,
    acknowledged: (answer: Answer) => void,
  ): void {
    if (faults.happens('lost', label)) return trace.add(scheduler.now(), `${label} is lost`);
    pending++;
    const copies = faults.happens('doubled', label) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const late = faults.happens('late', label) ? chance.between(1000, LATEST_MS) : chance.between(1, 50);
      attempt(at + late, 0, copy === 0);
    }

    function attempt(time: number, tries: number, counts: boolean): void {
      scheduler.at(time, () => {
        let settled = false;
        const settle = (answer: Answer | undefined) => {
          if (settled) return;
          settled = true;
          stopWaiting();
          const ok = answer !== undefined && answer.status >= 200 && answer.status <= 299;
          if (ok) acknowledged(answer);
          const { first, most } = BACKOFF_MS[to];
          if (!ok && tries + 1 < MAX_TRIES)
            return attempt(scheduler.now() + Math.min(most, first * 2 ** tries), tries + 1, counts);
          if (counts) pending--;
        };
        // The connection breaks: the work goes on, and the delivery comes again.
        if (faults.happens('cut off', label)) scheduler.after(chance.between(1, 30), () => settle(undefined));
        const stopWaiting = scheduler.after(DEADLINE_MS[to], () => settle(undefined));
        void world.serve(to, request(tries)).then(settle);
      });
    }
  }

  function enqueue(task: QueueTask): void {
    const { path, body, shard, at = 0, name } = task;
    const now = scheduler.now();
    if (name !== undefined) {
      const key = `${shard} ${name}`;
      if ((names.get(key) ?? -Infinity) > now - NAME_WINDOW_MS) return;
      names.set(key, now);
    }
    const label = `task ${path} ${aboutOf(body)}`;
    const text = JSON.parse(JSON.stringify(body)) as unknown;
    deliver(
      'tasks',
      label,
      Math.max(now, at),
      tries => ({
        method: 'POST',
        path: `/${path}`,
        body: text,
        headers: { 'x-cloudtasks-taskretrycount': String(tries) },
      }),
      answer => trace.add(scheduler.now(), `${label} is done`, () => outcomeOf(answer)),
    );
  }

  function publish({ data, attributes }: TopicMessage): void {
    const label = `message ${short(attributes.execution_id ?? '')}`;
    const message = { data: Buffer.from(data).toString('base64'), attributes };
    const request: Request = { method: 'POST', path: '/', body: { message } };
    deliver(
      'notify',
      label,
      scheduler.now(),
      () => request,
      answer => {
        trace.add(scheduler.now(), `${label} is done`, () => outcomeOf(answer));
        world.check.acknowledged(request, outcomeOf(answer));
      },
    );
  }

  function hint(distributor: string, { data, attributes }: TopicMessage): void {
    const label = `hint ${short(attributes.job ?? '')}`;
    const message = { data: Buffer.from(data).toString('base64'), attributes };
    const request: Request = { method: 'POST', path: `/distributors/${distributor}`, body: { message } };
    deliver(
      'notify',
      label,
      scheduler.now(),
      () => request,
      answer => trace.add(scheduler.now(), `${label} is done`, () => outcomeOf(answer)),
    );
  }

  async function sweepNow(): Promise<void> {
    const answer = await world.serve('sweep', { method: 'POST', path: '/' });
    trace.add(scheduler.now(), 'sweep is done', () => JSON.stringify(answer?.body));
  }

  function sweepOnce(): void {
    if (faults.happens('sweep skipped', 'sweep')) return;
    if (world.database.due(scheduler.now() + world.worstSkewMs()).length === 0 && !chance.chance(IDLE_SWEEPS)) return;
    const times = faults.happens('sweep doubled', 'sweep') ? 2 : 1;
    for (let time = 0; time < times; time++) void sweepNow();
  }

  return {
    queue: call => ({
      enqueue: task =>
        call({
          name: `enqueue ${task.path} ${aboutOf(task.body)}`,
          apply: () => enqueue(task),
        }),
    }),
    topic: call => ({
      name: 'projects/simulated/topics/notifications',
      publish: message =>
        call({ name: `publish ${short(message.attributes.execution_id ?? '')}`, apply: () => publish(message) }),
    }),
    publish,
    hint,
    startSweeping() {
      const tick = () => {
        sweepOnce();
        scheduler.after(SWEEP_EVERY_MS, tick);
      };
      scheduler.after(SWEEP_EVERY_MS, tick);
    },
    pending: () => pending,
  };
}

/** What a task is about, as traces have it; of polls that are made together the first one. */
function aboutOf({ id, executionId, wakes }: QueueTask['body']): string {
  const named = id ?? executionId ?? (wakes as { id: string }[] | undefined)?.[0]?.id;
  return typeof named === 'string' ? short(named) : '';
}

function outcomeOf({ body }: Answer): string {
  return String((body as { outcome?: string }).outcome);
}
