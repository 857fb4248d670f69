/** Milliseconds. */
export interface Interval {
  from: number;
  to: number;
}

const STEP_MS = 100;

/**
 * How long an instance is charged for that was busy at these times, in seconds. Cloud Run charges from the start of a
 * request to the end of the last one that overlaps it, rounded up to 100 ms (https://cloud.google.com/run/pricing).
 * A request that comes while the rest of such a step is paid for prolongs it.
 */
export function billedSeconds(busy: readonly Interval[]): number {
  let milliseconds = 0;
  let from = Number.NEGATIVE_INFINITY;
  let to = Number.NEGATIVE_INFINITY;
  for (const next of busy.toSorted((a, b) => a.from - b.from)) {
    if (next.from > from + rounded(to - from)) {
      milliseconds += rounded(to - from);
      from = next.from;
    }
    to = Math.max(to, next.to);
  }
  return (milliseconds + rounded(to - from)) / 1000;
}

function rounded(milliseconds: number): number {
  return Number.isNaN(milliseconds) ? 0 : Math.ceil(milliseconds / STEP_MS) * STEP_MS;
}

/** Cloud Run adds an instance above this part of a processor (https://cloud.google.com/run/docs/about-instance-autoscaling). */
const TARGET_UTILIZATION = 0.6;

/**
 * At most how long instances are charged for per execution, in seconds, at so many executions per second: each function
 * has as many instances as its processor time asks for, at least one, and none of them is ever without a request. `processorSeconds`
 * are those of each function per execution.
 */
export function instanceSecondsAt(rate: number, processorSeconds: readonly number[]): number {
  const instances = processorSeconds.map(seconds => Math.max(1, (rate * seconds) / TARGET_UTILIZATION));
  return instances.reduce((sum, one) => sum + one, 0) / rate;
}
