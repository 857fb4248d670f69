import { type Attempt, carriedOver, type EndedAttempt, isAttemptOver, type Wait } from '../attempt.ts';
import { type Context, commit, type Decision, ignored, reviseAttempt } from './decision.ts';

type Asked = Pick<Wait, 'execution' | 'ask'>;

/**
 * Enough dependencies of an ask are settled; edges are never opened again, so that stays true. An attempt whose execution
 * is still STOPPING is left alone: it counts by itself as soon as it waits.
 */
export function decideUnblock({ attempt }: { attempt: Attempt }, asked: Asked, { now }: Context): Decision {
  if (!isWaitingFor(attempt, asked)) return ignored(`attempt is ${attempt.state}`);
  const next: Attempt = { ...carriedOver(attempt), state: 'SCHEDULING', notBefore: now };
  return commit({ attempt: reviseAttempt(attempt, next, now) });
}

/** An attempt has begun to wait, and not enough of its dependencies were settled by then: the others will tell it. */
export function decideCounted({ attempt }: { attempt: Attempt }, asked: Asked, { now }: Context): Decision {
  if (!isWaitingFor(attempt, asked)) return ignored(`attempt is ${attempt.state}`);
  return commit({ attempt: reviseAttempt(attempt, { ...attempt, uncounted: undefined }, now) });
}

function isWaitingFor(attempt: Attempt, { execution, ask }: Asked): attempt is Extract<Attempt, { state: 'WAITING' }> {
  return attempt.state === 'WAITING' && attempt.wait?.execution === execution && attempt.wait.ask === ask;
}

/** After this long somebody else goes on with what an ended attempt still owes others. */
const PAGE_TIMEOUT_MS = 60_000;

export type Owing = 'tell' | 'cascade';

/** One page of what an ended attempt owes others is done; `next` is where the next one begins, if there is one. */
export function decidePageDone(
  { attempt }: { attempt: Attempt },
  { owing, after, next, pause }: { owing: Owing; after: string | undefined; next: string | undefined; pause: boolean },
  { now }: Context,
): Decision<{ more: boolean }> {
  if (!isAttemptOver(attempt) || attempt.owes?.[owing] === undefined) return ignored('it is not owed any more');
  if (attempt.owes[owing].after !== after) return ignored('somebody else goes on with it');
  const owed = { ...attempt.owes, [owing]: next === undefined ? undefined : { after: next } };
  const more = owed.tell !== undefined || owed.cascade !== undefined;
  // The next page is done right away by whoever did this one, unless it has to pause.
  const owes = more ? { ...owed, nextAt: pause ? now : now + PAGE_TIMEOUT_MS } : undefined;
  const done: EndedAttempt = { ...attempt, owes };
  return commit({ attempt: reviseAttempt(attempt, done, now) }, { more });
}
