import { z } from 'zod';
import { InvalidArgument } from '../../core/errors.ts';
import type { QuestDesc } from '../../core/quest.ts';
import { parseWith } from '../../core/validation.ts';
import { PARAMETERS_VARIABLE, parametersJson, recordOf } from '../job-environment.ts';

/** Linux takes 128 KiB a variable; servers on Kubernetes keep the whole task in annotations of at most 256 KiB. */
const MAX_PARAMETERS_BYTES = 32 * 1024;
/** What every server must take at least (tesInput.content). */
const MAX_CONTENT_BYTES = 128 * 1024;
const MAX_EXECUTORS = 100;

const text = z.string().min(1);
const path = z.string().regex(/^\//, 'must be an absolute path');
const fileType = z.enum(['FILE', 'DIRECTORY']);

/** Servers run more than shells: any name that an environment can hold. */
function problemOfVariable(name: string): string | undefined {
  if (name === PARAMETERS_VARIABLE) return 'is set by the distributor';
  return /^[^=\0]+$/.test(name) ? undefined : 'must be a name of a variable';
}

const executorSchema = z.strictObject({
  image: text,
  command: z.array(z.string()).min(1),
  workdir: path.optional(),
  stdin: path.optional(),
  stdout: path.optional(),
  stderr: path.optional(),
  env: recordOf(z.string(), problemOfVariable).default({}),
  ignore_error: z.boolean().optional(),
});

const inputSchema = z
  .strictObject({
    name: text.optional(),
    description: text.optional(),
    url: text.optional(),
    path,
    type: fileType.optional(),
    content: text
      .refine(content => Buffer.byteLength(content) <= MAX_CONTENT_BYTES, `is more than ${MAX_CONTENT_BYTES} bytes`)
      .optional(),
    streamable: z.boolean().optional(),
  })
  .refine(({ url, content }) => (url === undefined) !== (content === undefined), 'must have either url or content')
  .refine(({ content, type }) => content === undefined || type !== 'DIRECTORY', 'content cannot be a DIRECTORY');

const outputSchema = z
  .strictObject({
    name: text.optional(),
    description: text.optional(),
    url: text,
    path,
    path_prefix: text.optional(),
    type: fileType.optional(),
  })
  .refine(output => !/[*?[]/.test(output.path) || output.path_prefix !== undefined, {
    error: 'is needed where the path holds wildcards',
    path: ['path_prefix'],
  });

/** The fields of a task that a quest may choose, by their names in the API, so that a task can be copied into a quest. */
const taskSchema = z.strictObject({
  executors: z.array(executorSchema).min(1).max(MAX_EXECUTORS),
  inputs: z.array(inputSchema).optional(),
  outputs: z.array(outputSchema).optional(),
  resources: z
    .strictObject({
      cpu_cores: z.int().min(1).optional(),
      ram_gb: z.number().positive().optional(),
      disk_gb: z.number().positive().optional(),
      preemptible: z.boolean().optional(),
      zones: z.array(text).optional(),
    })
    .optional(),
  volumes: z.array(path).optional(),
});

export type TaskParameters = z.infer<typeof taskSchema> & {
  /** The value of `QUEST_PARAMETERS`. */
  questParameters: string;
};

/** What the quest asks for. Throws InvalidArgument naming the field. */
export function parametersOf(quest: QuestDesc): TaskParameters {
  const { distributorParameters, meta } = quest;
  const parameters = parseWith(taskSchema, distributorParameters, 'distributorParameters');
  if (meta.asAccount !== undefined)
    throw new InvalidArgument('meta.asAccount', 'is nothing that a TES server knows: tasks belong to who calls it');
  return { ...parameters, questParameters: parametersJson(quest, MAX_PARAMETERS_BYTES) };
}
