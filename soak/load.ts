import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../shared/core/errors.ts';
import { attemptId } from '../shared/core/ids.ts';
import { normalizeQuest } from '../shared/core/quest.ts';
import type { Stream } from '../simulate/random.ts';
import { type Client, Refused } from './client.ts';
import { KIND_NAMES, type KindName, kindOf, type Order, type World } from './kinds.ts';
import type { Ledger } from './ledger.ts';

export interface LoadOptions {
  client: Client;
  ledger: Ledger;
  world: World;
  random: Stream;
  /** How many clients there are; each has one order at a time. */
  clients: number;
}

const WORK_MS = { from: 20, to: 1500 };
const ANSWER_MS = { from: 0, to: 150 };
/** How often a client asks for two attempts of the same quest. */
const TWO_ATTEMPTS = 0.1;

/** Orders work until `signal` aborts. Resolves when all that was ordered is over. */
export async function runLoad(options: LoadOptions, signal: AbortSignal): Promise<void> {
  const { random, clients } = options;
  const nextKind = kindsByWeight(random);
  let n = 0;
  const client = async () => {
    while (!signal.aborted) {
      n += 1;
      const workMs = random.between(WORK_MS.from, WORK_MS.to);
      const order = { n, workMs, answerMs: random.between(ANSWER_MS.from, ANSWER_MS.to) };
      await place(options, nextKind(), order, random.chance(TWO_ATTEMPTS) ? [1, 2] : [1]);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
}

/** Deals cards, so that even a short load has some of each kind. */
function kindsByWeight(random: Stream): () => KindName {
  let cards: KindName[] = [];
  return () => {
    if (cards.length === 0) cards = KIND_NAMES.flatMap(name => Array.from({ length: kindOf(name).weight }, () => name));
    const [card] = cards.splice(random.between(0, cards.length - 1), 1);
    return card!;
  };
}

async function place({ client, ledger, world }: LoadOptions, name: KindName, order: Order, attempts: number[]) {
  const { desc, source, cancelAfterMs } = kindOf(name);
  const description = desc(order, world);
  const { id: quest } = normalizeQuest(description);
  const entries = attempts.map(attempt => ({
    attempt,
    id: attemptId(quest, attempt),
    entry: { kind: name, acknowledged: false, ...(typeof source === 'function' && { foretold: source(order) }) },
  }));
  for (const { id, entry } of entries) ledger.entries.set(id, entry);

  const refusable = async (id: string, calls: () => Promise<void>) => {
    try {
      await calls();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      ledger.refusals.push({ id, why: messageOf(error) });
    }
  };
  await refusable(quest, async () => {
    const given = await client.ensure(description, attempts);
    if (given !== quest) throw new Refused(`the quest was given the id ${given}`);
    for (const { entry } of entries) entry.acknowledged = true;
  });
  await Promise.all(
    entries.map(({ id, attempt, entry }) =>
      refusable(id, async () => {
        if (!entry.acknowledged) return;
        if (cancelAfterMs !== undefined) {
          await sleep(cancelAfterMs(order));
          ledger.see(await client.cancel(quest, attempt));
        }
        for (;;) {
          const shown = await client.wait(quest, attempt);
          ledger.see(shown);
          if (shown.result !== undefined) return;
        }
      }),
    ),
  );
}
