import { type EndedExecution, type Execution, isLive, type UnwantedJob } from '../execution.ts';
import type { TopicMessage } from '../ports.ts';
import { type Context, commit, type Decision, ignored, reviseExecution } from './decision.ts';
import { decideKeep, decidePoke, POKE_SPACING_MS } from './notify.ts';

/**
 * Something may have happened to an execution, says somebody who could be anybody: the executor is asked. As long as it
 * cannot be, because the token is not known, the message is kept like any other.
 */
export function decideHint(
  { execution }: { execution: Execution },
  { message }: { message: TopicMessage },
  context: Context,
): Decision {
  if (!isLive(execution)) return decideLook(execution, context);
  return execution.launch.state === 'owed'
    ? decideKeep({ execution }, { message }, context)
    : decidePoke({ execution }, context);
}

/** Perhaps its job is gone at last: the next look at it is brought forward. When it is cancelled, no hint changes. */
function decideLook(execution: EndedExecution, { now }: Context): Decision {
  const { unwanted, claim } = execution;
  if (unwanted === undefined) return ignored('ended already');
  if (claim !== undefined) return ignored('a call is under way');
  // Every look is recorded, and so is this decision: no two looks are nearer to each other.
  const nextAt = Math.max(now, execution.updatedAt + POKE_SPACING_MS);
  const waits = (job: UnwantedJob) => job.need === 'confirm' && job.nextAt !== undefined && job.nextAt > nextAt;
  if (!unwanted.some(waits)) return ignored('nothing to bring forward');
  const looked = unwanted.map(job => (waits(job) ? { ...job, nextAt } : job));
  return commit({ execution: reviseExecution(execution, { ...execution, unwanted: looked }, now) });
}
