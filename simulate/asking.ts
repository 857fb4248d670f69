import { abnormal } from '../shared/core/result.ts';
import { requestFor, untilTogether, wantedBy } from './graph.ts';
import type { Answer } from './http-call.ts';
import type { Process } from './job.ts';
import type { Ask, AskingState } from './plan.ts';

/** What became of a job's asking; `ask` is the number of the one for which it waits. */
export type Asked = { outcome: 'goes on' } | { outcome: 'waits'; ask: number } | { outcome: 'failed' };

const GOES_ON: Asked = { outcome: 'goes on' };
const FAILED: Asked = { outcome: 'failed' };

/** A job asks for what it needs, from where the execution before has left off, until it has everything or is to wait. */
export async function askForAll(process: Process): Promise<Asked> {
  const { world, job, about, wait, isAlive, chance } = process;
  const { asks, asksAfterMs, asksTogether } = job.plan;
  await wait(asksAfterMs);
  if (asksTogether) await wait(untilTogether(world.scheduler.now()));
  if (world.faults.happens('dies asking', about)) {
    world.scheduler.after(chance.between(1, 300), () => world.executor.end(job, abnormal('CRASHED', 'died asking')));
  }
  const before = job.task.previousState as Partial<AskingState> | undefined;
  for (let ask = before?.ask ?? 0; ask < asks.length; ask++) {
    const asked = await askOnce(process, asks[ask]!);
    if (!isAlive() || asked === 'failed') return FAILED;
    if (asked === 'waits') return { outcome: 'waits', ask };
  }
  return GOES_ON;
}

async function askOnce(process: Process, ask: Ask): Promise<'goes on' | 'waits' | 'failed'> {
  const other = otherThan(ask);
  const answers = process.world.faults.happens('asks twice at once', process.about)
    ? await Promise.all([send(process, ask), send(process, other)])
    : [await send(process, ask)];
  const halted = answers.findIndex(answer => answer !== undefined && isHalt(answer));
  if (halted >= 0) {
    if (process.world.faults.happens('uses its token again', process.about)) {
      await useAgain(process, halted === 0 ? [ask, other] : [other, ask]);
    }
    return 'waits';
  }
  // Of two the later one counts: whatever became of it, this is what it needs.
  const [answer] = answers.length > 1 ? [await send(process, ask)] : answers;
  if (answer !== undefined && isHalt(answer)) return 'waits';
  // What is refused, since it would close a cycle or nobody knows it, it does without.
  return answer !== undefined && [200, 400, 404].includes(answer.status) ? 'goes on' : 'failed';
}

function send(process: Process, ask: Ask, right?: 'is over'): Promise<Answer | undefined> {
  const { world, job, executionToken, call } = process;
  const body = requestFor(ask, world.quests);
  world.check.jobAsks(job.executionId, body, wantedBy(ask, world.quests));
  return call('ensureGraphData', executionToken, body, right);
}

/** A list that is not the same. */
function otherThan(ask: Ask): Ask {
  return { ...ask, attempts: ask.attempts.length === 1 ? [1, 2] : [1], require: 'all' };
}

/** The call that has halted it is answered as before; its token is good for nothing else. */
async function useAgain(process: Process, [halting, other]: readonly [Ask, Ask]): Promise<void> {
  await send(process, halting);
  await process.call('finish', process.executionToken, { data: { answer: 'after all' } }, 'is over');
  await send(process, other, 'is over');
}

function isHalt({ status, body }: Answer): boolean {
  return status === 200 && (body as { shouldHalt: boolean }).shouldHalt;
}
