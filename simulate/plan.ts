import { type ExecutionId, parseExecutionId } from '../shared/core/ids.ts';
import type { QuestDesc } from '../shared/core/quest.ts';
import { abnormal, type TaskResult } from '../shared/core/result.ts';
import { stream } from './random.ts';

/** What a job is going to do, if nothing goes wrong. Depends on its execution alone, not on who starts it when. */
export interface Plan {
  interactive: boolean;
  pendingMs: number;
  runMs: number;
  /** How it ends by itself; absent: never. Of an interactive job: its persistent state. */
  end: TaskResult | undefined;
  notifies: boolean;
  /** Whether `run` says at once how the job is. */
  saysStatus: boolean;
  pollAfterMs: number | undefined;
  /** Whether its adapter has work of its own to do. */
  usesTasks: boolean;
  /** What it asks for, one after the other, before it works. */
  asks: readonly Ask[];
  asksAfterMs: number;
  /** Whether it then waits for the moment at which others ask, too. */
  asksTogether: boolean;
  /** Whether it ends as it does before it has asked for anything. */
  endsFirst: boolean;
}

/** Other attempts, by the numbers of the world's quests. */
export interface Ask {
  /** These it describes. */
  quests: readonly number[];
  /** Of these it knows the ids alone. */
  raw: readonly number[];
  /** Which attempts of each quest. */
  attempts: readonly number[];
  require?: 'all' | 'any' | { atLeast: number };
}

/** What a job's parameters say of it. */
export interface JobParameters {
  /** Ends of the executions, one after the other; the last one is that of all later ones, too. */
  ends: End[];
  pendingMs: number;
  runMs: number;
  notifies: boolean;
  asks?: Ask[];
  /** Whether it asks at the same moment as others do. */
  together?: boolean;
}

/** What an execution leaves for the next one when it halts to wait: where to go on asking. */
export type AskingState = { by: ExecutionId; ask: number };

export const ENDS = ['data', 'failed', 'crashed', 'preempted', 'malformed', 'never'] as const;
export type End = (typeof ENDS)[number];

export function planOf(seed: number, id: ExecutionId, { parameters, meta }: QuestDesc): Plan {
  const { ends, pendingMs, runMs, notifies, asks = [], together = false } = parameters as unknown as JobParameters;
  const { execution } = parseExecutionId(id);
  const chance = stream(seed, `plan ${id}`);
  const asking = stream(seed, `asks ${id}`);
  return {
    interactive: meta.mode === 'interactive',
    pendingMs,
    runMs,
    end: resultOf(ends[Math.min(execution, ends.length) - 1]!, id),
    notifies,
    saysStatus: chance.chance(0.5),
    pollAfterMs: notifies && chance.chance(0.5) ? undefined : chance.between(5, 120) * 1000,
    usesTasks: chance.chance(0.3),
    asks,
    asksTogether: together,
    asksAfterMs: asking.pick([0, 0, 1000, 30_000]),
    endsFirst: asking.chance(0.25),
  };
}

/** Its persistent state; the next execution begins with this ask once more. */
export function stateOf(by: ExecutionId, ask: number): AskingState {
  return { by, ask };
}

/** The data that only this execution can give. */
export function dataOf(id: ExecutionId): TaskResult {
  return { data: { by: id } };
}

function resultOf(end: End, id: ExecutionId): TaskResult | undefined {
  switch (end) {
    case 'data':
      return dataOf(id);
    case 'failed':
      return abnormal('FAILED', 'exit code 1');
    case 'crashed':
      return abnormal('CRASHED', 'the machine is gone');
    case 'preempted':
      return abnormal('PREEMPTED', 'the machine was taken back');
    case 'malformed':
      return { data: 'not an object' } as unknown as TaskResult;
    case 'never':
      return undefined;
  }
}
