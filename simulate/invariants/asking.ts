import { isDeepStrictEqual } from 'node:util';
import { type ExecutionId, executionId, parseExecutionId } from '../../shared/core/ids.ts';
import type { JsonObject } from '../../shared/core/json.ts';
import type { Broken } from './documents.ts';
import { isOver } from './edges.ts';
import {
  type AnyInvariant,
  type AskMade,
  executionsOf,
  type Facts,
  type Invariant,
  type JobAnswer,
} from './invariant.ts';

/** What the answers to jobs that need other attempts must leave true, and what their next executions are given. */

interface Ensured {
  shouldHalt: boolean;
  graph: { quests: Record<string, { attempts: Record<number, { result?: unknown }> }> };
}

function onAnswer(
  name: string,
  sentence: string,
  broken: (answer: JobAnswer, facts: Facts) => Broken,
): Invariant<'job answered'> {
  return { name, sentence, on: 'job answered', broken };
}

/** Of asks that were answered with success. */
function onAsk(
  name: string,
  sentence: string,
  broken: (asked: { id: ExecutionId; ask: AskMade; answer: Ensured }, facts: Facts) => Broken,
): Invariant<'job answered'> {
  return onAnswer(name, sentence, ({ operation, id, body, answer }, facts) => {
    if (operation !== 'ensureGraphData' || answer.status !== 200) return undefined;
    const ask = facts.asks(id).get(JSON.stringify(body));
    return ask === undefined ? 'it was never asked' : broken({ id, ask, answer: answer.body as Ensured }, facts);
  });
}

export const ASKING_INVARIANTS: readonly AnyInvariant[] = [
  onAsk(
    'who goes on has what he needs',
    'A job is told to go on only when as many of what it asked for are over as it needs.',
    ({ ask, answer }, facts) => {
      if (answer.shouldHalt) return undefined;
      const over = ask.wanted.filter(one => isOver(one, facts)).length;
      return over < ask.needed && `${over} are over, and it needs ${ask.needed}`;
    },
  ),
  onAsk(
    'nobody halts for what is over',
    'A job is not told to halt when enough of what it asks for was over before.',
    ({ ask, answer }) => answer.shouldHalt && ask.overBefore >= ask.needed && `${ask.overBefore} were over`,
  ),
  onAsk(
    'halting is stored',
    'A job is told to halt only once its execution does, and its attempt waits for what it asked for.',
    ({ id, answer }, facts) => {
      if (!answer.shouldHalt || facts.isBroken(id)) return undefined;
      const execution = facts.get('execution', id);
      if (execution === undefined || ['SCHEDULING', 'RUNNING'].includes(execution.state))
        return `it is ${execution?.state}`;
      return facts.waitedFor(id) === undefined && 'its attempt has not waited';
    },
  ),
  onAsk('what is shown is stored', 'A result that a job is shown is that of the attempt.', ({ answer }, facts) => {
    for (const [quest, { attempts }] of Object.entries(answer.graph.quests)) {
      for (const [number, { result }] of Object.entries(attempts)) {
        const stored = facts.get('attempt', `${quest}|${number}`);
        const actual = stored && 'result' in stored ? stored.result : undefined;
        if (result !== undefined && !isDeepStrictEqual(result, actual)) return `${quest}|${number} has another`;
      }
    }
    return undefined;
  }),
  onAnswer(
    'a halt is told again',
    'The call that has halted an execution gets the same answer whenever it is made.',
    ({ id, operation, body, answer }, facts) => {
      if (operation !== 'ensureGraphData' || facts.isBroken(id) || facts.haltedBy(id) !== JSON.stringify(body))
        return undefined;
      return !(answer.status === 200 && (answer.body as Ensured).shouldHalt) && `${answer.status}`;
    },
  ),
  onAnswer(
    'who has halted has no say',
    'The token of an execution that has halted to wait is good for nothing but to hear that again.',
    ({ right, answer }) => right === 'is over' && answer.status === 200 && 'it was accepted',
  ),
  onAnswer(
    'activation hands over the state',
    'A job that activates is given what the last successful execution of its attempt has left, and nothing else.',
    ({ id, operation, answer }, facts) =>
      operation === 'activate' &&
      answer.status === 200 &&
      otherState(id, (answer.body as { previousState?: JsonObject }).previousState, facts),
  ),
  {
    name: 'the state is that of the last success',
    sentence: 'An executor is given what the last successful execution of its attempt has left, and nothing else.',
    on: 'handed over',
    broken: ({ id, state }, facts) => otherState(id, state, facts),
  } satisfies Invariant<'handed over'>,
];

/** What is wrong with the persistent state that an execution is given. */
function otherState(id: ExecutionId, state: JsonObject | undefined, facts: Facts): Broken {
  const { quest, attempt, execution } = parseExecutionId(id);
  const earlier = executionsOf(facts, { quest, attempt }).filter(one => one.execution < execution);
  const last = earlier.filter(one => one.state === 'FINISHED').toSorted((a, b) => b.execution - a.execution)[0];
  if (last !== undefined && facts.isBroken(executionId(quest, attempt, last.execution))) return undefined;
  const left = last && 'data' in last.result ? last.result.data : undefined;
  return !isDeepStrictEqual(state, left) && `${JSON.stringify(state)} instead of ${JSON.stringify(left)}`;
}
