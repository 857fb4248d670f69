import { z } from 'zod';
import { durationSchema, parseDuration } from '../../core/duration.ts';
import { type JsonObject, sha256 } from '../../core/json.ts';
import type { ResultData } from '../../core/result.ts';

/** What a simulated job does. One key per stage names its kind. */
const stageSchema = z
  .strictObject({
    stall: z.strictObject({ delay: durationSchema }).optional(),
    failure: z.strictObject({ chance: z.number().min(0).max(1) }).optional(),
  })
  .refine(stage => Object.keys(stage).length === 1, 'must be exactly one of "stall" and "failure"');

export const phraseSchema = z.strictObject({
  /** Makes phrases differ that do the same. */
  name: z.string().optional(),
  seed: z.int().default(0),
  stages: z.array(stageSchema),
  returnStage: z.strictObject({ retval: z.int(), expiration: z.iso.datetime({ offset: true }).optional() }).optional(),
});
export type Phrase = z.infer<typeof phraseSchema>;

/** How far a job is: the next stage, and what the stages added up to. It is the job's persistent state. */
export const progressSchema = z.strictObject({ stage: z.int().min(0), sum: z.int() });
export type Progress = z.infer<typeof progressSchema>;

export type Action =
  | { kind: 'wait'; delayMs: number; progress: Progress }
  | { kind: 'finish'; result: ResultData; progress: Progress };

/** What a job does next. Always the same for the same arguments, so that a restarted job does not do otherwise. */
export function step(phrase: Phrase, { stage, sum }: Progress, attempt: number): Action {
  for (let at = stage; ; at++) {
    const current = phrase.stages[at];
    if (current === undefined) return { kind: 'finish', result: goodEnd(phrase, sum), progress: { stage: at, sum } };
    if (current.failure && fractionOf(phrase.seed, attempt, at) < current.failure.chance)
      return { kind: 'finish', result: { data: { success: false } }, progress: { stage: at, sum } };
    if (current.stall)
      return { kind: 'wait', delayMs: parseDuration(current.stall.delay), progress: { stage: at + 1, sum } };
  }
}

function goodEnd({ returnStage }: Phrase, sum: number): ResultData {
  const data: JsonObject = { success: true, value: String(sum + (returnStage?.retval ?? 0)) };
  const expiration = returnStage?.expiration;
  return expiration === undefined ? { data } : { data, expiration };
}

/** In [0, 1), evenly spread. */
function fractionOf(seed: number, attempt: number, stage: number): number {
  return sha256(`${seed} ${attempt} ${stage}`).readUIntBE(0, 6) / 2 ** 48;
}
