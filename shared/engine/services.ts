import type { Services } from '../adapters/contract.ts';
import { InvalidArgument } from '../core/errors.ts';
import type { AdapterTask, PinnedDistributor } from '../core/execution.ts';
import { type ExecutionId, shardOf } from '../core/ids.ts';
import { canonicalJson, type JsonObject } from '../core/json.ts';
import type { QueueTask } from '../core/ports.ts';
import type { EngineOptions } from './parts.ts';

/** Calls of `run` that are under way, and the tasks that they have enqueued so far. */
export type Outboxes = Map<ExecutionId, AdapterTask[]>;

const MAX_PAYLOAD_BYTES = 16 * 1024;

/** What each distributor instance gets of the system. */
export function servicesFactory(
  options: EngineOptions,
  outboxes: Outboxes,
): (distributor: PinnedDistributor) => Services {
  const { store, queue, http, clock, log, random, secret, accessToken } = options;
  return distributor => ({
    http,
    clock,
    log,
    random: () => random.fraction(),
    secret,
    accessToken,
    documents: store.adapterDocuments(distributor.type),
    async enqueueTask({ executionId, payload, delayMs }) {
      const text = canonicalJson(payload);
      if (Buffer.byteLength(text) > MAX_PAYLOAD_BYTES) {
        throw new InvalidArgument('payload', `must be at most ${MAX_PAYLOAD_BYTES} bytes of JSON`);
      }
      // As it is now, and fit to be stored: the adapter may go on to change its object.
      const task: AdapterTask = {
        payload: JSON.parse(text) as JsonObject,
        ...(delayMs !== undefined && { delayMs: Math.max(0, Math.ceil(delayMs)) }),
      };
      // Within `run` the token is not recorded yet; a task that ran before that could not be told from a stranger's.
      const outbox = executionId && outboxes.get(executionId);
      if (outbox) outbox.push(task);
      else await queue.enqueue(adapterQueueTask(distributor, executionId, task, clock.now()));
    },
  });
}

/** A task pins type and config, so that it meets the same adapter whatever is deployed meanwhile. */
export function adapterQueueTask(
  { name, type, version, config }: PinnedDistributor,
  executionId: ExecutionId | undefined,
  { payload, delayMs }: AdapterTask,
  now: number,
): QueueTask {
  const body = { type, version, config, payload };
  return {
    path: `distributor/${name}`,
    body: executionId === undefined ? body : { ...body, executionId },
    shard: shardOf(executionId ?? name),
    ...(delayMs !== undefined && delayMs > 0 && { at: now + delayMs }),
  };
}
