import { isTransientHttpStatus } from '../../core/errors.ts';
import type { HttpResponse } from '../contract.ts';

/**
 * pRPC, LUCI's gRPC over HTTP: https://pkg.go.dev/go.chromium.org/luci/grpc/prpc. A success is JSON behind a prefix, an
 * error is plain text, and the gRPC code stands in a header.
 */

const JSON_PREFIX = ")]}'\n";
const CODE_HEADER = 'x-prpc-grpc-code';
/** By which HTTP says that what answered is not the server that was meant. */
const BAD_GATEWAY = 502;

/**
 * By gRPC code: its name and an HTTP status that means the same. The statuses are those of the servers themselves
 * (https://pkg.go.dev/go.chromium.org/luci/grpc/grpcutil#CodeStatus), but for CANCELLED (499) and ABORTED (409), after
 * which the same call may succeed.
 */
const CODES: readonly (readonly [name: string, status: number])[] = [
  ['OK', 200],
  ['CANCELLED', 503],
  ['UNKNOWN', 500],
  ['INVALID_ARGUMENT', 400],
  ['DEADLINE_EXCEEDED', 504],
  ['NOT_FOUND', 404],
  ['ALREADY_EXISTS', 409],
  ['PERMISSION_DENIED', 403],
  ['RESOURCE_EXHAUSTED', 429],
  ['FAILED_PRECONDITION', 400],
  ['ABORTED', 503],
  ['OUT_OF_RANGE', 400],
  ['UNIMPLEMENTED', 501],
  ['INTERNAL', 500],
  ['UNAVAILABLE', 503],
  ['DATA_LOSS', 500],
  ['UNAUTHENTICATED', 401],
];

const unknownCode = (code: number) => [`gRPC code ${code}`, BAD_GATEWAY] as const;

/** The gRPC code's name and HTTP status; a code that nobody has heard of is the server's fault, which may pass. */
export function grpcCode(code: number): readonly [name: string, status: number] {
  return CODES[code] ?? unknownCode(code);
}

/** Makes of a pRPC answer what a REST API would have said; the code counts, whatever the HTTP status. */
export function decodePrpc(response: HttpResponse): HttpResponse {
  const { status, headers, body } = response;
  const header = headers[CODE_HEADER];
  if (header === undefined || !/^\d+$/.test(header)) return isAnswerOnTheWay(status) ? response : strange(response);
  const code = Number(header);
  if (code === 0)
    return body.startsWith(JSON_PREFIX) ? { ...response, body: body.slice(JSON_PREFIX.length) } : response;
  const [name, httpStatus] = grpcCode(code);
  return { ...response, status: httpStatus, body: JSON.stringify({ error: { status: name, message: body.trim() } }) };
}

/** What proxies and load balancers answer by themselves, and mean. */
function isAnswerOnTheWay(status: number): boolean {
  return status === 401 || status === 403 || isTransientHttpStatus(status);
}

/** "A pRPC server must always specify it": without the code, even 404 says nothing about the job. */
function strange(response: HttpResponse): HttpResponse {
  const { status, body } = response;
  return { ...response, status: BAD_GATEWAY, body: `HTTP ${status}, but not the JSON of a pRPC server: ${body}` };
}
