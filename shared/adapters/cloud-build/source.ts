import { z } from 'zod';
import type { JsonObject } from '../../core/json.ts';

/** https://cloud.google.com/storage/docs/objects#naming */
const MAX_OBJECT_CHARACTERS = 1024;

/** It comes back from the service, and must be fit to be stored then. */
const textOf = (characters: number) =>
  z
    .string()
    .min(1)
    .max(characters)
    .refine(text => text.isWellFormed(), 'holds half a character');
const directory = textOf(1000).optional();
const revision = textOf(500);

/** Where the files of `/workspace` come from, by the API's names. */
export const sourceSchema = z
  .strictObject({
    storageSource: z
      .strictObject({
        bucket: z.string().regex(/^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/, 'must be the name of a bucket'),
        object: textOf(MAX_OBJECT_CHARACTERS),
        /** An int64, which JSON writes as text. */
        generation: z
          .string()
          .regex(/^\d{1,19}$/, 'must be a generation in digits')
          .optional(),
      })
      .optional(),
    gitSource: z
      .strictObject({
        url: textOf(2000)
          .refine(text => URL.parse(text)?.protocol === 'https:', 'must be an https URL')
          .refine(isWithoutCredentials, 'must not hold credentials'),
        revision: revision.optional(),
        dir: directory,
      })
      .optional(),
    connectedRepository: z
      .strictObject({
        repository: textOf(1000).regex(
          /^projects\/[^/]+\/locations\/[^/]+\/connections\/[^/]+\/repositories\/[^/]+$/,
          'must be "projects/P/locations/L/connections/C/repositories/R"',
        ),
        revision,
        dir: directory,
      })
      .optional(),
  })
  .refine(
    source => Object.keys(source).length === 1,
    'must have one of storageSource, gitSource and connectedRepository',
  );

export type Source = z.infer<typeof sourceSchema>;

function isWithoutCredentials(text: string): boolean {
  const url = URL.parse(text);
  return url === null || url.username + url.password === '';
}

/** The same source at the very revision that an earlier execution of the attempt was given. */
export function pinSource(source: Source | undefined, previousState: JsonObject | undefined): Source | undefined {
  const pin = sourceSchema.safeParse(previousState?.source).data;
  if (source === undefined || pin === undefined) return source;
  const { storageSource, gitSource, connectedRepository } = source;
  const { storageSource: object, gitSource: git, connectedRepository: connected } = pin;
  if (storageSource && storageSource.bucket === object?.bucket && storageSource.object === object.object)
    return { storageSource: { ...storageSource, generation: object.generation ?? storageSource.generation } };
  if (gitSource && gitSource.url === git?.url)
    return { gitSource: { ...gitSource, revision: git.revision ?? gitSource.revision } };
  if (connectedRepository && connectedRepository.repository === connected?.repository)
    return { connectedRepository: { ...connectedRepository, revision: connected.revision } };
  return source;
}
