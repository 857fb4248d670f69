import { parseDuration } from '../../core/duration.ts';
import { type JsonObject, sha256 } from '../../core/json.ts';
import type { ResultData } from '../../core/result.ts';
import { addExactly, type Wanted, wantedOf } from './deps.ts';
import type { Progress } from './progress.ts';
import type { Phrase } from './schema.ts';

export type Action =
  | { kind: 'wait'; delayMs: number; progress: Progress }
  /** `settle` tells how it goes on when all of them are over; until then the progress stays. */
  | { kind: 'ask'; wanted: Wanted[]; progress: Progress }
  | { kind: 'finish'; result: ResultData; progress: Progress };

const FAILURE: ResultData = { data: { success: false } };

/** What a job does next. Always the same for the same arguments, so that a restarted job does not do otherwise. */
export function step(phrase: Phrase, progress: Progress, attempt: number): Action {
  const { stage, sum, failed } = progress;
  const { seed = 0 } = phrase;
  if (failed) return { kind: 'finish', result: FAILURE, progress };
  for (let at = stage; ; at++) {
    const reached = at === stage ? progress : { stage: at, sum };
    const current = phrase.stages[at];
    if (current === undefined) return { kind: 'finish', result: goodEnd(phrase, sum), progress: reached };
    if (current.failure && fractionOf(seed, attempt, at) < current.failure.chance)
      return { kind: 'finish', result: FAILURE, progress: reached };
    if (current.stall)
      return { kind: 'wait', delayMs: parseDuration(current.stall.delay), progress: { stage: at + 1, sum } };
    if (current.deps) return { kind: 'ask', wanted: wantedOf(current.deps, seed, reached), progress: reached };
  }
}

function goodEnd({ returnStage }: Phrase, sum: number): ResultData {
  const data: JsonObject = { success: true, value: String(addExactly(sum, returnStage?.retval ?? 0)) };
  const expiration = returnStage?.expiration;
  return expiration === undefined ? { data } : { data, expiration };
}

/** In [0, 1), evenly spread. */
function fractionOf(seed: number, attempt: number, stage: number): number {
  return sha256(`${seed} ${attempt} ${stage}`).readUIntBE(0, 6) / 2 ** 48;
}
