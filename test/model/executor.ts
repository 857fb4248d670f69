import type { Distributor } from '../../shared/adapters/contract.ts';
import { TransientError } from '../../shared/core/errors.ts';
import { type ExecutionId, parseExecutionId } from '../../shared/core/ids.ts';
import { abnormal, finished, pending, running, type TaskStatus } from '../../shared/core/result.ts';
import type { Model } from './model.ts';
import type { Word } from './world.ts';

/** How the executor takes the calls that it gets. `run` answers with what is said of the job. */
export const MOODS = {
  run: ['answers', 'is busy', 'refuses', 'loses its answer', 'sees the process die', 'is called back', 'sees a cancel'],
  getStatus: ['answers', 'is busy', 'is forbidden', 'knows no job'],
  cancel: ['answers', 'is busy', 'refuses', 'does nothing', 'sees the process die'],
} as const;
type Moods = { [Call in keyof typeof MOODS]: (typeof MOODS)[Call][number] };
export const GOOD_MOODS: Moods = { run: 'answers', getStatus: 'answers', cancel: 'answers' };

/** What happens elsewhere while the executor is being called. */
interface Meanwhile {
  /** The process dies: the call never returns. */
  die(): Promise<never>;
  activate(n: number, e: number): Promise<unknown>;
  cancel(n: number): Promise<unknown>;
}

/** An executor that tells the model of each call before it answers. */
export function createExecutor(model: Model, meanwhile: Meanwhile) {
  const moods = { ...GOOD_MOODS };
  /** What the executor says of a job; it has started none when there is no entry. */
  const jobs = new Map<ExecutionId, Word>();
  /** A job knows how to activate once it was started. */
  const activationTokens = new Map<ExecutionId, string>();

  const script = {
    async run({ executionId: id, executionAuth }) {
      const { attempt: n, execution: e } = parseExecutionId(id);
      model.run(n, e);
      if (moods.run === 'is busy') throw new TransientError('busy');
      if (moods.run === 'refuses' && !jobs.has(id)) {
        model.refused(n, e);
        throw new Error('refused');
      }
      jobs.set(id, jobs.get(id) ?? executor.firstWord);
      activationTokens.set(id, executionAuth.activationToken);
      if (moods.run === 'loses its answer') throw new TransientError('connection reset');
      if (moods.run === 'sees the process die') {
        model.died(n, e);
        moods.run = 'answers';
        return meanwhile.die();
      }
      if (moods.run === 'is called back') await meanwhile.activate(n, e);
      if (moods.run === 'sees a cancel') await meanwhile.cancel(n);
      model.launched(n, e, jobs.get(id)!);
      return { token: `job of ${id}`, status: statusOf(jobs.get(id)!) };
    },

    async getStatus({ executionId: id }) {
      const { attempt: n, execution: e } = parseExecutionId(id);
      const word = jobs.get(id)!;
      const heard = { answers: word, 'is busy': 'busy', 'is forbidden': 'busy', 'knows no job': 'unknown' } as const;
      model.asked(n, e, heard[moods.getStatus]);
      if (moods.getStatus === 'is busy') throw new TransientError('busy');
      if (moods.getStatus === 'is forbidden') throw Object.assign(new Error('forbidden'), { status: 403 });
      if (moods.getStatus === 'knows no job') throw new Error('no such job');
      return statusOf(word);
    },

    async cancel({ executionId: id }) {
      const { attempt: n, execution: e } = parseExecutionId(id);
      const isRefusal = moods.cancel === 'is busy' || moods.cancel === 'refuses';
      model.stop(n, e, isRefusal ? 'failed' : moods.cancel === 'sees the process die' ? 'died' : 'done');
      if (moods.cancel === 'is busy') throw new TransientError('busy');
      if (moods.cancel === 'refuses') throw new Error('refused');
      if (moods.cancel === 'sees the process die') {
        moods.cancel = 'answers';
        return meanwhile.die();
      }
      const word = jobs.get(id);
      if (moods.cancel === 'answers' && (word === 'pending' || word === 'running')) jobs.set(id, 'CANCELLED');
    },

    handleNotification: async ({ data }) => statusOf(JSON.parse(data) as Word),
  } satisfies Partial<Distributor>;

  /** `firstWord` is what it says of jobs that it starts from now on. */
  const executor = { script, moods, jobs, activationTokens, firstWord: 'pending' as Word };
  return executor;
}

function statusOf(word: Word): TaskStatus {
  if (word === 'pending') return pending();
  if (word === 'running') return running();
  if (word === 'unreadable') throw new Error('what is this?');
  return finished(typeof word === 'number' ? { data: { result: word } } : abnormal(word, 'said the executor'));
}
