import { readStatus } from '../../shared/adapters/status-message.ts';
import { TransientError } from '../../shared/core/errors.ts';
import type { ExecutionState } from '../../shared/core/execution.ts';
import { executionId, type ExecutionId, parseExecutionId, type QuestId } from '../../shared/core/ids.ts';
import { activationToken, authToken } from '../../shared/core/tokens.ts';
import { type FakeExecutor, fakeExecutor, KEYRING, start } from '../support/engine.ts';
import { createRig, type Rig } from './rig.ts';

/** Executions of every relation to one, the target, which is held in a state; and all of their tokens. */

/**
 * `UNATTENDED` and `STARTING` are SCHEDULING: of a quest whose job may not call, and of one whose `run` is not settled.
 * `HALTED` is STOPPING: of a job that has asked for an attempt.
 */
export const HELD_STATES = [
  'STARTING',
  'SCHEDULING',
  'RUNNING',
  'STOPPING',
  'HALTED',
  'FINISHED',
  'ABNORMAL_FINISHED',
  'UNATTENDED',
  'unknown',
] as const satisfies readonly (ExecutionState | 'STARTING' | 'HALTED' | 'UNATTENDED' | 'unknown')[];
export type HeldState = (typeof HELD_STATES)[number];

export const RESULT = { data: { answer: 42 } };
export const FORGED = { data: { forged: true } };
/** That another attempt of its own quest be over. */
export const askFor = (id: ExecutionId, attempt: number) => ({
  rawAttempts: { [parseExecutionId(id).quest]: [attempt] },
});
/** The attempt that a job asks for, and another one that somebody else would ask for. */
export const ASKED = 3;
export const NOT_ASKED = 4;
export const FINISHED = JSON.stringify({ state: 'finished', result: FORGED });
const FAILED = JSON.stringify({
  state: 'finished',
  result: { abnormalFinish: { status: 'FAILED', reason: 'for the retry' } },
});

export interface Held {
  rig: Rig;
  executor: FakeExecutor;
  target: ExecutionId;
  /** Whose tokens are presented. */
  executions: Record<'its' | "another execution's" | "another attempt's" | "another distributor's", ExecutionId>;
  activationTokenOf(id: ExecutionId): Promise<string>;
  /** The token that the job of this execution has chosen, or would choose. */
  executionTokenOf(id: ExecutionId): string;
  authTokenOf(id: ExecutionId, distributor?: string): Promise<string>;
  /** As the job of this execution calls; fails unless it is answered with success. */
  activate(id: ExecutionId): Promise<void>;
  ask(id: ExecutionId): Promise<void>;
  finish(id: ExecutionId): Promise<void>;
  report(id: ExecutionId, data?: string): Promise<void>;
}

const UNKNOWN_SECRET = { nonce: 'nonce', issuedAt: 0, keyId: KEYRING.current };

export async function hold(state: HeldState): Promise<Held> {
  const executor = fakeExecutor({ run: start, handleNotification: async ({ data }) => readStatus(data) });
  const distributors = { main: { type: 'fake' }, second: { type: 'fake' } };
  const rig = await createRig({ types: [executor.type], distributors, keyring: KEYRING });
  const mode = state === 'UNATTENDED' ? 'unattended' : 'interactive';
  const submit = (distributorConfigName: string, attempts: number[]) =>
    rig.submit({ distributorConfigName, meta: { mode, retry: { failed: 1 } } }, attempts) as Promise<QuestId>;
  const quest = await submit('main', [1, 2]);
  const executions = {
    its: executionId(quest, 1, state === 'unknown' ? 9 : 2),
    "another execution's": executionId(quest, 1, 1),
    "another attempt's": executionId(quest, 2, 1),
    "another distributor's": executionId(await submit('second', [1]), 1, 1),
  };
  const { its: target, ...others } = executions;
  const secretOf = async (id: ExecutionId) => (await rig.execution(id))?.auth ?? UNKNOWN_SECRET;

  async function succeed(answer: Promise<{ status: number }>): Promise<void> {
    const { status } = await answer;
    if (status !== 200) throw new Error(`the job was answered with ${status}`);
  }

  const held: Held = {
    rig,
    executor,
    target,
    executions,
    activationTokenOf: async id => activationToken(KEYRING, id, await secretOf(id)),
    executionTokenOf: id => `chosen~${id.replaceAll('|', '~')}`,
    async authTokenOf(id, distributor) {
      const own = (await rig.execution(id))?.distributor.name ?? 'main';
      return authToken(KEYRING, { execution: id, distributor: distributor ?? own }, await secretOf(id));
    },
    async activate(id) {
      const body = { executionToken: held.executionTokenOf(id) };
      await succeed(rig.job('activate', id, { token: await held.activationTokenOf(id), body }));
    },
    ask: id => succeed(rig.job('ensureGraphData', id, { token: held.executionTokenOf(id), body: askFor(id, ASKED) })),
    finish: id => succeed(rig.job('finish', id, { token: held.executionTokenOf(id), body: RESULT })),
    report: async (id, data = FINISHED) =>
      succeed(rig.push({ data, attributes: { execution_id: id, auth_token: await held.authTokenOf(id) } })),
  };

  await rig.settle();
  if (mode === 'interactive') for (const id of Object.values(others)) await held.activate(id);
  await held.report(others["another execution's"], FAILED);
  if (state === 'STARTING') executor.script.run = () => Promise.reject(new TransientError('busy'));
  await rig.settle();

  if (['RUNNING', 'STOPPING', 'HALTED', 'FINISHED', 'ABNORMAL_FINISHED'].includes(state)) await held.activate(target);
  if (state === 'HALTED') await held.ask(target);
  if (['STOPPING', 'FINISHED'].includes(state)) await held.finish(target);
  if (state === 'FINISHED') await held.report(target);
  if (state === 'ABNORMAL_FINISHED') await succeed(rig.call('api', `POST /v1/quests/${quest}/attempts/1:cancel`));
  return held;
}
