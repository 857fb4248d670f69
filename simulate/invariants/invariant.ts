import type { Execution } from '../../shared/core/execution.ts';
import type { AttemptId, EdgeId, ExecutionId, QuestId } from '../../shared/core/ids.ts';
import type { JsonObject } from '../../shared/core/json.ts';
import type { Kind, Documents } from '../../shared/core/ports.ts';
import type { Limits } from '../../shared/core/slot.ts';
import type { Wanted } from '../graph.ts';
import type { Answer, Request } from '../http-call.ts';
import type { Job, Operation } from '../executor.ts';
import type { Change } from '../store.ts';

export interface JobCall {
  operation: 'activate' | 'finish' | 'ensureGraphData';
  id: ExecutionId;
  body: object;
  /** What its bearer is: nobody's token; or one whose execution has halted to wait, by another call than this. */
  right: 'holds' | 'is forged' | 'is over';
}

export interface JobAnswer extends JobCall {
  answer: Answer;
}

/** What a job has asked for. */
export interface AskMade extends Wanted {
  /** How many of them were over before it did so. */
  overBefore: number;
}

/** Everything at which an invariant may be checked. */
export interface Events {
  /** A document was written; all documents of its commit are stored by then. */
  written: Change;
  /** The engine calls the executor for the n-th time. */
  called: { operation: Operation; id: ExecutionId; times: number };
  /** `run` hands over these bytes, after those. */
  'handed over': { id: ExecutionId; before: string | undefined; bytes: string; state?: JsonObject };
  /** The `job` function answered a job; a body holds its execution token or its result. */
  'job answered': JobAnswer;
  /** A wake-up was acknowledged; these tokens had been told to the instance that served it. */
  'wake-up done': { id: string; outcome: string; told: readonly string[] };
  ensured: { quest: QuestId; attempts: readonly number[]; answer: Answer };
  cancelled: { id: AttemptId };
  /** A notification was acknowledged. */
  acknowledged: { request: Request; outcome: string };
  /** `isCalm`: nothing has gone wrong yet, or for some time. */
  answered: { request: Request; answer: Answer; isCalm: boolean };
  logged: { severity: string; message: string; text: string };
  /** An executor has started a job; `isFaithful`: no answer was lost so far, and it has started no job twice. */
  'job started': { id: ExecutionId; isFaithful: boolean };
  /** A minute has passed; these wait in line beside free slots, although nothing has gone wrong. */
  minute: { inVain: readonly AttemptId[] };
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
  /** What its job has asked for, by the body of the call. */
  asks(id: ExecutionId): ReadonlyMap<string, AskMade>;
  /** The body of the call that was answered with shouldHalt. */
  haltedBy(id: ExecutionId): string | undefined;
  /** For which of its asks its attempt has waited, if it has. */
  waitedFor(id: ExecutionId): number | undefined;
  /** Whether a client has asked for its cancel. */
  isUnwanted(id: AttemptId): boolean;
  /** The edges to it that were open when it ended. */
  openAtEnd(id: AttemptId): readonly EdgeId[];
  /** Notifications that were kept at some time, until the token was recorded. */
  kept(id: string): ReadonlySet<string>;
  /** Tokens that were recorded at some time, of jobs that are wanted or not. */
  recorded(): ReadonlySet<string>;
  /** The number of the commit by which an attempt came to stand in the line that it stands in. */
  stoodAt(id: AttemptId): number | undefined;
  /** Where an attempt stood in line before its last write. */
  leftPlace(id: AttemptId): { distributor: string; at: number; recheckAt: number } | undefined;
  /** Whether its job was known to be gone before its last write, even if another one was learnt of since. */
  wasGone(id: ExecutionId): boolean;
  highestLimitsOf(distributor: string): Limits;
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
