import { type AttemptIn, type AttemptState, attemptSchema, idOfAttempt } from '../../shared/core/attempt.ts';
import { type ExecutionIn, type ExecutionState, executionSchema, idOfExecution } from '../../shared/core/execution.ts';
import { shardOf } from '../../shared/core/ids.ts';
import { normalizeQuest, type Quest } from '../../shared/core/quest.ts';

/** When the fixtures were created; also where `manualClock` starts. */
export const CREATED_AT = Date.parse('2026-11-24T00:00:00Z');
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** `undefined` removes an optional field. */
type Overrides<Document> = { [Field in keyof Document]?: Document[Field] | undefined };

/** A valid quest; other parameters make another quest. */
export function questFixture(desc: Partial<Quest['desc']> = {}): Quest {
  return {
    ...normalizeQuest({ distributorConfigName: 'echo', parameters: { text: 'hello' }, ...desc }),
    createdAt: CREATED_AT,
  };
}

const QUEST = questFixture();

const ATTEMPT_FIELDS = {
  SCHEDULING: { executions: 0, notBefore: CREATED_AT, wakeAt: CREATED_AT },
  EXECUTING: { executions: 1 },
  WAITING: { executions: 1 },
  FINISHED: { executions: 1, endedAt: CREATED_AT, result: { data: { answer: 42 } } },
  ABNORMAL_FINISHED: {
    executions: 1,
    endedAt: CREATED_AT,
    result: { abnormalFinish: { status: 'FAILED', reason: 'exit code 1' } },
  },
} as const satisfies { [S in AttemptState]: Partial<AttemptIn<S>> };

/** A valid attempt in that state; throws when the overrides make it invalid. */
export function attemptIn<S extends AttemptState>(state: S, overrides: Overrides<AttemptIn<S>> = {}): AttemptIn<S> {
  const attempt = {
    schemaVersion: 1,
    quest: QUEST.id,
    attempt: 1,
    revision: 1,
    createdAt: CREATED_AT,
    updatedAt: CREATED_AT,
    distributor: QUEST.desc.distributorConfigName,
    retries: {},
    ...ATTEMPT_FIELDS[state],
    state,
    ...overrides,
  };
  return attemptSchema.parse({ shard: shardOf(idOfAttempt(attempt)), ...attempt }) as AttemptIn<S>;
}

const LAUNCHED = { state: 'launched', token: 'job-1', at: CREATED_AT } as const;
const POLL = { intervalMs: 10 * MINUTE_MS, fruitless: 0, nextAt: CREATED_AT + 10 * MINUTE_MS };
const NO_POLL = { intervalMs: 10 * MINUTE_MS, fruitless: 0 };
const HALT = { tokenHash: 'T'.repeat(43), callHash: 'C'.repeat(43) };

const EXECUTION_FIELDS = {
  SCHEDULING: {
    enteredAt: CREATED_AT,
    deadlineAt: CREATED_AT + HOUR_MS,
    asked: 0,
    launch: LAUNCHED,
    poll: POLL,
    wakeAt: POLL.nextAt,
  },
  RUNNING: {
    enteredAt: CREATED_AT,
    deadlineAt: CREATED_AT + 24 * HOUR_MS,
    asked: 0,
    launch: LAUNCHED,
    poll: POLL,
    wakeAt: POLL.nextAt,
  },
  STOPPING: {
    enteredAt: CREATED_AT,
    deadlineAt: CREATED_AT + 5 * MINUTE_MS,
    asked: 0,
    launch: LAUNCHED,
    poll: NO_POLL,
    wakeAt: CREATED_AT + 5 * MINUTE_MS,
    halt: HALT,
    finish: { data: { answer: 42 } },
    lastErrorFinal: false,
  },
  FINISHED: {
    endedAt: CREATED_AT,
    reported: true,
    launch: LAUNCHED,
    poll: NO_POLL,
    result: { data: { answer: 42 } },
  },
  ABNORMAL_FINISHED: {
    endedAt: CREATED_AT,
    reported: true,
    launch: LAUNCHED,
    poll: NO_POLL,
    result: { abnormalFinish: { status: 'FAILED', reason: 'exit code 1' } },
  },
} as const satisfies { [S in ExecutionState]: Partial<ExecutionIn<S>> };

/** A valid unattended execution in that state, its job launched; throws when the overrides make it invalid. */
export function executionIn<S extends ExecutionState>(
  state: S,
  overrides: Overrides<ExecutionIn<S>> = {},
): ExecutionIn<S> {
  const execution = {
    schemaVersion: 1,
    quest: QUEST.id,
    attempt: 1,
    execution: 1,
    revision: 1,
    createdAt: CREATED_AT,
    updatedAt: CREATED_AT,
    mode: 'unattended',
    distributor: { name: 'echo', type: 'echo', version: 'v1', config: {} },
    auth: { nonce: 'nonce', issuedAt: CREATED_AT, keyId: 'key-1' },
    timeoutsMs: { start: HOUR_MS, run: 24 * HOUR_MS, stop: 5 * MINUTE_MS },
    ...EXECUTION_FIELDS[state],
    state,
    ...overrides,
  };
  return executionSchema.parse({ shard: shardOf(idOfExecution(execution)), ...execution }) as ExecutionIn<S>;
}
