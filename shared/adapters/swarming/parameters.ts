import { z } from 'zod';
import { durationSchema, parseDuration } from '../../core/duration.ts';
import { InvalidArgument } from '../../core/errors.ts';
import type { QuestDesc } from '../../core/quest.ts';
import { parseWith } from '../../core/validation.ts';
import { chosen } from '../allow-list.ts';
import { parametersJson, plainText, recordOf, variableProblem } from '../job-environment.ts';
import { prioritySchema, type SwarmingConfig } from './config.ts';

/**
 * What a quest says of its task. The limits, in bytes, are those of the server's tasks_new_task.go and validate.go:
 * https://github.com/luci/luci-go/tree/main/swarming/server/rpcs and …/swarming/server/validate.
 */

/** The tag that a task is found by; its value is the execution's name. */
export const EXECUTION_TAG = 'distributor_execution';

export const MIN_TIMEOUT_SECONDS = 30;
/** With the longest grace period and a minute more: seven days, the most that a bot is leased for. */
export const MAX_RUN_SECONDS = 7 * 24 * 60 * 60 - 60 * 60 - 60;

const MAX_ARGUMENTS = 128;
const MAX_VARIABLES = 64;
const MAX_VARIABLE_BYTES = 1024;
const MAX_CACHES = 32;
const MAX_CIPD_PACKAGES = 64;
const MAX_OUTPUTS = 4096;
const MAX_TAGS = 256;
const MAX_KEY_BYTES = 64;
const MAX_VALUE_BYTES = 256;
const MAX_PATH_BYTES = 256;
const MAX_OUTPUT_PATH_BYTES = 512;

const fits = (value: string, maxBytes: number) => Buffer.byteLength(value) <= maxBytes;
const isTrimmed = (value: string) => value === value.trim();

const textOf = (maxBytes: number) => plainText.refine(value => fits(value, maxBytes), `is more than ${maxBytes} bytes`);

/** Below the task's folder. Swarming refuses a path that could be written shorter. */
const pathOf = (maxBytes: number) =>
  textOf(maxBytes).refine(
    value => value === '.' || value.split('/').every(part => !/^\.{0,2}$|\\/.test(part)),
    'must be a relative path such as "a/b", without "\\" and empty, "." or ".." parts',
  );

const problemOfVariable = (name: string) => variableProblem(name, { maxCharacters: MAX_KEY_BYTES });

function dimensionProblem(key: string): string | undefined {
  if (key === 'pool') return 'is given by distributorParameters.pool';
  return /^[A-Za-z._-][\w.-]{0,63}$/.test(key) ? undefined : 'is not a name of at most 64 characters [A-Za-z0-9_.-]';
}

/** `a|b` is either; the values of a list are all asked for. */
const dimensionValue = plainText.refine(
  value => value.split('|').every(one => one !== '' && isTrimmed(one) && fits(one, MAX_VALUE_BYTES)),
  `must be 1 to ${MAX_VALUE_BYTES} bytes without spaces around them, or several of that between "|"`,
);

const tag = plainText.superRefine((value, context) => {
  const [, key = '', rest = ''] = /^([^:]*):(.*)$/s.exec(value) ?? [];
  const sound = key !== '' && fits(key, MAX_KEY_BYTES) && isTrimmed(rest) && fits(rest, MAX_VALUE_BYTES);
  const message = `must be "key:value" of at most ${MAX_KEY_BYTES} and ${MAX_VALUE_BYTES} bytes, without spaces around the value`;
  if (!sound) context.addIssue({ code: 'custom', message });
  else if (key === EXECUTION_TAG || key === 'swarming.terminate')
    context.addIssue({ code: 'custom', message: 'has a key that is not for quests' });
});

const cipdPackage = z.strictObject({
  /** May hold `${platform}`, `${os}` and `${arch}`. */
  packageName: plainText.regex(/^(?:[a-z0-9_./-]|\$\{[^}]+\}){1,400}$/, 'must be the name of a CIPD package'),
  /** An instance id, a tag or a ref: https://github.com/luci/luci-go/blob/main/cipd/common/common.go */
  version: plainText.regex(/^[A-Za-z0-9$()*+,\-./:;<=>@\\_{}~ ]{1,400}$/, 'must be a version of a CIPD package'),
  path: pathOf(MAX_PATH_BYTES).default('.'),
});
export type CipdPackage = z.infer<typeof cipdPackage>;

