import type { Execution } from '../../shared/core/execution.ts';
import type { AttemptId, ExecutionId, QuestId } from '../../shared/core/ids.ts';
import type { Kind, Documents } from '../../shared/core/ports.ts';
import type { Answer, Request } from '../http-call.ts';
import type { Job, Operation } from '../executor.ts';
import type { Change } from '../store.ts';

export interface JobAnswer {
  operation: 'activate' | 'finish';
  id: ExecutionId;
  body: object;
  status: number;
  /** Whether the bearer had no right to it. */
  forged: boolean;
}

/** Everything at which an invariant may be checked. */
export interface Events {
  /** A document was written; all documents of its commit are stored by then. */
  written: Change;
  /** The engine calls the executor for the n-th time. */
  called: { operation: Operation; id: ExecutionId; times: number };
  /** `run` hands over these bytes, after those. */
  'handed over': { id: ExecutionId; before: string | undefined; bytes: string };
  /** The `job` function answered a job; a body holds its execution token or its result. */
  'job answered': JobAnswer;
  /** A wake-up was acknowledged; these tokens had been told to the instance that served it. */
  'wake-up done': { id: string; outcome: string; told: readonly string[] };
  ensured: { quest: QuestId; attempts: readonly number[]; answer: Answer };
  cancelled: { id: AttemptId };
  /** A notification was acknowledged. */
  acknowledged: { request: Request; outcome: string };
  answered: { request: Request; answer: Answer };
  logged: { severity: string; message: string; text: string };
  /** Calm has lasted long enough for the sweep to have come to everything. */
  calm: { overdue: readonly string[] };
  /** Calm has lasted for longer than everything may take. */
  'still busy': { live: readonly string[]; isPoisoned: boolean };
  /** Nothing goes on any more. */
  'at rest': { jobs: readonly Job[] };
  /** Two sweeps at rest wrote so many commits. */
  swept: { commits: number };
}

/** What an invariant may look at. */
export interface Facts {
  get<K extends Kind>(kind: K, id: string): Documents[K] | undefined;
  all<K extends Kind>(kind: K): Documents[K][];
  isBroken(id: string): boolean;
  jobsOf(id: ExecutionId): readonly Job[];
  /** How many claims of this call were committed. */
  claims(call: 'run' | 'poll' | 'confirm' | 'cancel', id: ExecutionId): number;
  /** Execution tokens whose activation was answered with success. */
  activations(id: ExecutionId): ReadonlySet<string>;
  /** Bodies of `finish` that a job has sent. */
  offered(id: ExecutionId): ReadonlySet<string>;
  /** Those that were answered with success. */
  finishes(id: ExecutionId): ReadonlySet<string>;
  /** Notifications that were kept at some time, until the token was recorded. */
  kept(id: string): ReadonlySet<string>;
  /** Tokens that were recorded at some time, of jobs that are wanted or not. */
  recorded(): ReadonlySet<string>;
  /** What must not be in any log. */
  secrets(): readonly string[];
}

export interface Invariant<K extends keyof Events = keyof Events> {
  name: string;
  sentence: string;
  on: K;
  /** What is wrong; undefined when it holds. */
  broken(event: Events[K], facts: Facts): string | undefined | false;
}

export type AnyInvariant = { [K in keyof Events]: Invariant<K> }[keyof Events];

export function executionsOf(facts: Facts, { quest, attempt }: Pick<Execution, 'quest' | 'attempt'>): Execution[] {
  return facts.all('execution').filter(one => one.quest === quest && one.attempt === attempt);
}
