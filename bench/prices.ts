import type { Figure } from './figures.ts';

/**
 * List prices in US dollars without free tiers, us-central1, as of November 2026. They change: what is computed from them
 * holds for this table.
 */
export const PRICES = {
  reads: { dollars: 0.03, per: 100_000, source: 'https://cloud.google.com/firestore/pricing' },
  writes: { dollars: 0.09, per: 100_000, source: 'https://cloud.google.com/firestore/pricing' },
  deletes: { dollars: 0.01, per: 100_000, source: 'https://cloud.google.com/firestore/pricing' },
  /** A create and each delivery are an operation; so is each further 32 KB. */
  taskOperations: { dollars: 0.4, per: 1_000_000, source: 'https://cloud.google.com/tasks/docs/pricing' },
  /** Published and delivered; at least 1,000 B a request. */
  messageBytes: { dollars: 40, per: 2 ** 40, source: 'https://cloud.google.com/pubsub/pricing' },
  requests: { dollars: 0.4, per: 1_000_000, source: 'https://cloud.google.com/run/pricing' },
  /** Request-based billing, tier 1. */
  vcpuSeconds: { dollars: 0.000024, per: 1, source: 'https://cloud.google.com/run/pricing' },
  gibSeconds: { dollars: 0.0000025, per: 1, source: 'https://cloud.google.com/run/pricing' },
  schedulerJobMonths: { dollars: 0.1, per: 1, source: 'https://cloud.google.com/scheduler/pricing' },
  secretVersionMonths: { dollars: 0.06, per: 1, source: 'https://cloud.google.com/secret-manager/pricing' },
} as const;

export type Usage = Partial<Record<keyof typeof PRICES, number>>;

/** An instance as deploy.sh asks for it. */
export const INSTANCE = { vcpu: 1, gib: 0.5 } as const;

export const SECONDS_PER_MONTH = 730 * 3600;

/** Dollars for each of what was used. */
export function costs(usage: Usage): Usage {
  const entries = Object.entries(usage) as [keyof Usage, number][];
  return Object.fromEntries(
    entries.map(([what, amount]) => [what, (amount * PRICES[what].dollars) / PRICES[what].per]),
  );
}

export function totalOf(parts: Usage): number {
  return Object.values(parts).reduce((sum, part) => sum + part, 0);
}

const LABELS: Readonly<Record<keyof Usage, string>> = {
  reads: 'document reads',
  writes: 'document writes',
  deletes: 'document deletes',
  taskOperations: 'tasks, created and delivered',
  messageBytes: 'messages, published and delivered',
  requests: 'function calls',
  vcpuSeconds: 'processors of instances',
  gibSeconds: 'memory of instances',
  schedulerJobMonths: 'scheduler job',
  secretVersionMonths: 'signing key',
};

/** A figure for each. */
export function dollars(parts: Usage, unit: string): Figure[] {
  return Object.entries(parts).map(([what, amount]) => ({ name: LABELS[what as keyof Usage], unit, runs: [amount] }));
}

/** Of one instance. */
export function instanceUsage(seconds: number): Usage {
  return { vcpuSeconds: seconds * INSTANCE.vcpu, gibSeconds: seconds * INSTANCE.gib };
}

export function mapUsage(usage: Usage, change: (amount: number) => number): Usage {
  return Object.fromEntries(Object.entries(usage).map(([what, amount]) => [what, change(amount)]));
}
