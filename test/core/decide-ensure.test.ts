import { describe, expect, test } from 'vitest';
import { ATTEMPT_STATES, type Attempt, attemptSchema, isAttemptOver } from '../../shared/core/attempt.ts';
import { MUST_BE_ORDERED } from '../../shared/core/decide/depend.ts';
import { decideEnsure, type Wanting } from '../../shared/core/decide/ensure.ts';
import { at, committed } from '../support/decide.ts';
import { attemptIn, CREATED_AT, questFixture } from '../support/documents.ts';

const quest = questFixture();
const WANTED = { id: quest.id, desc: quest.desc, attempt: 1 };
const CLIENT: Wanting = 'client';
const ANOTHER: Wanting = { rank: 3 };

function ensure(attempt: Attempt | undefined, wanting: Wanting, known = true) {
  return decideEnsure({ quest: known ? quest : undefined, attempt }, WANTED, wanting, at(7));
}

describe('an attempt that does not exist', () => {
  test.each([
    ['a client', CLIENT, { requested: true }],
    ['another attempt', ANOTHER, { awaited: true, rank: 3 }],
    ['another attempt that nobody waits for', { rank: 1 }, { awaited: true, rank: 1 }],
  ] as const)('is created for %s, which it says', (_, wanting, marks) => {
    const { attempt, quest: written } = committed(ensure(undefined, wanting));
    expect(attemptSchema.parse(attempt)).toEqual({
      ...attemptIn('SCHEDULING', { notBefore: CREATED_AT + 7, wakeAt: CREATED_AT + 7, ...marks }),
      createdAt: CREATED_AT + 7,
      updatedAt: CREATED_AT + 7,
    });
    expect(written).toBeUndefined();
  });

  test.each([CLIENT, ANOTHER])('is created with its quest where that is new (%j)', wanting => {
    expect(committed(ensure(undefined, wanting, false)).quest).toEqual({ ...quest, createdAt: CREATED_AT + 7 });
  });
});

/** Who wants it → what it says already → what comes of it. */
const CASES: [string, Wanting, Partial<Attempt>, string | Partial<Attempt>][] = [
  ['a client, like one before', CLIENT, { requested: true }, 'exists'],
  ['a client, unlike one before', CLIENT, { awaited: true, rank: 2 }, { requested: true, awaited: true, rank: 2 }],
  ['a client, like nobody known', CLIENT, {}, { requested: true }],
  ['a client, while it is doomed', CLIENT, { awaited: true, doomed: 1 }, { requested: true, awaited: true }],
  ['a client, while it is doomed all the same', CLIENT, { requested: true, doomed: 1 }, { requested: true }],
  ['another, like one before', ANOTHER, { awaited: true, rank: 3 }, 'exists'],
  ['another, of a lower rank than there was', ANOTHER, { awaited: true, rank: 9 }, 'exists'],
  ['another, unlike one before', ANOTHER, { requested: true, rank: 3 }, { requested: true, awaited: true, rank: 3 }],
  ['another, while it is doomed', ANOTHER, { awaited: true, rank: 3, doomed: 1 }, { awaited: true, rank: 3 }],
  ['another, and it ranks too low', ANOTHER, { awaited: true, rank: 2 }, MUST_BE_ORDERED],
  ['another, and it has no rank', ANOTHER, { requested: true }, MUST_BE_ORDERED],
  ['another, and it ranks too low and is doomed', ANOTHER, { awaited: true, rank: 2, doomed: 1 }, MUST_BE_ORDERED],
];

describe.each(ATTEMPT_STATES)('an attempt that is %s', state => {
  test.each(CASES)('is wanted by %s', (_, wanting, says, outcome) => {
    const attempt = attemptIn(state, says);
    const decision = ensure(attempt, wanting);
    if (isAttemptOver(attempt) || typeof outcome === 'string') {
      // What is over waits for nobody, whatever its rank.
      const reason = isAttemptOver(attempt) ? 'exists' : outcome;
      expect(decision).toEqual({ kind: 'ignored', reason });
      return;
    }
    const written = committed(decision);
    expect(attemptSchema.parse(JSON.parse(JSON.stringify(written.attempt)))).toEqual({
      ...attemptIn(state, outcome),
      revision: 2,
      updatedAt: CREATED_AT + 7,
    });
    expect(written.quest).toBeUndefined();
    expect(ensure(written.attempt, wanting)).toEqual({ kind: 'ignored', reason: 'exists' });
  });
});
