/** `RetryConfig` and `RateLimits` of a queue (google/cloud/tasks/v2/queue.proto). */
export interface QueueConfig {
  /** The first one counts; -1 means no end. */
  maxAttempts: number;
  minBackoffMs: number;
  maxBackoffMs: number;
  maxDoublings: number;
  maxConcurrent: number;
  maxDispatchesPerSecond: number;
}

/** Cloud Tasks' own, but a wait of an hour at most, and 1,000 at once, is more than one machine and its user bear. */
export const DEFAULT_CONFIG: QueueConfig = {
  maxAttempts: 100,
  minBackoffMs: 100,
  maxBackoffMs: 60_000,
  maxDoublings: 16,
  maxConcurrent: 256,
  maxDispatchesPerSecond: 500,
};

/** Before the n-th retry: the interval doubles `maxDoublings` times, and from then on grows by what it has reached. */
export function retryIntervalMs(
  { minBackoffMs, maxBackoffMs, maxDoublings }: Pick<QueueConfig, 'minBackoffMs' | 'maxBackoffMs' | 'maxDoublings'>,
  retry: number,
): number {
  const doublings = Math.min(retry - 1, maxDoublings);
  const further = retry - 1 - doublings;
  return Math.min(maxBackoffMs, minBackoffMs * 2 ** doublings * (1 + further));
}
