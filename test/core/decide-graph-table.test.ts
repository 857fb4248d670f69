import { expect, test } from 'vitest';
import {
  ATTEMPT_STATES,
  ATTEMPT_TRANSITIONS,
  type Attempt,
  attemptSchema,
  type AttemptState,
  isAttemptOver,
  rankOf,
  waitOf,
} from '../../shared/core/attempt.ts';
import { decideCancelAttempt } from '../../shared/core/decide/cancel.ts';
import { decideDoom, decideSpare } from '../../shared/core/decide/cascade.ts';
import type { Decision } from '../../shared/core/decide/decision.ts';
import { decideRank } from '../../shared/core/decide/depend.ts';
import { decideEnsure } from '../../shared/core/decide/ensure.ts';
import { decideCounted, decidePageDone, decideUnblock } from '../../shared/core/decide/unblock.ts';
import type { Execution } from '../../shared/core/execution.ts';
import { executionId, waitId } from '../../shared/core/ids.ts';
import { at } from '../support/decide.ts';
import { attemptIn, executionIn, questFixture } from '../support/documents.ts';

const NOW = at(60_000);
const quest = questFixture();
const WAIT = { execution: 1, ask: 2, spare: 0 };
const BENEATH = { wait: waitId(executionId(quest.id, 1, 1), 2), rank: 9 };

/** All that one attempt does to another, through it alone. */
const EVENTS: Record<string, (attempt: Attempt) => Decision<unknown>> = {
  'a client wants it': attempt => decideEnsure({ quest, attempt }, { ...quest, attempt: 1 }, 'client', NOW),
  'another attempt wants it': attempt => decideEnsure({ quest, attempt }, { ...quest, attempt: 1 }, { rank: 2 }, NOW),
  'one of a high rank wants it': attempt =>
    decideEnsure({ quest, attempt }, { ...quest, attempt: 1 }, { rank: 7 }, NOW),
  'it is to rank higher': attempt => decideRank({ attempt }, { rank: 5, beneath: undefined }, NOW),
  'it is to rank higher, and what it waits for does': attempt =>
    decideRank({ attempt }, { rank: 5, beneath: BENEATH }, NOW),
  'its dependencies are settled': attempt => decideUnblock({ attempt }, WAIT, NOW),
  'those of another ask are settled': attempt => decideUnblock({ attempt }, { ...WAIT, ask: 1 }, NOW),
  'it has counted': attempt => decideCounted({ attempt }, WAIT, NOW),
  'a page of telling is done': attempt =>
    decidePageDone({ attempt }, { owing: 'tell', after: undefined, next: 'c', pause: false }, NOW),
  'the last page of telling is done': attempt =>
    decidePageDone({ attempt }, { owing: 'tell', after: 'b', next: undefined, pause: false }, NOW),
  'the last page of cancelling is done': attempt =>
    decidePageDone({ attempt }, { owing: 'cascade', after: undefined, next: undefined, pause: true }, NOW),
  'it is doomed': attempt => decideDoom({ attempt }, NOW),
  'it is spared': attempt => decideSpare({ attempt }, 1, NOW),
  'it is cancelled': attempt => cancelled(attempt, {}),
  'it is cancelled with what it waits for': attempt => cancelled(attempt, { cascade: true }),
  'it is cancelled because it is doomed': attempt => cancelled(attempt, { cascade: true, ifDoomed: 1 }),
};

function cancelled(attempt: Attempt, wish: { cascade?: boolean; ifDoomed?: number }): Decision {
  return decideCancelAttempt({ quest, attempt, execution: executionOf(attempt) }, { reason: 'unwanted', ...wish }, NOW);
}

/** The current one. */
function executionOf({ state }: Attempt): Execution | undefined {
  if (state === 'SCHEDULING') return undefined;
  return state === 'EXECUTING' ? executionIn('RUNNING', { mode: 'interactive' }) : executionIn('FINISHED');
}

