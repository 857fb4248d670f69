import { attemptId } from '../../shared/core/ids.ts';
import { isAttemptOver } from '../../shared/core/attempt.ts';
import { type Execution, idOfExecution, isLive } from '../../shared/core/execution.ts';
import { hashToken } from '../../shared/core/tokens.ts';
import { parseJson } from '../../shared/core/json.ts';
import type { Request } from '../http-call.ts';
import type { AnyInvariant, Events, Facts, Invariant } from './invariant.ts';

/** What calls, answers and deliveries must leave true. */

const invariant = <K extends keyof Events>(one: Invariant<K>): AnyInvariant => one as unknown as AnyInvariant;

export const EVENT_INVARIANTS: readonly AnyInvariant[] = [
  invariant({
    name: 'calls are claimed',
    sentence: 'An executor is called no more often than the call was claimed, in a commit, beforehand.',
    on: 'called',
    broken({ operation, id, times }, facts) {
      const claims =
        operation === 'poll' ? facts.claims('poll', id) + facts.claims('confirm', id) : facts.claims(operation, id);
      return times > claims && `${operation} was called ${times} times on ${claims} claims`;
    },
  }),
  invariant({
    name: 'a run is repeated to the byte',
    sentence: 'Every call of run for an execution hands over the same bytes.',
    on: 'handed over',
    broken: ({ before, bytes }) => before !== undefined && before !== bytes && 'they differ',
  }),
  invariant({
    name: 'one activation',
    sentence: 'At most one execution token is accepted for an execution.',
    on: 'job answered',
    broken: ({ id }, facts) => facts.activations(id).size > 1 && `${facts.activations(id).size} jobs took it over`,
  }),
  invariant({
    name: 'one finish',
    sentence: 'From the accepted result on the token of an execution changes nothing any more.',
    on: 'job answered',
    broken: ({ id }, facts) => facts.finishes(id).size > 1 && `${facts.finishes(id).size} results were accepted`,
  }),
  invariant({
    name: 'forged tokens are refused',
    sentence: 'A call with a token that is not that of the execution is answered with 401.',
    on: 'job answered',
    broken: ({ id, right, answer }, facts) =>
      right === 'is forged' && answer.status !== 401 && !facts.isBroken(id) && `${answer.status}`,
  }),
  invariant({
    name: 'forged notifications are dropped',
    sentence: 'A notification that was not signed for its execution is acknowledged and changes nothing.',
    on: 'acknowledged',
    broken({ request, outcome }) {
      const { message } = request.body as { message: { attributes: Record<string, string> } };
      return message.attributes.forged === 'true' && outcome !== 'dropped: forged' && `"${outcome}"`;
    },
  }),
  invariant({
    name: 'what a job was told is stored',
    sentence: 'A job is answered with success only once what it asked for is committed.',
    on: 'job answered',
    broken({ operation, id, body, answer }, facts) {
      const execution = facts.get('execution', id);
      if (answer.status !== 200 || facts.isBroken(id)) return undefined;
      if (execution === undefined || execution.state === 'SCHEDULING') return 'it is still SCHEDULING';
      if (operation === 'finish') return haltOf(execution) === undefined && 'nothing was recorded';
      if (operation === 'ensureGraphData') return undefined;
      const token = (body as { executionToken: string }).executionToken;
      return execution.state === 'RUNNING' && execution.tokenHash !== hashToken(token) && 'another token is stored';
    },
  }),
  invariant({
    name: 'what a client was told is stored',
    sentence: 'A client that was told that its attempts are accepted finds them.',
    on: 'ensured',
    broken({ quest, attempts, answer }, facts) {
      if (answer.status !== 200) return undefined;
      const missing = attempts.find(number => facts.get('attempt', attemptId(quest, number)) === undefined);
      return missing !== undefined && `attempt ${missing} is not there`;
    },
  }),
  invariant({
    name: 'a cancel that was accepted holds',
    sentence: 'After an accepted cancel the attempt is over, or its job had delivered the result before.',
    on: 'cancelled',
    broken({ id }, facts) {
      const attempt = facts.get('attempt', id);
      if (attempt === undefined) return 'it is gone';
      if (isAttemptOver(attempt)) return undefined;
      const current = facts.get('execution', `${id}|${attempt.executions}`);
      return current?.state !== 'STOPPING' && `it is ${attempt.state}`;
    },
  }),
  invariant({
    name: 'acknowledged means done',
    sentence: 'A notification of an end is acknowledged only when it is committed, kept, or can never be of use.',
    on: 'acknowledged',
    broken({ request, outcome }, facts) {
      const told = readDirectly(request, outcome, facts);
      if (told === undefined || !isLive(told.execution)) return undefined;
      return !facts.kept(told.id).has(told.data) && `"${outcome}", but it is ${told.execution.state}`;
    },
  }),
  invariant({
    name: 'what run answered is recorded',
    sentence:
      'When a wake-up that called run is acknowledged, the token is recorded, as that of the execution or as a stray.',
    on: 'wake-up done',
    broken({ outcome, told }, facts) {
      if (!['run', 'launched', 'started', 'waits; others were started'].includes(outcome)) return undefined;
      const forgotten = told.find(token => token !== '' && !facts.recorded().has(token));
      return forgotten !== undefined && forgotten;
    },
  }),
  invariant({
    name: 'late outcomes are kept',
    sentence: 'An end that is told, and cannot count any more, is kept beside the result: read, or as it came.',
    on: 'acknowledged',
    broken({ request, outcome }, facts) {
      const told = readDirectly(request, outcome, facts);
      if (told === undefined || isLive(told.execution)) return undefined;
      const { reported, lateOutcome, kept = [] } = told.execution;
      if (reported || lateOutcome !== undefined) return undefined;
      return !kept.some(({ data }) => data === told.data) && `"${outcome}"`;
    },
  }),
  invariant({
    name: 'nobody sees an internal error',
    sentence: 'No function answers 500: that is a defect, whatever the world does to it.',
    on: 'answered',
    broken: ({ request, answer }, facts) =>
      answer.status === 500 && !isAboutBroken(request, facts) && `${request.method} ${request.path}`,
  }),
  invariant({
    name: 'nobody is put off in calm',
    sentence: 'As long as nothing goes wrong no caller is told to try again later.',
    on: 'answered',
    broken: ({ request, answer, isCalm }) =>
      isCalm && answer.status === 503 && `${request.method} ${request.path}: ${JSON.stringify(answer.body)}`,
  }),
  invariant({
    name: 'no decision finds a bug',
    sentence: 'No decision meets documents that cannot be.',
    on: 'logged',
    broken: ({ text }) => text.includes('bug:') && text,
  }),
  invariant({
    name: 'logs hold no secret',
    sentence: 'No token of an execution is in a log.',
    on: 'logged',
    broken: ({ message, text }, facts) => facts.secrets().some(secret => text.includes(secret)) && message,
  }),
  invariant({
    name: 'nothing is overdue',
    sentence: 'When nothing goes wrong any more, whatever is due is begun within a sweep and a dispatch.',
    on: 'calm',
    broken: ({ overdue }) => overdue.length > 0 && overdue.join(', '),
  }),
  invariant({
    name: 'everything settles',
    sentence: 'When nothing goes wrong any more, every attempt ends, and every job with it.',
    on: 'still busy',
    broken: ({ live, isPoisoned }) => !isPoisoned && live.join(', '),
  }),
  invariant({
    name: 'a broken document blocks nobody',
    sentence: 'A document that cannot be read keeps no other attempt from its end.',
    on: 'still busy',
    broken: ({ live, isPoisoned }) => isPoisoned && live.join(', '),
  }),
  invariant({
    name: 'stopping ends',
    sentence: 'No execution stays in STOPPING.',
    on: 'at rest',
    broken: (_, facts) => readable(facts).find(({ state }) => state === 'STOPPING')?.quest,
  }),
  invariant({
    name: 'jobs are gone',
    sentence: 'At rest every job that was ever started has ended or was stopped.',
    on: 'at rest',
    broken({ jobs }) {
      const alive = jobs.filter(job => job.status.state !== 'finished');
      return alive.length > 0 && alive.map(({ token }) => token).join(', ');
    },
  }),
  invariant({
    name: 'nothing completes twice',
    sentence: 'At most one execution of an attempt brings an accepted result.',
    on: 'at rest',
    broken(_, facts) {
      const done = readable(facts)
        .filter(one => one.state === 'FINISHED' || haltOf(one) !== undefined)
        .filter(one => facts.waitedFor(idOfExecution(one)) === undefined);
      const attempts = done.map(one => attemptId(one.quest, one.attempt));
      return attempts.find((id, i) => attempts.indexOf(id) !== i);
    },
  }),
  invariant({
    name: 'a settled world is left alone',
    sentence: 'Sweeping a settled world twice writes nothing.',
    on: 'swept',
    broken: ({ commits }) => commits > 0 && `${commits} commits`,
  }),
];

