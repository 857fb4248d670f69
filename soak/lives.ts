import { setTimeout as sleep } from 'node:timers/promises';
import type { Stream } from '../simulate/random.ts';
import { commandsWith, type Usage, usageOf } from './processes.ts';
import type { StackProcess } from './stack-process.ts';

/** One life of the stack, from its start to its death. */
export interface Life {
  /** How long it served; 0 when it died before. */
  servedMs: number;
  /** The most that was seen of each. */
  peak: Usage;
}

export interface LivesOptions {
  start: () => StackProcess;
  random: Stream;
  killsPerMinute: number;
  /** In the environment of every command. */
  commandVariable: string;
}

export interface Lives {
  readonly all: readonly Life[];
  readonly kills: number;
  /** What a life did that it should not have done: ended by itself, or left processes to the next one. */
  readonly misdeeds: readonly { id: string; why: string }[];
  /** Kills and restarts the stack until `signal` aborts. The last life goes on. */
  run(signal: AbortSignal): Promise<void>;
  /** Ends the last life in peace. */
  stop(): Promise<void>;
}

const LOOK_EVERY_MS = 200;
/** A gate of the former life may still be about to end by itself. */
const LEFTOVERS_AFTER_MS = 1500;
/** Before a stack that ends by itself is started again. */
const PAUSE_MS = 1000;
const STOP_WITHIN_MS = 20_000;

export function createLives({ start, random, killsPerMinute, commandVariable }: LivesOptions): Lives {
  const all: Life[] = [];
  const misdeeds: { id: string; why: string }[] = [];
  let kills = 0;
  let current: { process: StackProcess; over: Promise<void> } | undefined;

  function begin(): NonNullable<typeof current> {
    const process = start();
    const life: Life = { servedMs: 0, peak: { resident: 0, handles: 0 } };
    all.push(life);
    return { process, over: observe(process, life) };
  }

  async function observe({ pid, ready, exited }: StackProcess, life: Life): Promise<void> {
    const { peak } = life;
    let readyAt: number | undefined;
    let looked = false;
    void ready.then(() => (readyAt = performance.now()));
    const ended = exited.then(() => true);
    do {
      const usage = await usageOf(pid);
      peak.resident = Math.max(peak.resident, usage?.resident ?? 0);
      peak.handles = Math.max(peak.handles, usage?.handles ?? 0);
      if (readyAt !== undefined) life.servedMs = performance.now() - readyAt;
      if (looked || life.servedMs < LEFTOVERS_AFTER_MS) continue;
      looked = true;
      await findLeftovers(pid);
    } while (!(await Promise.race([ended, sleep(LOOK_EVERY_MS, false)])));
    if (readyAt !== undefined) life.servedMs = performance.now() - readyAt;
  }

  /** Commands that another life than this one launched. */
  async function findLeftovers(pid?: number): Promise<void> {
    for (const { pid: left, mark } of await commandsWith(commandVariable))
      if (!mark.startsWith(`${pid}/`)) misdeeds.push({ id: `process ${left}`, why: `was left over: ${mark}` });
  }

  return {
    all,
    misdeeds,
    get kills() {
      return kills;
    },

    async run(signal) {
      let killAt = performance.now();
      for (;;) {
        current = begin();
        const { process, over } = current;
        // Kills that know nothing of one another: then a life may end at any moment, also while it starts.
        killAt = Math.max(killAt, performance.now()) - (Math.log(1 - random.fraction()) * 60_000) / killsPerMinute;
        const due = sleep(Math.min(killAt - performance.now(), FOREVER_MS), 'due', { signal }).catch(() => 'over');
        const event = await Promise.race([due, process.exited]);
        if (event === 'over') return;
        if (event === 'due') {
          kills += 1;
          process.kill('SIGKILL');
        } else {
          misdeeds.push({ id: `process ${process.pid}`, why: `ended by itself: ${JSON.stringify(event)}` });
          await sleep(PAUSE_MS);
        }
        await over;
      }
    },

    async stop() {
      if (current === undefined) return;
      const { process, over } = current;
      process.kill('SIGTERM');
      const end = await Promise.race([process.exited, sleep(STOP_WITHIN_MS, undefined, { ref: false })]);
      process.kill('SIGKILL');
      await over;
      if (end?.code !== 0)
        misdeeds.push({ id: `process ${process.pid}`, why: `did not stop in peace: ${JSON.stringify(end)}` });
      await findLeftovers();
      current = undefined;
    },
  };
}

/** As long as a timer can last. */
const FOREVER_MS = 2 ** 31 - 1;