type Fields = Record<string, unknown>;
const MARKS: Fields[] = [{}, { rank: 2 }, { rank: 5 }].flatMap(rank =>
  [{}, { awaited: true }, { requested: true }, { awaited: true, requested: true }].flatMap(wanted =>
    [{}, { doomed: 1 }, { doomed: 2 }].map(doomed => ({ ...rank, ...wanted, ...doomed })),
  ),
);
const OWED: Fields[] = [{ tell: {} }, { tell: { after: 'b' } }, { cascade: {} }, { tell: {}, cascade: {} }].map(
  owed => ({
    owes: { nextAt: NOW.now, ...owed },
  }),
);
const SHAPES: Record<AttemptState, Fields[]> = {
  SCHEDULING: [{}, { executions: 1, after: 1 }],
  EXECUTING: [{}, { wait: WAIT }],
  WAITING: [{}, { wait: WAIT }, { wait: { ...WAIT, ask: 3 } }, { wait: WAIT, uncounted: true }],
  FINISHED: [{}, ...OWED],
  ABNORMAL_FINISHED: [{}, ...OWED],
};

function attemptsIn(state: AttemptState): Attempt[] {
  return SHAPES[state].flatMap(shape => MARKS.map(marks => freeze(attemptIn(state, { ...shape, ...marks }))));
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(freeze);
  return value;
}

type Rule = readonly [sentence: string, holds: (before: Attempt, after: Attempt) => boolean];

const RULES: readonly Rule[] = [
  ['it can be read back', (_, after) => attemptSchema.safeParse(after).success],
  ['it is one revision further', (before, after) => after.revision === before.revision + 1],
  [
    'it moves only as its table says',
    ({ state: from }, { state: to }) => from === to || ATTEMPT_TRANSITIONS[from].includes(to),
  ],
  ['it is not executed thereby', (before, after) => after.executions === before.executions],
  [
    'a result stays',
    (before, after) => !isAttemptOver(before) || JSON.stringify(resultOf(before)) === JSON.stringify(resultOf(after)),
  ],
  ['its rank never falls', (before, after) => rankOf(after) >= rankOf(before)],
  [
    'who wanted it is not forgotten',
    (before, after) =>
      (before.awaited === undefined || after.awaited === true) &&
      (before.requested === undefined || after.requested === true),
  ],
  [
    'only what a client does not want is doomed',
    (before, after) => !(before.doomed === undefined && after.doomed && after.requested),
  ],
  [
    'what is over is not doomed by it',
    (before, after) => !isAttemptOver(after) || isAttemptOver(before) || after.doomed === undefined,
  ],
  [
    'it waits for nothing else',
    (_, after) => waitOf(after) === undefined || waitOf(after)?.execution === WAIT.execution,
  ],
  [
    'whoever waits for it is told of its end',
    (before, after) =>
      isAttemptOver(before) || !isAttemptOver(after) || (after.owes?.tell !== undefined) === (after.awaited === true),
  ],
  ['what it owes is due some time', (_, after) => !isAttemptOver(after) || after.wakeAt === after.owes?.nextAt],
];

const resultOf = (attempt: Attempt) => ('result' in attempt ? attempt.result : undefined);
/** Each mark that dooms it is another one. */
const contentOf = ({ doomed, ...attempt }: Attempt) => ({
  ...attempt,
  doomed: doomed !== undefined,
  revision: 0,
  updatedAt: 0,
});

test.each(ATTEMPT_STATES.flatMap(state => Object.keys(EVENTS).map(event => [state, event] as const)))(
  'an attempt is %s, and %s: by the rules, and a second time nothing more comes of it',
  (state, event) => {
    for (const attempt of attemptsIn(state)) {
      const decide = EVENTS[event]!;
      const decision = decide(attempt);
      // The same again from the same, and nothing of it changed: what is frozen throws when it is written.
      expect(decide(attempt)).toEqual(decision);
      if (decision.kind !== 'commit') continue;
      const after = decision.writes.attempt!;
      const broken = RULES.filter(([, holds]) => !holds(attempt, after)).map(([sentence]) => sentence);
      if (broken.length > 0) expect.fail(JSON.stringify({ broken, attempt, after }, undefined, 1));
      const again = decide(after);
      if (again.kind === 'commit') expect(contentOf(again.writes.attempt!)).toEqual(contentOf(after));
    }
  },
);