function haltOf(execution: Execution): unknown {
  return 'halt' in execution ? execution.halt : undefined;
}

function readable(facts: Facts): Execution[] {
  return facts.all('execution').filter(one => !facts.isBroken(idOfExecution(one)));
}

/** The execution of which a notification told the end, if its adapter took that for what it says. */
function readDirectly(
  request: Request,
  outcome: string,
  facts: Facts,
): { id: string; execution: Execution; data: string } | undefined {
  const { message } = request.body as { message: { data: string; attributes: Record<string, string> } };
  const id = message.attributes.execution_id ?? '';
  const data = Buffer.from(message.data, 'base64').toString();
  const status = parseJson(data) as { state?: string } | undefined;
  // Dropped, or its adapter is not deployed: then the executor is asked.
  if (status?.state !== 'finished' || /^(dropped|unreadable): /.test(outcome)) return undefined;
  const execution = facts.isBroken(id) ? undefined : facts.get('execution', id);
  return execution === undefined || execution.distributor.config.hints === true ? undefined : { id, execution, data };
}

/** Such a document can only be reported, to everybody who wants it. */
function isAboutBroken({ path }: Request, facts: Facts): boolean {
  const [, quest, attempt] = /quests\/([^/]+)\/attempts\/(\d+)/.exec(path) ?? [];
  return facts
    .all('execution')
    .some(one => one.quest === quest && one.attempt === Number(attempt) && facts.isBroken(idOfExecution(one)));
}
