import { z } from 'zod';
import { InvalidArgument } from '../../core/errors.ts';
import { parseJson } from '../../core/json.ts';
import type { QuestDesc } from '../../core/quest.ts';
import { type TaskResult, taskResultSchema } from '../../core/result.ts';
import { parseWith } from '../../core/validation.ts';
import type { Values, Wanted } from './deps.ts';
import { countOf, type Phrase } from './schema.ts';

const MIB = 1024 * 1024;
/** What the `job` function takes for a call of ensureGraphData. */
const MAX_ASK_BYTES = 4 * MIB;
/** Of results in one answer. Those of simulated jobs have some 50 bytes, so that of the most attempts all have room. */
const MAX_RESULT_BYTES = 8 * MIB;
/** The most that a function answers (https://cloud.google.com/run/quotas). */
export const MAX_ANSWER_BYTES = 32 * MIB;

/** The body of a call of ensureGraphData: the same quest as one's own, but for the phrase. */
export function askFor(own: QuestDesc, wanted: readonly Wanted[]): object {
  return {
    quests: wanted.map(({ phrase, attempts }) => ({ desc: { ...own, parameters: phrase }, attempts })),
    include: { attempt: { result: true } },
    limit: { maxDataSize: MAX_RESULT_BYTES },
  };
}

const answerSchema = z.object({
  shouldHalt: z.boolean(),
  questIds: z.array(z.string()),
  graph: z.object({
    quests: z.record(
      z.string(),
      z.object({
        attempts: z.record(
          z.string(),
          z.object({ result: taskResultSchema.optional(), resultWithheld: z.string().optional() }),
        ),
      }),
    ),
  }),
});

/**
 * What ensureGraphData answered: the values in the order of `wanted`, or that the execution has to halt. Throws for an answer
 * from which no sum can be made.
 */
export function readAnswer(body: string, wanted: readonly Wanted[]): Values[] | 'halt' {
  const { shouldHalt, questIds, graph } = parseWith(answerSchema, parseJson(body) ?? null, 'answer');
  if (shouldHalt) return 'halt';
  return wanted.map(({ attempts }, i) => {
    const quest = questIds[i] ?? '';
    return attempts.map(number => {
      const { result, resultWithheld = 'missing' } = graph.quests[quest]?.attempts[number] ?? {};
      if (result === undefined)
        throw new Error(`the result of ${quest}|${number} is not in the answer: ${resultWithheld}`);
      return valueOf(result);
    });
  });
}

const successSchema = z.object({
  success: z.literal(true),
  value: z
    .string()
    .regex(/^-?\d+$/, 'must be a whole number')
    .transform(Number)
    .refine(Number.isSafeInteger, 'is too large to be exact'),
});

/** Whatever is no success has failed. Throws for a success without a value that can be added. */
function valueOf(result: TaskResult): number | undefined {
  if ('abnormalFinish' in result || result.data.success !== true) return undefined;
  return parseWith(successSchema, result.data, 'result.data').value;
}

/** A name and a seed that are added to a phrase. */
const ADDED_BYTES = 64;
const NUMBER_BYTES = '2147483647,'.length;

/**
 * Throws InvalidArgument, naming the field, when some stage, however deep, would ask for more than goes into one call. An
 * estimate from above: what is let through can be asked for.
 */
export function checkAsks(own: QuestDesc, phrase: Phrase): void {
  checkStages(phrase, 'parameters', bytesOf({ desc: { ...own, parameters: {} }, attempts: [] }));
}

function checkStages({ stages }: Phrase, field: string, frameBytes: number): void {
  for (const [at, { deps: stage }] of stages.entries()) {
    const deps = stage?.deps ?? [];
    const here = `${field}.stages[${at}].deps.deps`;
    const bytes = deps
      .map(dependency => {
        const each = frameBytes + bytesOf(dependency.phrase) + ADDED_BYTES;
        return (dependency.shards ?? 1) * each + countOf(dependency) * NUMBER_BYTES;
      })
      .reduce((sum, size) => sum + size, bytesOf(askFor({} as QuestDesc, [])));
    if (bytes > MAX_ASK_BYTES)
      throw new InvalidArgument(here, `takes a request of ${bytes} bytes, more than ${MAX_ASK_BYTES}`);
    for (const [i, { phrase }] of deps.entries()) checkStages(phrase, `${here}[${i}].phrase`, frameBytes);
  }
}

function bytesOf(value: object): number {
  return Buffer.byteLength(JSON.stringify(value));
}
