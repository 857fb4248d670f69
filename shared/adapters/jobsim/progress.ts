import { z } from 'zod';
import { numberSchema } from '../../core/attempt.ts';

/** How far a job is. It is the job's persistent state, and all that what it does next rests on besides its quest. */
export const progressSchema = z.strictObject({
  /** The next stage, from 0. */
  stage: z.int().min(0),
  /** What the stages added up to, and of the next one the dependencies that have succeeded already. */
  sum: z.int(),
  /** Of the next stage, once all its quests were over: those that failed, by their places, get this attempt. */
  retry: z.strictObject({ attempt: numberSchema, places: z.array(z.int().min(0)).min(1) }).optional(),
  /** A dependency of the next stage failed for good. */
  failed: z.literal(true).optional(),
});
export type Progress = z.infer<typeof progressSchema>;
