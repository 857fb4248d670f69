import { z } from 'zod';
import { TransientError } from '../../core/errors.ts';
import { excerpt, HttpStatusError } from '../http-answer.ts';
import { buildIdSchema } from './status.ts';

/** `builds.create` answers with an operation whose metadata have the build (BuildOperationMetadata). */
export const operationSchema = z.object({
  metadata: z.object({ build: z.object({ id: buildIdSchema }).optional() }).optional(),
  error: z.object({ code: z.number().optional(), message: z.string().optional() }).optional(),
});

type Operation = z.infer<typeof operationSchema>;

/**
 * The google.rpc.Codes that will not get better by asking again, as HTTP statuses
 * (https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto).
 */
const FINAL_CODES = new Map([
  [3, 400],
  [5, 404],
  [6, 409],
  [7, 403],
  [9, 400],
  [11, 400],
  [12, 400],
  [16, 401],
]);

/** Throws when the operation came to nothing: finally where its error is final. */
export function buildIdOf({ metadata, error }: Operation): string {
  // A build that failed at once says so itself.
  if (metadata?.build !== undefined) return metadata.build.id;
  if (error === undefined) throw new TransientError('Cloud Build answered with an operation without a build');
  const message = `Cloud Build refused the build${excerpt(error.message ?? '')} (google.rpc.Code ${error.code ?? 0})`;
  const status = FINAL_CODES.get(error.code ?? 0);
  throw status === undefined ? new TransientError(message) : new HttpStatusError(message, status);
}
