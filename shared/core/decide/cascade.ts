import { type Attempt, isAttemptOver } from '../attempt.ts';
import { type Context, commit, type Decision, ignored, reviseAttempt } from './decision.ts';

/**
 * What a cancelled attempt waited for is cancelled, too, unless somebody else needs it. The two sides write in opposite
 * orders: the cascade marks the attempt and looks for other edges to it afterwards; whoever wants the attempt writes his
 * edge and takes the mark away afterwards. The cancel is committed on top of the very mark that was set before the look
 * (cancel.ts), so one of them notices. Another cascade's mark is no proof: it may be younger than the look.
 */
export function decideDoom({ attempt }: { attempt: Attempt }, { now }: Context): Decision {
  if (isAttemptOver(attempt)) return ignored(`attempt is ${attempt.state}`);
  if (attempt.requested === true) return ignored('a client wants it');
  return commit({ attempt: reviseAttempt(attempt, { ...attempt, doomed: attempt.revision + 1 }, now) });
}

/** Somebody needs it. */
export function decideSpare({ attempt }: { attempt: Attempt }, mark: number, { now }: Context): Decision {
  if (isAttemptOver(attempt) || attempt.doomed !== mark) return ignored('it is not doomed');
  return commit({ attempt: reviseAttempt(attempt, { ...attempt, doomed: undefined }, now) });
}
