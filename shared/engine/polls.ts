import { z } from 'zod';
import type { Docs } from '../core/decide/decision.ts';
import { isTransient, messageOf } from '../core/errors.ts';
import { type Claim, idOfExecution, type PinnedDistributor, type Token, tokenOf } from '../core/execution.ts';
import type { ExecutionId } from '../core/ids.ts';
import { adapterOf, callAdapter, callError } from './call.ts';
import type { Snapshot } from './loop.ts';
import type { Parts } from './parts.ts';
import { type Asked, performPoll, pollError, recordPoll, statusOrAgain } from './poll.ts';
import { claimNext, PERFORM, postpone } from './wake.ts';
import { targetOf, wakeSchema } from './wake-task.ts';

/** The body of a task that polls many executions: their wake-ups. */
export const pollsSchema = z.strictObject({ wakes: z.array(wakeSchema).max(1000) });
export type Polls = z.infer<typeof pollsSchema>;

/** Reads and writes of one delivery that go on at the same time. */
const AT_ONCE = 16;

interface Claimed {
  claimed: Snapshot<Docs>;
  call: Claim;
}

/**
 * Polls that fell due together. Each is claimed and recorded by itself, as if it were alone, so that one that is stale or
 * fails concerns no other; only the call of the executor is one for all.
 */
export async function pollTogether(parts: Parts, { wakes }: Polls): Promise<string> {
  const woken = await mapLimited(wakes, AT_ONCE, wake => claimPoll(parts, wake));
  const claims = woken.filter(claim => claim !== undefined);
  const others = claims.filter(({ call }) => call.call !== 'poll');
  const groups = Object.values(
    Object.groupBy(
      claims.filter(({ call }) => call.call === 'poll'),
      groupKey,
    ),
  );
  await Promise.all([
    ...groups.map(group => pollGroup(parts, group ?? [])),
    mapLimited(others, AT_ONCE, ({ claimed, call }) => PERFORM[call.call](parts, claimed, call)),
  ]);
  return `polled ${claims.length} of ${wakes.length}`;
}

/** One that cannot be claimed now is found again by the next sweep; it must not keep the others from being asked for. */
async function claimPoll(parts: Parts, { id, revision }: Polls['wakes'][number]): Promise<Claimed | undefined> {
  const target = targetOf(id);
  if (target?.kind !== 'execution') return undefined;
  try {
    const next = await claimNext(parts, target.id, revision).catch((error: unknown) => {
      if (isTransient(error)) throw error;
      return postpone(parts, target, error);
    });
    return typeof next === 'string' ? undefined : next;
  } catch (error) {
    parts.log.warn('a poll was not claimed', { execution: id, error: messageOf(error) });
    return undefined;
  }
}

function groupKey({ claimed }: Claimed): string {
  const { name, type, version } = claimed.docs.execution.distributor;
  return `${name} ${type} ${version}`;
}

/** Executions of one distributor. */
async function pollGroup(parts: Parts, group: readonly Claimed[]): Promise<void> {
  const distributor = group[0]?.claimed.docs.execution.distributor;
  if (distributor === undefined) return;
  const size = parts.registry.maxStatuses(distributor);
  if (size === undefined) {
    await mapLimited(group, AT_ONCE, ({ claimed, call }) => performPoll(parts, claimed, call));
    return;
  }
  for (let i = 0; i < group.length; i += size) {
    // Others may claim them again, and ask, once their claims have lapsed.
    const some = group.slice(i, i + size).filter(claimed => isHeld(parts, claimed));
    if (some.length === 0) continue;
    const statuses = await askStatuses(parts, distributor, some.map(handleOf));
    if (statuses === undefined) {
      await mapLimited(some, AT_ONCE, async one => {
        if (isHeld(parts, one)) await performPoll(parts, one.claimed, one.call);
      });
      continue;
    }
    await mapLimited(some, AT_ONCE, async ({ claimed, call }, n) => {
      await recordPoll(parts, claimed, call, statuses[n] ?? NOT_ANSWERED).catch((error: unknown) =>
        parts.log.warn('a poll was not recorded', {
          execution: idOfExecution(claimed.docs.execution),
          error: messageOf(error),
        }),
      );
    });
  }
}

function isHeld({ clock }: Parts, { call }: Claimed): boolean {
  return call.untilAt > clock.now();
}

function handleOf({ claimed }: Claimed): { executionId: ExecutionId; token: Token } {
  const { execution } = claimed.docs;
  const token = tokenOf(execution);
  if (token === undefined) throw new Error('bug: a poll without a token');
  return { executionId: idOfExecution(execution), token };
}

const NOT_ANSWERED: Asked = { error: { transient: true, message: 'the adapter gave no status for it' } };

/** As many answers as handles, in their order. Undefined: they cannot be asked for together, perhaps because of one of them. */
async function askStatuses(
  parts: Parts,
  distributor: PinnedDistributor,
  handles: { executionId: ExecutionId; token: Token }[],
): Promise<Asked[] | undefined> {
  const call = await callAdapter(parts, 'poll', async () => {
    const adapter = adapterOf(parts, distributor);
    if (adapter.getStatuses === undefined) throw new Error(`bug: ${distributor.type} has no getStatuses`);
    return adapter.getStatuses(handles);
  });
  if ('error' in call) {
    const error = pollError(call);
    return error.transient ? handles.map(() => ({ error })) : undefined;
  }
  return handles.map((_, i) => (call.value[i] === undefined ? NOT_ANSWERED : readAnswer(call.value[i])));
}

function readAnswer(answer: unknown): Asked {
  try {
    if (answer instanceof Error) throw answer;
    return statusOrAgain(answer);
  } catch (thrown) {
    return { error: pollError({ error: callError('poll', thrown), thrown }) };
  }
}

async function mapLimited<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  async function worker(): Promise<void> {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index]!, index);
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
}
