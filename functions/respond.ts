import { ApiError, ConflictError, HTTP_STATUS, isTransient, messageOf } from '../shared/core/errors.ts';
import type { Log } from '../shared/core/ports.ts';
import type { Reply } from './http.ts';

/** Error → answer: the only place where an HTTP status is chosen for one. */
export function errorReply(error: unknown, log: Log): Reply {
  if (error instanceof ApiError) {
    return reply(error.status, error.message, error.details);
  }
  if (isTransient(error) || error instanceof ConflictError) {
    log.warn('a call must be repeated', { error: messageOf(error) });
    return reply('UNAVAILABLE', 'try again');
  }
  // Its text may hold anything, so only the log gets it.
  log.error('unexpected error', { error: messageOf(error), stack: error instanceof Error ? error.stack : undefined });
  return reply('INTERNAL', 'internal error');
}

function reply(status: keyof typeof HTTP_STATUS, message: string, details: readonly unknown[] = []): Reply {
  const code = HTTP_STATUS[status];
  return { status: code, body: { error: { code, status, message, ...(details.length > 0 && { details }) } } };
}
