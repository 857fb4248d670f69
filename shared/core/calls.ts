import { backoffCeiling, CALL_BACKOFF } from './backoff.ts';
import type { Claim } from './execution.ts';
import { cut } from './result.ts';

/** Calls of an executor are given up after this long; its claim outlives the call by one backoff. */
export const CALL_TIMEOUT_MS = { run: 60_000, poll: 30_000, cancel: 30_000, confirm: 30_000 } as const;

/** Why a call of an executor failed, as far as decisions need to know. */
export interface CallError {
  transient: boolean;
  message: string;
  retryAfterMs?: number;
  /** `cancel` cannot find the job without its token. */
  tokenRequired?: boolean;
  /** The call was not made, or refused for who makes it: it says nothing about what earlier ones began. */
  notAsked?: boolean;
  /** `run` answered, but nothing that can be used: there may be a job. */
  jobPossible?: boolean;
}

const MAX_PROBLEM_CHARACTERS = 1000;

/** Why a call failed, as it is kept for the reason of an end. */
export function problemOf({ message }: CallError): string {
  return cut(message, MAX_PROBLEM_CHARACTERS);
}

export function claimCall(call: Claim['call'], tries: number, now: number, token?: string): Claim {
  const untilAt = now + CALL_TIMEOUT_MS[call] + backoffCeiling(CALL_BACKOFF, tries);
  return { call, token, at: now, untilAt };
}

/** Whether an outcome belongs to the claim that is live now, and not to one that has lapsed. */
export function isClaim(live: Claim | undefined, claim: Claim): boolean {
  return live !== undefined && live.call === claim.call && live.at === claim.at && live.token === claim.token;
}
