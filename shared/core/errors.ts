/**
 * Errors that callers tell apart. Two questions matter: may the same call succeed later (transient), and what does an
 * HTTP client get to see (`ApiError`). Everything that is neither is a bug and is shown as INTERNAL without its text.
 */

/** google.rpc.Code names used by the outside face, with their HTTP status (google/rpc/code.proto). */
export const HTTP_STATUS = {
  INVALID_ARGUMENT: 400,
  FAILED_PRECONDITION: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  ALREADY_EXISTS: 409,
  ABORTED: 409,
  PAYLOAD_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  RESOURCE_EXHAUSTED: 429,
  INTERNAL: 500,
  UNAVAILABLE: 503,
} as const;

export type ErrorStatus = keyof typeof HTTP_STATUS;

/** A field of the request and what is wrong with it (google.rpc.BadRequest.FieldViolation). */
export interface FieldViolation {
  field: string;
  description: string;
}

/** An error whose message may be shown to the caller: it names the field and holds nothing secret. */
export class ApiError extends Error {
  override name = 'ApiError';
  readonly status: ErrorStatus;
  readonly details: readonly FieldViolation[];

  constructor(status: ErrorStatus, message: string, details: readonly FieldViolation[] = []) {
    super(message);
    this.status = status;
    this.details = details;
  }
}

/** Bad input that will never get better; `field` is a path such as `quests[0].desc.meta.timeouts.run`. */
export class InvalidArgument extends ApiError {
  override name = 'InvalidArgument';
  readonly field: string;
  readonly description: string;

  constructor(field: string, description: string) {
    super('INVALID_ARGUMENT', field === '' ? description : `${field}: ${description}`, [{ field, description }]);
    this.field = field;
    this.description = description;
  }

  /** The same error seen from one level further out. */
  under(prefix: string): InvalidArgument {
    return new InvalidArgument(joinPath(prefix, this.field), this.description);
  }
}

/** The same call may succeed later: the delivery that led here is repeated, or the call retried with backoff. */
export class TransientError extends Error {
  override name = 'TransientError';
  /** What the other side asked us to wait (`Retry-After`), in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: { cause?: unknown; retryAfterMs?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Someone else wrote the document first: read again and decide again. */
export class ConflictError extends Error {
  override name = 'ConflictError';
}

/** A stored document that cannot be understood (broken by hand, or of an unknown schema version). */
export class UnreadableDocument extends Error {
  override name = 'UnreadableDocument';
}

const TRANSIENT_SYSTEM_CODES = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_SOCKET',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
]);

/** DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, UNAVAILABLE (google/rpc/code.proto). */
const TRANSIENT_GRPC_CODES = new Set([4, 8, 10, 14]);

export function isTransientHttpStatus(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status <= 599);
}

/** Whether the same call may succeed later. Looks through `cause`, since `fetch` hides the reason there. */
export function isTransient(error: unknown): boolean {
  if (error instanceof TransientError) return true;
  if (typeof error !== 'object' || error === null) return false;
  const { code, status, name, cause } = error as Record<string, unknown>;
  if (typeof code === 'string' && TRANSIENT_SYSTEM_CODES.has(code)) return true;
  if (typeof code === 'number' && (TRANSIENT_GRPC_CODES.has(code) || isTransientHttpStatus(code))) return true;
  if (typeof status === 'number' && isTransientHttpStatus(status)) return true;
  if (name === 'TimeoutError' || name === 'AbortError') return true;
  return cause !== undefined && cause !== error && isTransient(cause);
}

/** 401 and 403: final for most calls, but a poll treats them as transient, because credentials change. */
export function isCredentialError(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { code, status, cause } = error as Record<string, unknown>;
  if (status === 401 || status === 403 || status === 'UNAUTHENTICATED' || status === 'PERMISSION_DENIED') return true;
  // UNAUTHENTICATED and PERMISSION_DENIED of gRPC.
  if (code === 401 || code === 403 || code === 16 || code === 7) return true;
  return cause !== undefined && cause !== error && isCredentialError(cause);
}

/** What was thrown, as text: adapters may throw any value, even one that is not an Error. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message === '' ? thrown.name : thrown.message;
  if (typeof thrown === 'string') return thrown;
  try {
    return JSON.stringify(thrown) ?? String(thrown);
  } catch {
    return 'a value that cannot be shown';
  }
}

export function joinPath(prefix: string, field: string): string {
  if (prefix === '' || field === '') return prefix + field;
  return field.startsWith('[') ? prefix + field : `${prefix}.${field}`;
}
