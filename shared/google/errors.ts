import { isTransient, messageOf, TransientError } from '../core/errors.ts';

/**
 * gRPC codes (google/rpc/code.proto) as our errors: the only place for them. `repeat` also means "perhaps applied": a call
 * may break off after its effect, so whoever repeats it must recognise that. `final` is our own fault and stays what it is.
 */
const MEANING: Readonly<Record<number, 'repeat' | 'final'>> = {
  /** CANCELLED: the connection was closed under the call. */
  1: 'repeat',
  /** UNKNOWN: also what a proxy's answer without a gRPC status becomes. */
  2: 'repeat',
  /** INVALID_ARGUMENT */
  3: 'final',
  /** DEADLINE_EXCEEDED */
  4: 'repeat',
  /** NOT_FOUND: a queue, topic or database that was never made. */
  5: 'final',
  /** ALREADY_EXISTS */
  6: 'final',
  /** PERMISSION_DENIED: of our own account, hence to be granted, never the fault of what is being done. */
  7: 'repeat',
  /** RESOURCE_EXHAUSTED */
  8: 'repeat',
  /** FAILED_PRECONDITION: also an index that is missing or still being built. */
  9: 'final',
  /** ABORTED: contention; nothing was written. */
  10: 'repeat',
  /** OUT_OF_RANGE */
  11: 'final',
  /** UNIMPLEMENTED */
  12: 'final',
  /** INTERNAL: also a broken HTTP/2 stream. */
  13: 'repeat',
  /** UNAVAILABLE */
  14: 'repeat',
  /** DATA_LOSS */
  15: 'final',
  /** UNAUTHENTICATED: credentials change. */
  16: 'repeat',
};

/** Those that somebody asks for by name. */
export const GRPC = {
  UNKNOWN: 2,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  UNAVAILABLE: 14,
} as const;

/** The error of a call of Google's, naming `what` was tried. */
export function fromGoogle(error: unknown, what: string): Error {
  const text = `cannot ${what}: ${messageOf(error)}`;
  if (isTransient(error) || MEANING[codeOf(error) ?? -1] === 'repeat')
    return new TransientError(text, { cause: error });
  return new Error(text, { cause: error });
}

export function isAlreadyExists(error: unknown): boolean {
  return codeOf(error) === GRPC.ALREADY_EXISTS;
}

/** A write whose document exists already, is gone, or is no longer the version that was read. */
export function isRefusedPrecondition(error: unknown): boolean {
  const code = codeOf(error);
  return code === GRPC.ALREADY_EXISTS || code === GRPC.NOT_FOUND || code === GRPC.FAILED_PRECONDITION;
}

function codeOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'number' ? error.code : undefined;
}
