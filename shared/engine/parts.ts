import type { HttpClient } from '../adapters/contract.ts';
import type { Distributors } from '../adapters/distributors.ts';
import { createRegistry, type Registry, type Types } from '../adapters/registry.ts';
import type { Context } from '../core/decide/decision.ts';
import type { Clock, Log, Queue, Random, Store, Topic } from '../core/ports.ts';
import type { Keyring } from '../core/tokens.ts';
import { createQuestCache, type QuestCache } from './quest-cache.ts';
import { type Outboxes, servicesFactory } from './services.ts';

/** What an engine is made of; all of it is created once per instance and handed in. */
export interface EngineOptions {
  store: Store;
  queue: Queue;
  topic: Topic;
  clock: Clock;
  random: Random;
  log: Log;
  http: HttpClient;
  keyring: Keyring;
  types: Types;
  distributors: Distributors;
  /** Where jobs reach the public `job` function, without a trailing slash. */
  jobUrl: string;
  /** Reads `env:NAME`. Throws when there is no such secret. */
  secret(reference: string): string;
  /** An OAuth access token of the identity that we run under. */
  accessToken(scope: string): Promise<string>;
}

/** The options and what the engine's files share. */
export interface Parts extends EngineOptions {
  registry: Registry;
  quests: QuestCache;
  outboxes: Outboxes;
  /** How many slots of each use there are, as far as this instance knows. */
  opened: Map<string, number>;
  /** The last of those in this instance that start attempts of a distributor, one after the other. */
  turns: Map<string, Promise<void>>;
  /** Time and chance, as decisions take them. */
  context(): Context;
  /** Counts what an operator may want to know of; returns how often it has happened in this instance. */
  count(event: string): number;
}

export function assemble(options: EngineOptions): Parts {
  const outboxes: Outboxes = new Map();
  const counters = new Map<string, number>();
  const { types, distributors, clock, random } = options;
  return {
    ...options,
    outboxes,
    opened: new Map(),
    turns: new Map(),
    registry: createRegistry({ types, distributors, servicesFor: servicesFactory(options, outboxes) }),
    quests: createQuestCache(options.store),
    context: () => ({ now: clock.now(), random: random.fraction() }),
    count(event) {
      const times = (counters.get(event) ?? 0) + 1;
      counters.set(event, times);
      return times;
    },
  };
}
