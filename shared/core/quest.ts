import { z } from 'zod';
import { durationSchema, parseDuration } from './duration.ts';
import { isQuestId, type QuestId, questId } from './ids.ts';
import { canonicalJson, canonicalObject, isJsonObject, type JsonObject, jsonObjectSchema, sha256 } from './json.ts';
import { parseWith } from './validation.ts';

export const MODES = ['interactive', 'unattended'] as const;
/** Whether the job calls back (`interactive`) or knows nothing of us (`unattended`). */
export type Mode = (typeof MODES)[number];

/** The failure classes that may be retried, by their name in `meta.retry`. */
export const RETRY_CLASSES = ['failed', 'crashed', 'expired', 'timedOut', 'preempted'] as const;
export type RetryClass = (typeof RETRY_CLASSES)[number];

const budget = z.int().min(0).max(1000).optional();
const duration = durationSchema.optional();

const metaSchema = z.strictObject({
  mode: z.enum(MODES).optional(),
  /** The account that the job should act as; its meaning is the distributor's. */
  asAccount: z.string().min(1).max(256).optional(),
  retry: z
    .strictObject({ failed: budget, crashed: budget, expired: budget, timedOut: budget, preempted: budget })
    .optional(),
  backoff: z
    .strictObject({ initial: duration, multiplier: z.number().min(1).max(100).optional(), max: duration })
    .optional(),
  timeouts: z
    .strictObject({
      start: duration,
      run: duration,
      stop: duration.refine(text => text === undefined || parseDuration(text) > 0, 'must not be unlimited ("0s")'),
    })
    .optional(),
});

const questDescSchema = z.strictObject({
  distributorConfigName: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, 'must be a distributor name of 1 to 100 characters [A-Za-z0-9._-]'),
  parameters: jsonObjectSchema.default({}),
  distributorParameters: jsonObjectSchema.default({}),
  meta: metaSchema.default({}),
});

/** What to run, normalized: equal work has equal descriptions. */
export type QuestDesc = z.infer<typeof questDescSchema>;

export const questIdSchema = z.custom<QuestId>(
  value => typeof value === 'string' && isQuestId(value),
  'must be a quest id',
);

export const questSchema = z.object({ id: questIdSchema, desc: questDescSchema, createdAt: z.number() });
export type Quest = z.infer<typeof questSchema>;

/** Validates and normalizes a description from outside. Throws InvalidArgument naming the field below `field`. */
export function normalizeQuest(input: unknown, field = 'desc'): { id: QuestId; desc: QuestDesc } {
  const desc = parseWith(questDescSchema, input, field);
  canonicalObject(desc.parameters, `${field}.parameters`);
  canonicalObject(desc.distributorParameters, `${field}.distributorParameters`);
  const meta = withoutEmpty({ ...desc.meta, retry: withoutZeros(desc.meta.retry) });
  // Canonical text is the one source of the id and of what is stored, so the two cannot differ.
  const text = canonicalJson({ ...desc, meta }, field);
  return { id: questIdOf(text), desc: JSON.parse(text) as QuestDesc };
}

function questIdOf(canonicalText: string): QuestId {
  return questId(sha256(canonicalText).toString('base64url'));
}

/** Absent and 0 both mean: never retry this class. */
function withoutZeros(retry: QuestDesc['meta']['retry']): JsonObject {
  return Object.fromEntries(Object.entries(retry ?? {}).filter(([, value]) => value)) as JsonObject;
}

/** Absent and `{}` mean the same in `meta`, at every level; absent keys cannot be written in JSON. */
function withoutEmpty(value: Record<string, unknown>): JsonObject {
  const entries = Object.entries(value)
    .filter(([, child]) => child !== undefined)
    .map(([key, child]) => [key, isJsonObject(child) ? withoutEmpty(child) : child] as const)
    .filter(([, child]) => !(isJsonObject(child) && Object.keys(child).length === 0));
  return Object.fromEntries(entries) as JsonObject;
}

export interface RetryPolicy {
  budgets: Readonly<Record<RetryClass, number>>;
  backoff: Backoff;
}

/** Delays of `initial`, `initial × multiplier`, … up to `max`, in milliseconds, before jitter. */
export interface Backoff {
  initialMs: number;
  multiplier: number;
  maxMs: number;
}

const DEFAULT_BACKOFF: Backoff = { initialMs: 1000, multiplier: 2, maxMs: 5 * 60_000 };

export function retryPolicy(desc: QuestDesc): RetryPolicy {
  const { retry = {}, backoff = {} } = desc.meta;
  return {
    budgets: Object.fromEntries(RETRY_CLASSES.map(name => [name, retry[name] ?? 0])) as Record<RetryClass, number>,
    backoff: {
      initialMs: optionalDuration(backoff.initial) ?? DEFAULT_BACKOFF.initialMs,
      multiplier: backoff.multiplier ?? DEFAULT_BACKOFF.multiplier,
      maxMs: optionalDuration(backoff.max) ?? DEFAULT_BACKOFF.maxMs,
    },
  };
}

export function optionalDuration(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseDuration(text);
}
