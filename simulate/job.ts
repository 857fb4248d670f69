import { createHash } from 'node:crypto';
import { abnormal } from '../shared/core/result.ts';
import { askForAll, type Asked } from './asking.ts';
import type { Answer } from './http-call.ts';
import type { Job } from './executor.ts';
import type { JobCall } from './invariants/invariant.ts';
import { dataOf, stateOf } from './plan.ts';
import { type Stream, stream } from './random.ts';
import { short } from './store.ts';
import type { World } from './world.ts';

const RETRY_MS = 2000;
const MAX_TRIES = 40;
const FORGED = 'x'.repeat(43);

/**
 * A job that takes part: it activates, asks for what it needs, works, finishes its attempt, and ends with its persistent
 * state; or halts to wait.
 */
export function startProcess(world: World, job: Job): void {
  // The executor starts the same job a second time: only one of the two may activate.
  const processes: Processes = { others: world.faults.happens('runs twice', `job ${short(job.executionId)}`) ? 1 : 0 };
  if (processes.others > 0) void live(world, job, 2, processes);
  void live(world, job, 1, processes);
}

/** Of one job: how many go on besides the one that looks. */
interface Processes {
  others: number;
}

/** One process of a job, and how it calls the `job` function. */
export interface Process {
  world: World;
  job: Job;
  /** Names it in traces and for its faults. */
  about: string;
  chance: Stream;
  executionToken: string;
  isAlive(): boolean;
  wait(milliseconds: number): Promise<void>;
  /** Calls until it is answered; undefined when that takes too long, or the job ends meanwhile. */
  call(
    operation: JobCall['operation'],
    bearer: string,
    body: object,
    right?: JobCall['right'],
  ): Promise<Answer | undefined>;
}

async function live(world: World, job: Job, number: number, processes: Processes): Promise<void> {
  const { scheduler, faults, trace, check } = world;
  const { executionId: id, task, plan } = job;
  const about = `job ${short(id)}.${number}`;
  const chance = stream(world.seed, `process ${id} ${job.token} ${number}`);
  const { pathname: path } = new URL(task.executionUrl);
  const executionToken = createHash('sha256').update(`${job.token} ${number}`).digest('base64url');
  const isAlive = () => job.status.state !== 'finished';
  const wait = (milliseconds: number) => new Promise<void>(resolve => scheduler.after(milliseconds, resolve));
  // Of two processes of one job the second says nothing of how the job ended.
  const exit = (reason: string) => {
    if (number === 1 || processes.others < 1) world.executor.end(job, abnormal('FAILED', reason));
  };

  const call: Process['call'] = async (operation, bearer, body, right = 'holds') => {
    if (operation === 'finish') check.jobOffers(id, body);
    for (let tries = 0; tries < MAX_TRIES && isAlive(); tries++) {
      const answer = await world.serve('job', { method: 'POST', path: `${path}:${operation}`, bearer, body });
      trace.add(scheduler.now(), `${about} ${operation}`, () => String(answer?.status));
      if (answer !== undefined && answer.status !== 503) {
        check.jobAnswered({ operation, id, body, right, answer });
        return answer;
      }
      await wait(RETRY_MS + chance.between(0, RETRY_MS));
    }
    return undefined;
  };

  /** What it leaves is where it asks from the next time, unless it dies before. */
  async function afterAsking(asked: Exclude<Asked, { outcome: 'goes on' }>): Promise<void> {
    if (asked.outcome === 'failed') return exit('could not ask');
    if (faults.happens('does not exit', about) || plan.end === undefined) return;
    await wait(chance.between(0, 5000));
    const state = { data: stateOf(id, asked.ask) };
    world.executor.end(job, 'abnormalFinish' in plan.end ? plan.end : state);
  }

  if (number === 2) await wait(chance.between(0, 3000));
  const stranger = faults.happens('is attacked', about);
  if (stranger) await call('activate', FORGED, { executionToken: FORGED }, 'is forged');
  const activated = await call('activate', task.executionAuth.activationToken, { executionToken });
  // Lost to the other process of this job, which goes on.
  if (activated?.status === 409 && processes.others-- > 0) return;
  if (activated?.status !== 200) return exit('could not activate');
  if (faults.happens('dies early', about)) {
    return world.executor.end(job, abnormal('CRASHED', 'the job died'));
  }
  const isBad = plan.end === undefined || 'abnormalFinish' in plan.end;
  if (plan.asks.length > 0 && !(isBad && plan.endsFirst)) {
    const process: Process = { world, job, about, chance, executionToken, isAlive, wait, call };
    const asked = await askForAll(process);
    if (asked.outcome !== 'goes on') return afterAsking(asked);
  }
  await wait(plan.runMs);
  if (plan.end === undefined || !isAlive()) return;
  if ('abnormalFinish' in plan.end) return world.executor.end(job, plan.end);
  if (faults.happens('forgets to finish', about)) return world.executor.end(job, dataOf(id));
  if (stranger) await call('finish', FORGED, { data: { answer: 'of a stranger' } }, 'is forged');
  const result = { data: { answer: id } };
  const done = await call('finish', executionToken, result);
  if (done?.status !== 200) return exit('could not finish');
  if (faults.happens('uses its token again', about)) {
    await call('finish', executionToken, { data: { answer: 'another' } });
    await call('activate', task.executionAuth.activationToken, { executionToken });
  }
  if (faults.happens('does not exit', about)) return;
  await wait(chance.between(0, 5000));
  // In its own words: the persistent state is not the result.
  world.executor.end(job, dataOf(id));
}
