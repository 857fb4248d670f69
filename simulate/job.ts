import { createHash } from 'node:crypto';
import { abnormal } from '../shared/core/result.ts';
import type { Answer } from './http-call.ts';
import type { Job } from './executor.ts';
import { dataOf } from './plan.ts';
import { stream } from './random.ts';
import { short } from './store.ts';
import type { World } from './world.ts';

const RETRY_MS = 2000;
const MAX_TRIES = 40;
const FORGED = 'x'.repeat(43);

/** A job that takes part: it activates, works, finishes its attempt, and ends with its persistent state. */
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

  /** Calls the `job` function until it answers. */
  async function call(
    operation: 'activate' | 'finish',
    bearer: string,
    body: object,
    forged = false,
  ): Promise<Answer | undefined> {
    if (operation === 'finish') check.jobOffers(id, body);
    for (let tries = 0; tries < MAX_TRIES && isAlive(); tries++) {
      const answer = await world.serve('job', { method: 'POST', path: `${path}:${operation}`, bearer, body });
      trace.add(scheduler.now(), `${about} ${operation}`, () => String(answer?.status));
      if (answer !== undefined && answer.status !== 503) {
        check.jobAnswered({ operation, id, body, status: answer.status, forged });
        return answer;
      }
      await wait(RETRY_MS + chance.between(0, RETRY_MS));
    }
    return undefined;
  }

  if (number === 2) await wait(chance.between(0, 3000));
  const stranger = faults.happens('is attacked', about);
  if (stranger) await call('activate', FORGED, { executionToken: FORGED }, true);
  const activated = await call('activate', task.executionAuth.activationToken, { executionToken });
  // Lost to the other process of this job, which goes on.
  if (activated?.status === 409 && processes.others-- > 0) return;
  if (activated?.status !== 200) return exit('could not activate');
  if (faults.happens('dies early', about)) {
    return world.executor.end(job, abnormal('CRASHED', 'the job died'));
  }
  await wait(plan.runMs);
  if (plan.end === undefined || !isAlive()) return;
  if ('abnormalFinish' in plan.end) return world.executor.end(job, plan.end);
  if (faults.happens('forgets to finish', about)) return world.executor.end(job, dataOf(id));
  if (stranger) await call('finish', FORGED, { data: { answer: 'of a stranger' } }, true);
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
