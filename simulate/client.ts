import { attemptId, type QuestId } from '../shared/core/ids.ts';
import { normalizeQuest, RETRY_CLASSES } from '../shared/core/quest.ts';
import { untilTogether } from './graph.ts';
import { type End, ENDS, type JobParameters } from './plan.ts';
import { type Stream, stream } from './random.ts';
import { short } from './store.ts';
import type { World } from './world.ts';

const ARRIVALS_MS = 3 * 60_000;
const GIVE_UP_AFTER = 3;

/** A client with one quest: submits it until that is acknowledged, looks at it, perhaps changes its mind. */
export async function liveClient(world: World, number: number, desc: object): Promise<void> {
  const { scheduler, faults, check } = world;
  const chance = stream(world.seed, `client ${number}`);
  const { asks, together = false } = (desc as { parameters: JobParameters }).parameters;
  // Decided beforehand, so that it does not depend on how often something had to be repeated.
  const [arrivesAfter, patienceMs] = [chance.between(0, ARRIVALS_MS), chance.between(0, 2 * ARRIVALS_MS)];
  const [wantsTwo, waits, submitsAgain] = [chance.chance(0.1), chance.chance(0.2), chance.chance(0.2)];
  const wait = (milliseconds: number) => new Promise<void>(resolve => scheduler.after(milliseconds, resolve));
  const { id: quest } = normalizeQuest(desc);
  const about = `client ${short(quest)}`;

  async function submit(attempts: number[]): Promise<boolean> {
    for (let tries = 1; ; tries++) {
      const body = { quests: [{ desc, attempts }] };
      const answer = await world.serve('api', { method: 'POST', path: '/v1/graph:ensure', body });
      if (answer !== undefined) check.ensured(quest, attempts, answer);
      if (answer?.status === 200) return true;
      if (tries >= GIVE_UP_AFTER && faults.happens('client gives up', about)) return false;
      // Its distributor is not there; perhaps it comes back.
      await wait(chance.between(1000, answer?.status === 400 ? 60_000 : 10_000));
      if (answer?.status === 400 && faults.stopped) return false;
    }
  }

  // The nearer they are to each other, the more of them meet.
  const hurry = together ? 3 : 1;
  await wait(Math.round(arrivesAfter / hurry));
  if (!(await submit([1]))) return;
  if (wantsTwo) await submit([1, 2]);
  if (waits) {
    void world.serve('api', { method: 'GET', path: `/v1/quests/${quest}/attempts/1:wait?timeout=120s` });
  }
  // Of what needs nothing there is nothing else to cancel.
  const cascade = asks !== undefined && faults.happens('client cancels all', about);
  if (cascade || faults.happens('client cancels', about)) {
    await wait(Math.round(patienceMs / hurry));
    if (together) await wait(untilTogether(scheduler.now()));
    await cancel(world, quest, { cascade, wait });
  }
  if (submitsAgain) await submit([1]);
}

interface Cancelling {
  /** Together with what only this waits for. */
  cascade: boolean;
  wait(milliseconds: number): Promise<void>;
}

async function cancel(world: World, quest: QuestId, { cascade, wait }: Cancelling): Promise<void> {
  world.check.cancels(attemptId(quest, 1));
  for (let tries = 0; tries < GIVE_UP_AFTER; tries++) {
    const path = `/v1/quests/${quest}/attempts/1:cancel`;
    const body = { reason: 'unwanted', ...(cascade && { cascade }) };
    const answer = await world.serve('api', { method: 'POST', path, body });
    if (answer?.status === 200) return world.check.cancelled(attemptId(quest, 1));
    await wait(5000);
  }
}

const DISTRIBUTORS = ['plain', 'plain', 'hints', 'blind'] as const;

/** A quest as people write them, with time-outs short enough to be met. */
export function randomQuest(seed: number, number: number): object {
  const chance = stream(seed, `quest ${number}`);
  const interactive = chance.chance(0.4);
  const run = chance.chance(0.1) ? '0s' : `${chance.between(60, 1200)}s`;
  const job = randomJob(chance);
  // A job that takes part cannot say anything malformed; one whose time is unlimited must end by itself.
  const ends = job.ends.map(end =>
    (interactive && end === 'malformed') || (run === '0s' && end === 'never') ? 'failed' : end,
  );
  return {
    distributorConfigName: chance.pick(DISTRIBUTORS),
    parameters: { ...job, ends, number },
    meta: {
      mode: interactive ? 'interactive' : 'unattended',
      retry: Object.fromEntries(
        RETRY_CLASSES.filter(() => chance.chance(0.6)).map(name => [name, chance.between(0, 2)]),
      ),
      ...(chance.chance(0.5) && { backoff: { initial: `${chance.between(1, 20)}s` } }),
      timeouts: {
        start: `${chance.between(60, 600)}s`,
        run,
        stop: `${chance.between(10, 120)}s`,
      },
    },
  };
}

function randomJob(chance: Stream): JobParameters {
  const last: End = chance.chance(0.75) ? 'data' : chance.pick(ENDS);
  return {
    ends: [...Array.from({ length: chance.pick([0, 0, 1, 2]) }, () => chance.pick(ENDS)), last],
    pendingMs: chance.pick([0, 1000, chance.between(1000, 120_000), chance.between(1000, 900_000)]),
    runMs: chance.pick([0, chance.between(100, 60_000), chance.between(60_000, 1_500_000)]),
    notifies: chance.chance(0.7),
  };
}
