/**
 * List prices in US dollars without free tiers, us-central1, as of November 2026. They change: what is computed from them
 * holds for this table.
 */
export const PRICES = {
  reads: { dollars: 0.03, per: 100_000, source: 'https://cloud.google.com/firestore/pricing' },
  writes: { dollars: 0.09, per: 100_000, source: 'https://cloud.google.com/firestore/pricing' },
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

export const MIN_MESSAGE_BYTES = 1000;

/** Dollars for each of what was used. */
export function costs<U extends Usage>(usage: U): Record<keyof U, number> {
  const entries = Object.entries(usage) as [keyof typeof PRICES, number][];
  return Object.fromEntries(
    entries.map(([what, amount]) => [what, (amount * PRICES[what].dollars) / PRICES[what].per]),
  ) as Record<keyof U, number>;
}

export function totalOf(parts: Record<string, number>): number {
  return Object.values(parts).reduce((sum, part) => sum + part, 0);
}
