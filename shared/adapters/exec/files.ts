import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Token } from '../../core/execution.ts';
import type { ExecutionId } from '../../core/ids.ts';

/** An execution id in which nothing means anything to a file system. */
export function tokenOf(id: ExecutionId): Token {
  return id.replaceAll('|', '.');
}

const TOKEN = /^[A-Za-z0-9_-]{43}\.\d{1,10}\.\d{1,10}$/;

/** Where the files of an execution are, below the stack's data directory. */
export interface Files {
  log(token: Token): string;
  /** `undefined` for what is no token of ours. */
  logUrl(token: Token): string | undefined;
  previousState(token: Token): string;
}

export function filesIn(directory: string): Files {
  const log = (token: Token) => resolve(directory, 'logs', `${token}.log`);
  return {
    log,
    logUrl: token => (TOKEN.test(token) ? pathToFileURL(log(token)).href : undefined),
    previousState: token => resolve(directory, 'state', `${token}.json`),
  };
}
