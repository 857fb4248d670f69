import { z } from 'zod';
import { numberSchema } from '../../core/attempt.ts';
import { durationSchema } from '../../core/duration.ts';

/** Of attempts that one stage asks for, all shards counted: `ensureGraphData` takes no more in one call. */
export const MAX_ATTEMPTS = 10_000;

function hasOneOf(...keys: string[]): [(value: object) => boolean, string] {
  return [value => Object.keys(value).length === 1, `must be exactly one of ${keys.map(key => `"${key}"`).join(', ')}`];
}

const rangeSchema = z
  .strictObject({ low: numberSchema, high: numberSchema })
  .refine(({ low, high }) => low <= high, { path: ['high'], error: 'must not be below "low"' });

const itemSchema = z
  .strictObject({ single: numberSchema.optional(), range: rangeSchema.optional() })
  .refine(...hasOneOf('single', 'range'));
type Item = z.infer<typeof itemSchema>;

/** The numbers of an item, both ends included. */
export function boundsOf({ single = 0, range = { low: single, high: single } }: Item): { low: number; high: number } {
  return range;
}

function rise(items: Item[]): boolean {
  const bounds = items.map(boundsOf);
  return bounds.every(({ low }, i) => i === 0 || low > bounds[i - 1]!.high);
}

const dependencySchema = z
  .strictObject({
    /** How many quests it makes, which differ by their names; one of the phrase's own name when absent. */
    shards: z.int().min(1).max(MAX_ATTEMPTS).optional(),
    /** These attempts of each quest, each of which must succeed; the first when absent. */
    attempts: z
      .strictObject({ items: z.array(itemSchema).min(1).refine(rise, 'must rise, each above the one before') })
      .optional(),
    /** How many attempts after the first may be asked for, one after the other, when they fail. */
    retries: z.int().min(0).max(1000).optional(),
    mixSeed: z.boolean().optional(),
    get phrase(): z.ZodType<Phrase> {
      return phraseSchema;
    },
  })
  .refine(({ attempts, retries }) => attempts === undefined || retries === undefined, {
    path: ['retries'],
    error: 'must not be given beside "attempts"',
  });
export type Dependency = z.infer<typeof dependencySchema>;

/** How many attempts a dependency asks for at first, in all its shards. */
export function countOf({ shards = 1, attempts }: Dependency): number {
  const numbers = attempts?.items.map(boundsOf).reduce((sum, { low, high }) => sum + high - low + 1, 0) ?? 1;
  return shards * numbers;
}

const depsSchema = z.strictObject({
  deps: z
    .array(dependencySchema)
    .min(1)
    .refine(
      deps => deps.map(countOf).reduce((sum, count) => sum + count, 0) <= MAX_ATTEMPTS,
      `must not ask for more than ${MAX_ATTEMPTS} attempts, shards included`,
    ),
});
export type DepsStage = z.infer<typeof depsSchema>;

/** One key names the kind of a stage. */
const stageSchema = z
  .strictObject({
    stall: z.strictObject({ delay: durationSchema }).optional(),
    failure: z.strictObject({ chance: z.number().min(0).max(1) }).optional(),
    deps: depsSchema.optional(),
  })
  .refine(...hasOneOf('stall', 'failure', 'deps'));

const returnStageSchema = z.strictObject({
  retval: z.int(),
  expiration: z.iso.datetime({ offset: true }).optional(),
});

/** What a simulated job does. */
export interface Phrase {
  /** Makes phrases differ that do the same. */
  name?: string | undefined;
  /** 0 when absent. */
  seed?: number | undefined;
  stages: z.infer<typeof stageSchema>[];
  returnStage?: z.infer<typeof returnStageSchema> | undefined;
}

export const phraseSchema: z.ZodType<Phrase> = z.strictObject({
  name: z.string().optional(),
  seed: z.int().optional(),
  stages: z.array(stageSchema),
  returnStage: returnStageSchema.optional(),
});