/** An instance id (SHA-1, or a digest with its algorithm) or a tag; a ref such as `latest` moves. */
function isPinned({ version }: CipdPackage): boolean {
  return /^[0-9a-f]{40}$|^[\w-]{44}$|:/.test(version);
}

const taskSchema = z
  .strictObject({
    name: textOf(MAX_VALUE_BYTES).min(1).optional(),
    command: z.array(plainText).min(1).max(MAX_ARGUMENTS),
    relativeCwd: pathOf(MAX_PATH_BYTES).optional(),
    env: recordOf(textOf(MAX_VARIABLE_BYTES), problemOfVariable)
      .refine(env => Object.keys(env).length < MAX_VARIABLES, `must be fewer than ${MAX_VARIABLES}`)
      .default({}),
    envPrefixes: recordOf(z.array(pathOf(MAX_VARIABLE_BYTES)).min(1), problemOfVariable)
      .refine(env => Object.keys(env).length <= MAX_VARIABLES, `must be at most ${MAX_VARIABLES}`)
      .default({}),
    pool: z.string().optional(),
    dimensions: recordOf(z.union([dimensionValue, z.array(dimensionValue).min(1)]), dimensionProblem).default({}),
    realm: z.string().optional(),
    casInstance: z.string().optional(),
    casInputRoot: z
      .strictObject({
        hash: z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in hexadecimal'),
        sizeBytes: z.int().min(0),
      })
      .optional(),
    cipdPackages: z.array(cipdPackage).max(MAX_CIPD_PACKAGES).default([]),
    caches: z
      .array(
        z.strictObject({
          name: z.string().regex(/^[a-z0-9_]{1,128}$/, 'must be 1 to 128 characters [a-z0-9_]'),
          path: pathOf(MAX_PATH_BYTES),
        }),
      )
      .max(MAX_CACHES)
      .default([]),
    outputs: z.array(pathOf(MAX_OUTPUT_PATH_BYTES)).max(MAX_OUTPUTS).default([]),
    ioTimeout: durationSchema
      .refine(value => {
        const seconds = parseDuration(value) / 1000;
        return seconds >= MIN_TIMEOUT_SECONDS && seconds <= MAX_RUN_SECONDS;
      }, `must be from "${MIN_TIMEOUT_SECONDS}s" to "${MAX_RUN_SECONDS}s"`)
      .optional(),
    idempotent: z.boolean().default(false),
    waitForCapacity: z.boolean().default(false),
    priority: prioritySchema.optional(),
    tags: z
      .array(tag)
      .max(MAX_TAGS - 1)
      .default([]),
  })
  .superRefine(({ idempotent, cipdPackages }, context) => {
    const message = 'must be an instance id or a tag, as the task is idempotent';
    for (const [i, one] of cipdPackages.entries())
      if (idempotent && !isPinned(one))
        context.addIssue({ code: 'custom', message, path: ['cipdPackages', i, 'version'] });
  });

export type TaskParameters = z.infer<typeof taskSchema> & {
  pool: string;
  priority: number;
  serviceAccount: string | undefined;
  /** The value of `QUEST_PARAMETERS`. */
  questParameters: string;
};

/** What the quest asks for, with the distributor's defaults. Throws InvalidArgument naming the field. */
export function parametersOf(quest: QuestDesc, config: SwarmingConfig): TaskParameters {
  const { distributorParameters, meta } = quest;
  const { pools, realms, serviceAccounts, casInstances } = config;
  const parameters = parseWith(taskSchema, distributorParameters, 'distributorParameters');
  const { pool, realm, casInstance, priority = config.priority, casInputRoot, outputs, idempotent } = parameters;
  const refuse = (field: string, problem: string): never => {
    throw new InvalidArgument(`distributorParameters.${field}`, problem);
  };

  const missing = "needs a CAS instance, and the distributor's config names none";
  if (casInstances === undefined && casInputRoot !== undefined) refuse('casInputRoot', missing);
  if (casInstances === undefined && outputs.length > 0) refuse('outputs', missing);
  // Swarming would answer with the result of another task, and nobody would ever activate.
  if (idempotent && meta.mode === 'interactive')
    refuse('idempotent', 'is not for interactive quests: their jobs must run');
  return {
    ...parameters,
    pool: chosen('distributorParameters.pool', pool, pools),
    realm: chosen('distributorParameters.realm', realm, realms),
    casInstance: chosen('distributorParameters.casInstance', casInstance, casInstances),
    priority,
    serviceAccount: chosen('meta.asAccount', meta.asAccount, serviceAccounts),
    questParameters: parametersJson(quest, MAX_VARIABLE_BYTES),
  };
}
